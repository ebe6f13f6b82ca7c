"""Which bytes of a file are here, and who fetches which of the others. Knows no network and no disk.

A file is a row of spans. Whoever has nothing to do takes one that nobody works on, else the second half of
the longest one: a few long requests instead of thousands of short ones. Safe to use from several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

UNKNOWN = 1 << 62  # the end of a file whose size nobody has told
LEAST = 4 << 20  # bytes; what is shorter is not shared


@dataclass(slots=True, eq=False)
class Span:
    """Bytes from `start` up to `end`; those before `at` are here."""

    start: int
    at: int
    end: int
    taken: bool = False

    @property
    def left(self) -> int:
        return self.end - self.at


class Spans:
    def __init__(self, size: int = 0, rows: Iterable[Sequence[int]] = (), least: int = LEAST) -> None:
        """`rows` are those that `kept` told. A size of 0 is not known yet."""
        self.size, self.least = size, least
        self._lock = threading.Lock()
        self._spans = [Span(start, at, end) for start, at, end in rows] or [Span(0, 0, size or UNKNOWN)]

    @classmethod
    def read(cls, size: int, rows: object, least: int = LEAST) -> Spans | None:
        """From a file that somebody may have damaged: None unless the rows cover the size without a gap."""
        if not isinstance(rows, list) or not size > 0:
            return None
        whole = all(
            isinstance(row, list) and len(row) == 3 and all(type(n) is int for n in row) for row in rows
        )
        if not whole or [row[0] for row in rows] + [size] != [0] + [row[2] for row in rows]:
            return None
        if not all(start <= at <= end for start, at, end in rows):
            return None
        return cls(size, rows, least)

    def kept(self) -> list[list[int]]:
        """What can be read again: rows of start, at, end, neighbours that are whole made one."""
        rows: list[list[int]] = []
        with self._lock:
            for span in sorted(self._spans, key=lambda each: each.start):
                if rows and rows[-1][1] == rows[-1][2] and rows[-1][2] == span.start:
                    rows[-1][1:] = [span.at, span.end]
                else:
                    rows.append([span.start, span.at, span.end])
        return rows

    @property
    def done(self) -> int:
        with self._lock:
            return sum(span.at - span.start for span in self._spans)

    @property
    def reach(self) -> int:
        """The last byte that is here is in front of it."""
        with self._lock:
            return max(span.at for span in self._spans if span.at > span.start or not span.start)

    @property
    def is_whole(self) -> bool:
        with self._lock:
            return all(span.at == span.end for span in self._spans)

    @property
    def shares(self) -> int:
        """How many could work on what is left."""
        with self._lock:
            return sum(1 + span.left // (2 * self.least) for span in self._spans if span.left)

    def take(self) -> Span | None:
        """A span to work on; None when there is nothing to share."""
        with self._lock:
            idle = [span for span in self._spans if span.left and not span.taken]
            span = idle[0] if idle else self._halved()
            if span:
                span.taken = True
            return span

    def _halved(self) -> Span | None:
        longest = max(self._spans, key=lambda each: each.left)
        if longest.left < 2 * self.least or longest.end == UNKNOWN:
            return None
        middle = longest.at + longest.left // 2
        second = Span(middle, middle, longest.end)
        longest.end = middle
        self._spans.append(second)
        return second

    def release(self, span: Span) -> None:
        with self._lock:
            span.taken = False

    def room(self, span: Span, count: int) -> int:
        """How many of the next bytes still belong to the span: its end may have been given to another."""
        with self._lock:
            return min(count, span.left)

    def advance(self, span: Span, count: int) -> None:
        """They are on the disk."""
        with self._lock:
            span.at += count

    def limit(self, size: int) -> None:
        """The size is known now."""
        with self._lock:
            self.size = size
            self._spans[-1].end = size
