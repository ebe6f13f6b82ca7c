"""How much a key may ask for in a span of time: a bucket that fills at an even rate. Knows no key.

The clock is an argument.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

SPANS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
"""Seconds of each span that a rate may name."""
MOST = 10**12
_RATE = re.compile(r"([1-9][0-9]{0,11}) ?/ ?(s|sec|second|m|min|minute|h|hour|d|day)")
_SHORT = {"sec": "s", "second": "s", "m": "min", "minute": "min", "hour": "h", "day": "d"}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in a span: Rate(60, "min"). All of them may come at once."""

    count: int
    span: str

    @classmethod
    def of(cls, text: str, name: str = "limit") -> Self | None:
        """From "60/min"; "" is no limit. Raises BadParameter."""
        if not text.strip():
            return None
        found = _RATE.fullmatch(text.strip().lower())
        if not found:
            raise BadParameter(name, text[:80], phrase("expected.rate"))
        return cls(int(found[1]), _SHORT.get(found[2], found[2]))

    def __str__(self) -> str:
        return f"{self.count}/{self.span}"

    @property
    def per_second(self) -> float:
        return self.count / SPANS[self.span]


class Bucket:
    """What is left of a rate. It begins full; times are seconds of any clock that only goes forward."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate, self._left, self._at = rate, float(rate.count), now

    def wait(self, now: float) -> float:
        """Seconds until there is one to take; 0 when there is."""
        self._fill(now)
        return max(0.0, (1 - self._left) / self._rate.per_second)

    def take(self, now: float, count: float = 1) -> None:
        """May leave less than nothing: what a reply costs is known when it is written."""
        self._fill(now)
        self._left -= count

    def _fill(self, now: float) -> None:
        grown = self._left + (now - self._at) * self._rate.per_second
        self._left, self._at = min(grown, float(self._rate.count)), now


_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,3})?) ?(s|min|m|h|d|w)")
_IN_SECONDS = SPANS | {"m": 60, "w": 7 * 86_400}


def seconds_in(text: str, name: str = "expires_in") -> float:
    """A span like "30d", "12h" or "1h 30m"; "" is 0. Raises BadParameter."""
    plain = text.strip().lower()
    parts = _SPAN.findall(plain)
    if plain and (not parts or _SPAN.sub("", plain).strip()):
        raise BadParameter(name, text[:80], phrase("expected.lifetime"))
    return sum(float(number) * _IN_SECONDS[unit] for number, unit in parts)
