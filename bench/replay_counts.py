"""What an engine reads of each prompt, counted from tokens alone. Knows no engine and no layout.

The engine holds the last prompt and the reply that it wrote to it; of the next prompt it reads what follows
the longest common beginning, and the last token in any case. Of that, a token is *seen* when it lies in a run
of `RUN` tokens that the engine has read or written before: re-reading it is what a better order could save.
A run is longer than what templates put between two messages, so that the frame of a new message is new.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

RUN = 8


@dataclass(frozen=True, slots=True)
class Read:
    """One prompt, in tokens. `again` of those processed had been read or written before."""

    prompt: int
    processed: int
    again: int

    @property
    def reused(self) -> int:
        return self.prompt - self.processed


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # halving compares slices, which is fast
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


@dataclass(slots=True)
class Cache:
    """One slot of an engine over a whole chat."""

    held: tuple[int, ...] = ()
    _seen: set[int] = field(default_factory=set)

    def reads(self, prompt: tuple[int, ...], reply: tuple[int, ...]) -> Read:
        """The next prompt, and the reply that is written to it."""
        there = self.there(prompt)
        again = _covered(prompt, there, self._seen)
        self.held = prompt + reply
        start = max(0, there - RUN + 1)
        self._seen.update(hash(run) for _, run in _runs(self.held, start))
        return Read(len(prompt), len(prompt) - there, again)

    def there(self, prompt: tuple[int, ...]) -> int:
        return min(common(self.held, prompt), len(prompt) - 1)


def _runs(ids: tuple[int, ...], start: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    return ((at, ids[at : at + RUN]) for at in range(start, len(ids) - RUN + 1))


def _covered(ids: tuple[int, ...], start: int, seen: set[int]) -> int:
    """How many of the ids from `start` on lie in a run that was seen."""
    count, reached = 0, start
    for at, run in _runs(ids, max(0, start - RUN + 1)):
        if hash(run) in seen:
            end = at + RUN
            count += end - max(at, reached)
            reached = max(reached, end)
    return count
