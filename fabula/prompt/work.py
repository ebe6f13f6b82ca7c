"""How much a template does, counted while it does it. Knows no template and no message.

One step is about what it takes to work out one name, one comparison, one part of a sum: below 100 ns here.
What goes through a text or a list takes a step for so many characters or things.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fabula.prompt import growth

MAX_STEPS = 60_000_000  # of one rendering: ten times what long chats need by published templates
RUN = 64  # times round a loop that are paid for together
SCANNED = 32  # characters, or things that are only copied, that are gone through in one step
COMPARED = 256  # characters
SHORT = 512  # a text that is gone through in no time
ATOMS = {int, float, bool, type(None)}

Step = Callable[[float], None]


class Runs:
    """Things that are paid for while they are gone through, also those that are added meanwhile."""

    __slots__ = ("_each", "_step", "_things")

    def __init__(self, things: Any, each: float, step: Step) -> None:
        self._things, self._each, self._step = things, each, step

    def __len__(self) -> int:
        return len(self._things)

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(self._paid(iter(self._things)))

    def _paid(self, rest: Iterator[Any]) -> Iterator[Iterable[Any]]:
        for first in rest:
            more = min(RUN - 1, operator.length_hint(rest, RUN - 1))
            self._step(self._each * (1 + more))
            yield (first,)
            yield itertools.islice(rest, more)


def scanning(text: str) -> float:
    return len(text) / SCANNED if len(text) > SHORT else 0


def comparing(thing: Any) -> float:
    """What it takes at most to compare this with anything."""
    if type(thing) in ATOMS:
        return 0
    return len(thing) / COMPARED if isinstance(thing, str) else growth.size(thing) / growth.NUMBER


def seeking(one: Any, many: Any) -> float:
    """`one in many`."""
    if isinstance(many, str):
        return scanning(many)
    return len(many) * (1 + comparing(one)) if isinstance(many, (list, tuple)) else comparing(one)


BACKWARDS = {"rfind", "rindex", "rsplit", "rpartition"}
"""Python compares the whole of what is looked for at every place."""
SETS = {"strip", "lstrip", "rstrip"}


def asking(text: str, name: str, given: tuple[Any, ...]) -> float:
    """What a method of a text goes through."""
    asked = sum(len(one) for one in given if isinstance(one, str))
    listed = sum(len(one) for one in given if not isinstance(one, str) and hasattr(one, "__len__"))
    product = name in BACKWARDS or name in SETS
    return listed + (len(text) * (1 + asked) if product else len(text) + asked) / SCANNED
