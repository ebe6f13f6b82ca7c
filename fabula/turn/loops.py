"""End a reply that only repeats itself. Knows no text, only token ids.

A loop is a piece of up to `loop_length` tokens that stands at the end of the reply `loop_count` times in a
row. A piece shorter than `SHORTEST` tokens has to come as often as makes up for it: a line of dashes, or a
row of zeros, is no loop.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable

from fabula.core.sampling import Sampling

SHORTEST = 24  # tokens that a piece counts for at least


class LoopWatch:
    """Sees a reply's tokens one by one. The cost of a token grows with how often it occurred lately, not with
    `loop_length`: only distances at which the same token stands can be periods."""

    def __init__(self, sampling: Sampling):
        self._count = sampling.loop_count
        self._longest = sampling.loop_length
        self._seen: defaultdict[int, deque[int]] = defaultdict(deque)  # token → its latest positions
        self._runs: dict[int, int] = {}  # period → how many tokens in a row equal the one a period before
        self._position = 0

    @property
    def active(self) -> bool:
        return self._count > 0

    def loops(self, ids: Iterable[int]) -> bool:
        """Whether the reply is a loop once these tokens are in."""
        found = False
        for id in ids:
            found |= self._see(id)
        return found

    def _see(self, id: int) -> bool:
        positions = self._seen[id]
        while positions and self._position - positions[0] > self._longest:
            positions.popleft()
        periods = [self._position - earlier for earlier in positions]
        self._runs = {period: self._runs.get(period, 0) + 1 for period in periods}
        positions.append(self._position)
        self._position += 1
        return any(self._is_loop(period, run) for period, run in self._runs.items())

    def _is_loop(self, period: int, run: int) -> bool:
        return run + period >= max(period, SHORTEST) * self._count
