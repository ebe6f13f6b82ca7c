"""How far small counts can be trusted: intervals of shares, and whether a change is more than chance. Knows
no probe and no model.

All of it is exact or closed form, so that the same counts give the same figures everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z = 1.959963984540054  # of a normal distribution: 95 % lie within


@dataclass(frozen=True, slots=True)
class Interval:
    """Of 95 %."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """The same things judged twice, by how each came out: before and after."""

    both: int = 0
    worse: int = 0  # right before, wrong after
    better: int = 0  # wrong before, right after
    neither: int = 0

    @property
    def count(self) -> int:
        return self.both + self.worse + self.better + self.neither

    @property
    def before(self) -> int:
        return self.both + self.worse

    @property
    def after(self) -> int:
        return self.both + self.better


def wilson(right: int, count: int) -> Interval:
    """Of a share (E. B. Wilson, JASA 1927): sound for few tries, and for none or all right."""
    if not count:
        return Interval(0.0, 1.0)
    share, square = right / count, Z * Z
    middle = share + square / (2 * count)
    half = Z * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    scale = 1 + square / count
    return Interval(max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale))


def mcnemar(worse: int, better: int) -> float:
    """The exact two-sided p of a change: how often as many or more would turn to one side by the toss of a
    coin. What did not change says nothing about it."""
    changed, fewer = worse + better, min(worse, better)
    tail = sum(math.comb(changed, turned) for turned in range(fewer + 1))
    return min(1.0, math.ldexp(tail, 1 - changed))


def change(pair: Paired) -> Interval:
    """Of the share after minus the share before (R. G. Newcombe, Statistics in Medicine 1998, method 10)."""
    if not pair.count:
        return Interval(-1.0, 1.0)
    before, after = pair.before / pair.count, pair.after / pair.count
    first, second = wilson(pair.before, pair.count), wilson(pair.after, pair.count)
    link = _link(pair)
    low = _side(after - second.low, first.high - before, link)
    high = _side(second.high - after, before - first.low, link)
    return Interval(max(-1.0, after - before - low), min(1.0, after - before + high))


def _side(one: float, other: float, link: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * link * one * other + other * other))


def _link(pair: Paired) -> float:
    """How much what came out before and after hang together, −1 … 1; corrected for being counts."""
    margins = pair.before * (pair.better + pair.neither) * pair.after * (pair.worse + pair.neither)
    if not margins:
        return 0.0
    surplus: float = pair.both * pair.neither - pair.worse * pair.better
    if surplus > 0:
        surplus = max(0.0, surplus - pair.count / 2)
    return surplus / math.sqrt(margins)


def holm(chances: Sequence[float]) -> list[float]:
    """Several p, each as it counts when all of them were looked at (S. Holm, 1979), in their order."""
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    found, highest = [1.0] * len(chances), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, chances[place] * (len(chances) - rank)))
        found[place] = highest
    return found
