"""Which trials no other one beats in both respects. Pure; knows no trial."""

from __future__ import annotations

from collections.abc import Sequence

Pair = tuple[float, float]
"""Both as small as can be."""


def front(points: Sequence[Pair]) -> list[int]:
    """Numbers of the points that are not beaten, by their first figure and then by number. One beats another
    that is nowhere smaller and somewhere larger; of equal ones all stay."""
    order = sorted(range(len(points)), key=lambda number: (points[number], number))
    kept: list[int] = []
    for number in order:
        if not kept or points[number][1] < points[kept[-1]][1] or points[number] == points[kept[-1]]:
            kept.append(number)
    return kept
