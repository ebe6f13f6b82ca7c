"""Token counts while somebody types: by a model that is loaded and idle, else guessed. Loads nothing.

Knows only the Worker seam.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fabula.core.worker import Counts, Running, Workers

LETTERS_PER_TOKEN = 3.7  # of English prose, measured with a vocabulary of 49,000; larger ones take fewer
WIDE_PER_TOKEN = 1.4  # of Chinese, Japanese, Korean
_WIDE = re.compile(
    r"[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]|[\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class Counted:
    """`model` is who counted, "" where the numbers are guesses; `context` is its window in tokens, or 0."""

    counts: Sequence[int]
    model: str = ""
    context: int = 0


class AtHand:
    def __init__(self, workers: Workers, running: Callable[[], Sequence[Running]]) -> None:
        self._workers, self._running = workers, running

    async def count(self, texts: Sequence[str], wanted: str = "") -> Counted:
        """Of each text. `wanted` names the model that should count; one that is not loaded does not."""
        idle = self._idle(wanted)
        if idle is None:
            return Counted([guessed(text) for text in texts])
        async with self._workers.place(idle.model) as place:
            async for _ in place.steps():
                pass
            if not isinstance(place.worker, Counts):
                return Counted([guessed(text) for text in texts])
            distinct = list(dict.fromkeys(filter(None, texts)))
            found = dict(zip(distinct, await place.worker.count(distinct), strict=True))
        return Counted([found.get(text, 0) for text in texts], idle.model, idle.plan.context)

    def _idle(self, wanted: str) -> Running | None:
        """The one that was loaded last, where none is wanted."""
        found = [
            one for one in self._running() if wanted in ("", one.model) and not (one.busy or one.waiting)
        ]
        return max(found, key=lambda one: one.loaded_at, default=None)


def guessed(text: str) -> int:
    """From the number of letters, by script."""
    wide = len(_WIDE.findall(text))
    return math.ceil(wide / WIDE_PER_TOKEN + (len(text) - wide) / LETTERS_PER_TOKEN)
