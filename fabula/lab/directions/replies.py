"""Replies of a model that is read layer by layer: its likeliest tokens, of all prompts at once. Knows no job.

Each token costs one read of all weights, so prompts are filled up at their left end and go on together; what
the layers have read of them stays in memory.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fabula.core.model import LocalModel
from fabula.lab.directions.heads import likeliest
from fabula.lab.directions.skeleton import Ids, Rows, Skeleton
from fabula.store.files import write_atomic

REPLIES_S = 1200.0  # for the replies of both models
FEWEST = 8  # tokens of a reply that is worth its time
LOOK = 2  # layers after which the time of a token is foretold
WRITTEN, SLOW, LARGE = "written", "slow", "large"
"""How replies came out; SLOW and LARGE (what the layers keep of a text would not fit) = there are none."""

Tell = Callable[[float], None]
"""Told the share of a token that is done; may raise to end the work."""
FLOAT = 4  # bytes


def memory_bytes(model: LocalModel, tokens: int) -> int:
    """At most: what all layers keep of so many tokens, in 32 bits."""
    return FLOAT * tokens * model.layers * model.kv_heads * (model.key_length + model.value_length)


def written(
    skeleton: Skeleton,
    prompts: Sequence[Ids],
    replies: Sequence[Ids],
    most: int,
    ends: frozenset[int],
    tell: Tell,
) -> Iterator[None]:
    """Puts the likeliest token to each reply that has not ended, in place, and yields; a reply that ended
    keeps the token that ends it. Raises CannotStream, WeightsUnusable."""
    cache = skeleton.memory()
    asked = [prompt + reply for prompt, reply in zip(prompts, replies, strict=True)]
    longest = max(map(len, asked))
    seen = [[0] * (longest - len(row)) + [1] * len(row) for row in asked]
    asked = [row[:1] * (longest - len(row)) + row for row in asked]
    while _left(replies, most, ends):
        hidden = _behind(skeleton, asked, seen, cache, tell)
        tokens = likeliest(
            skeleton, hidden, lambda share: tell(_share(skeleton, len(skeleton.layers), share))
        )
        for number in _left(replies, most, ends):
            replies[number].append(tokens[number])
        asked = [[token] for token in tokens]
        seen = [[*row, 1] for row in seen]
        yield


def _left(replies: Sequence[Ids], most: int, ends: frozenset[int]) -> list[int]:
    """Those that go on."""
    return [
        number
        for number, reply in enumerate(replies)
        if len(reply) < most and not (reply and reply[-1] in ends)
    ]


def _behind(skeleton: Skeleton, asked: list[Ids], seen: list[Ids], cache: object, tell: Tell) -> Rows:
    """What the last layer gives for the last token of each: [replies, width]."""
    torch = skeleton.torch
    mask = torch.tensor(seen, device=skeleton.device)
    places = (mask.cumsum(-1) - 1).clamp(min=0)[:, -len(asked[0]) :]
    calls, firsts = skeleton.begin(
        {0: asked}, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True
    )
    hidden = firsts[0]
    for number in range(len(skeleton.layers)):
        tell(_share(skeleton, number, 0.0))
        with skeleton.filled(number) as compute:
            hidden = compute(hidden, calls[number][0])
    return hidden[:, -1].copy()


def _share(skeleton: Skeleton, layers: int, of_head: float) -> float:
    """Of a token: the head counts as one more layer."""
    return (layers + of_head) / (len(skeleton.layers) + 1)


# ── how many there is time for ──────────────────────────────────────────────────────────────────────


class TooSlow(Exception):
    """A token of a reply takes so many seconds that there are no replies."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:.0f} s")
        self.seconds = seconds


@dataclass(slots=True)
class Spoken:
    """Replies so far, as tokens. `limit` is how many the second model may write: known when the first has
    written its own. `seconds` are spent on `steps` tokens."""

    source: list[Ids]
    made: list[Ids]
    why: str = WRITTEN
    limit: int | None = None
    seconds: float = 0.0
    steps: int = 0

    @classmethod
    def open(cls, file: Path, prompts: int) -> Spoken:
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls([[] for _ in range(prompts)], [[] for _ in range(prompts)])

    def save(self, file: Path) -> None:
        write_atomic(file, json.dumps(asdict(self)).encode())

    @property
    def tokens(self) -> int:
        return max(map(len, self.source))


class Pace:
    """Of the first model's replies, for which half of the time is there."""

    def __init__(self, spoken: Spoken, layers: int) -> None:
        self._spoken, self._look_at = spoken, LOOK / (layers + 1)
        self._began, self._last = time.monotonic() - spoken.seconds, spoken.seconds
        self._has_read = False  # the prompts; what comes then is quicker

    def look(self, share: float) -> None:
        """Raises TooSlow when the prompts alone would take all of the time."""
        if not self._spoken.steps and share >= self._look_at:
            token = (time.monotonic() - self._began) / share
            _require_time(token, token)

    def step(self) -> bool:
        """After a token: whether there is time for another. Raises TooSlow when too few would come."""
        now, spoken = time.monotonic() - self._began, self._spoken
        token, spoken.seconds, self._last = now - self._last, now, now
        spoken.steps += 1
        if self._has_read and spoken.steps < FEWEST:
            _require_time(now + (FEWEST - spoken.steps) * token, token)
        self._has_read = True
        return 2 * now <= REPLIES_S


def _require_time(seconds: float, token: float) -> None:
    if 2 * seconds > REPLIES_S:
        raise TooSlow(token)
