"""Means, medians and ratios with 95 % intervals, from paired measurements. Pure: knows no clock.

A ratio is the geometric mean over pairs, with Student's t interval on the logarithms: what slows both sides
of a pair down cancels. A median has a bootstrap interval.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A value, and where the true one lies with 95 % confidence. `count` measurements (or pairs) made it."""

    value: float
    low: float
    high: float
    count: int

    def scaled(self, factor: float) -> Interval:
        return Interval(self.value * factor, self.low * factor, self.high * factor, self.count)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """How many times theirs ours is."""
    logs = [math.log(our / their) for our, their in zip(ours, theirs, strict=True)]
    found = mean(logs)
    return Interval(math.exp(found.value), math.exp(found.low), math.exp(found.high), len(logs))


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """How much more ours is than theirs, on average."""
    return mean([our - their for our, their in zip(ours, theirs, strict=True)])


def mean(values: Sequence[float]) -> Interval:
    middle, count = statistics.fmean(values), len(values)
    if count < 2:
        return Interval(middle, -math.inf, math.inf, count)
    half = t_quantile(count - 1) * statistics.stdev(values) / math.sqrt(count)
    return Interval(middle, middle - half, middle + half, count)


def median(values: Sequence[float]) -> Interval:
    """The middle value; the interval is where the medians of resamples lie. The same for the same values."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    tail = round(RESAMPLES * (1 - CONFIDENCE) / 2)
    return Interval(statistics.median(values), medians[tail], medians[-1 - tail], len(values))


def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """How far Student's t reaches to both sides with this confidence, by bisection."""
    low, high = 0.0, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_inside(middle, freedom) < confidence else (low, middle)
    return high


def _t_inside(t: float, freedom: int) -> float:
    """P(−t < T < t), by the finite series of Abramowitz & Stegun 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(freedom))
    squared = math.cos(angle) ** 2
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for power in range(odd, freedom - 1, 2):
        total += term
        term *= squared * (power + 1) / (power + 2)
    series = math.sin(angle) * total
    return (angle + series) * 2 / math.pi if odd else series
