"""A text that knows where in it what was said stands, whatever a template does with it. Knows no template.

It is the text that it is: every question about it is answered as of any other. Joined to others, or cut, it
knows where its own are; what else is made of it is plain text. What it costs to know that does not grow with
what is known: it is worked out at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Span = tuple[int, int, int]
"""Where a text begins and ends, and the number of the message that it is from."""
Spot = tuple[int, int, int, Any]
"""Where a text begins, from where and until where it is in another, and the number or the spots of that."""
MAX_SPOTS = 1_000_000  # looked through for the spans of one text; a hostile one may have any number
PARTING = frozenset(["strip", "lstrip", "rstrip", "split", "rsplit", "partition", "rpartition", "replace"])
"""The methods that give parts of it, or may give all of it."""


class Placed(str):
    __slots__ = ("spots",)

    spots: tuple[Spot, ...]

    def __str__(self) -> str:
        return self

    def _part(self, start: int, stop: int) -> str:
        text = str.__getitem__(self, slice(start, stop))
        if len(self.spots) > 1:
            return _with(((0, start, start + len(text), self.spots),), text)
        ((at, first, last, source),) = self.spots
        begin, end = max(at, start), min(at + last - first, stop)
        if begin > end:
            return text
        return _with(((begin - start, first + begin - at, first + end - at, source),), text)

    def __getitem__(self, key: Any) -> str:
        if not isinstance(key, slice) or key.step not in (None, 1):
            return str.__getitem__(self, key)
        return self._part(*key.indices(len(self))[:2])

    def strip(self, chars: str | None = None, /) -> str:
        if len(str.strip(self, chars)) == len(self):
            return self
        start = len(self) - len(str.lstrip(self, chars))
        return self._part(start, start + len(str.strip(self, chars)))

    def lstrip(self, chars: str | None = None, /) -> str:
        return self._part(len(self) - len(str.lstrip(self, chars)), len(self))

    def rstrip(self, chars: str | None = None, /) -> str:
        return self._part(0, len(str.rstrip(self, chars)))

    def split(self, sep: str | None = None, maxsplit: Any = -1) -> list[str]:
        return self._parts(sep, str.split(self, sep, maxsplit))

    def rsplit(self, sep: str | None = None, maxsplit: Any = -1) -> list[str]:
        return self._parts(sep, str.rsplit(self, sep, maxsplit))

    def _parts(self, sep: str | None, pieces: list[str]) -> list[str]:
        if sep is None:
            return pieces
        if len(pieces) == 1:
            return [self]
        found, start = [], 0
        for piece in pieces:
            found.append(self._part(start, start + len(piece)))
            start += len(piece) + len(sep)
        return found

    def partition(self, sep: str, /) -> tuple[str, str, str]:
        return self._halves(*str.partition(self, sep))

    def rpartition(self, sep: str, /) -> tuple[str, str, str]:
        return self._halves(*str.rpartition(self, sep))

    def replace(self, old: str, new: str, count: Any = -1, /) -> str:
        text = str.replace(self, old, new, count)
        return self if text == self else text

    def _halves(self, before: str, sep: str, behind: str) -> tuple[str, str, str]:
        return self._part(0, len(before)), sep, self._part(len(self) - len(behind), len(self))


def placed(text: str, place: int) -> str:
    """What the message of this number says."""
    return _with(((0, 0, len(text), place),), text)


def joined(texts: Sequence[str]) -> str:
    spots: list[Spot] = []
    at = 0
    for text in texts:
        if type(text) is Placed:
            spots.append(_moved(text, at))
        at += len(text)
    whole = "".join(texts)
    return _with(tuple(spots), whole) if spots else whole


def _moved(text: Placed, at: int) -> Spot:
    """All of it, as it stands there in another."""
    if len(text.spots) > 1:
        return at, 0, len(text), text.spots
    ((own, first, last, source),) = text.spots
    return at + own, first, last, source


def plain(text: str) -> str:
    return str.__str__(text)


def spans(text: str) -> list[Span] | None:
    """In their order; None where that are too many."""
    found: list[Span] = []
    within = [(0, 0, len(text), iter(text.spots if type(text) is Placed else ()))]
    seen = 0
    while within:
        base, lowest, highest, spots = within[-1]
        for at, first, last, source in spots:
            seen += 1
            if seen > MAX_SPOTS:
                return None
            start, stop = max(base + at, lowest), min(base + at + last - first, highest)
            if start > stop:
                continue
            if type(source) is not int:
                within.append((base + at - first, start, stop, iter(source)))
                break
            found.append((start, stop, source))
        else:
            within.pop()
    return found


def glue(text: str, words: str, count: int) -> list[str | None] | None:
    """What stands in it before each of so many messages, None for one that is nowhere, and behind the last.

    None where a message is told twice: its text would be no glue. `words` is the same text, plain.
    """
    stretches = spans(text)
    if stretches is None:
        return None
    found: list[str | None] = [None] * count
    before, at, of = "", 0, -1
    for first, last, place in stretches:
        before += words[at:first]
        at = last
        if place == of:  # another part of the same message
            continue
        if found[place] is not None:
            return None
        found[place], before, of = before, "", place
    return [*found, before + words[at:]]


def _with(spots: tuple[Spot, ...], text: str) -> str:
    found = Placed(text)
    found.spots = spots
    return found
