"""What a model has read, by slot, with the shape of `direct.context`: tokens go in, logits come out.

A slot keeps one beginning, as it was read with the traits of its request. A prompt takes the slot that has
most in common with it, so that chats which take turns do not read each other's away. Runs in the child
process only.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fabula.engine.direct.weights import TooLong
from fabula.engine.transformers_child.library import Memory, Rows
from fabula.engine.transformers_child.weights import Weights

AT_ONCE = 256  # tokens; more are no faster on a processor, and progress is told between two of these
LOGITS_BYTES = 64 << 20
REPLY = 0
NOTHING = -1  # no token
WORTH = 2  # a slot is taken over when at least one in so many tokens of it is of use


class Context:
    """Sequence 0 is the reply's, in the slot that suits it best; others have memories of their own."""

    def __init__(self, weights: Weights) -> None:
        self.weights, self.length = weights, weights.settings.context
        self.rows = max(1, min(AT_ONCE, LOGITS_BYTES // (4 * weights.vocabulary)))
        self._slots = [weights.model.memory() for _ in range(weights.settings.slots)]
        self._read_as = [""] * len(self._slots)  # the variant with which each was read
        self._variant = ""  # what tells apart how a prompt is read now; "" = by the model itself
        self._used = [0.0] * len(self._slots)
        self._now = 0
        self._asked: list[int] = [NOTHING]
        self._others: dict[int, Memory] = {}
        self._scales: tuple[float, ...] = ()
        self._rows: NDArray[np.float32] | None = None

    # ── what the model is changed by ────────────────────────────────────────────────────────────────

    def adapt(self, scales: Sequence[float], worn: None = None) -> None:
        """How strong each adapter is. Nothing else is worn here."""
        self._scales = tuple(scales)
        self._change()

    def steer(self, matrix: NDArray[np.float32] | None) -> None:
        """Adds row k of [layers − 1, width] to what layer k + 1 gives; None = nothing."""
        self._rows = matrix
        self._change()

    def _change(self) -> None:
        """What was read stays in its slot, for requests that are changed in the same way."""
        self.weights.model.hooks.change(self._scales, self._rows)
        rows = b"" if self._rows is None or not self._rows.any() else self._rows.tobytes()
        plain = not any(self._scales) and not rows
        self._variant = "" if plain else hashlib.sha256(repr(self._scales).encode() + rows).hexdigest()
        self._asked = [NOTHING]
        self._others.clear()

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────

    def read(
        self,
        ids: Sequence[int],
        wanted: int,
        *,
        sequence: int = REPLY,
        pause: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[int, Rows]]:
        """(place, logits [n, V]) for the tokens from number `wanted` on, in pieces; what is held of the rest
        is not read again. Raises TooLong."""
        if len(ids) > self.length:
            raise TooLong(len(ids), self.length)
        start = self.reuse(ids, wanted, sequence)
        memory = self._memory(sequence)
        while start < len(ids):
            pause()
            bare = start < wanted
            end = min(start + AT_ONCE, wanted if bare else min(start + self.rows, len(ids)))
            rows = self.weights.model.read(ids[start:end], memory, 0 if bare else end - start)
            if not bare:
                yield start, rows
            start = end

    def last(
        self, ids: Sequence[int], *, sequence: int = REPLY, pause: Callable[[], None] = lambda: None
    ) -> Rows:
        """A copy of the logits [V] after the last token."""
        for _, rows in self.read(ids, len(ids) - 1, sequence=sequence, pause=pause):
            row: Rows = rows[-1].copy()
        return row

    def advance(self, token: int, place: int, sequence: int) -> Rows | None:
        """The logits [V] after one more token at this place of the sequence, which is cut to there; None
        where the model cannot go back, or has not read so far."""
        memory = self._memory(sequence)
        if len(memory.held) > place and not memory.cut(place):
            self.drop(sequence)
            return None
        if len(memory.held) != place:
            return None
        row: Rows = self.weights.model.read([token], memory, 1)[0]
        return row

    def reuse(self, ids: Sequence[int], most: int, sequence: int = REPLY) -> int:
        """Cuts the sequence to the tokens that it has in common with `ids`, at most so many; how many."""
        if sequence == REPLY and list(ids[: len(self._asked)]) != self._asked:
            self._asked = list(ids)  # what goes on from here stays in this slot
            self._now = self._best(ids, most)
            self._used[self._now] = time.monotonic()
            if self._read_as[self._now] != self._variant:
                self.drop(REPLY)
                self._read_as[self._now] = self._variant
        memory = self._memory(sequence)
        common = _common(memory.held, ids[:most])
        if not memory.cut(common):
            self.drop(sequence)
            common = 0
        return common

    def _best(self, ids: Sequence[int], most: int) -> int:
        """The slot whose beginning is of most use, if it is of enough; else the one used longest ago."""
        common = [
            _common(slot.held, ids[:most]) if read_as == self._variant else 0
            for slot, read_as in zip(self._slots, self._read_as, strict=True)
        ]
        best = max(range(len(common)), key=common.__getitem__)
        if common[best] * WORTH >= min(len(self._slots[best].held), len(ids)) and common[best]:
            return best
        return min(range(len(self._slots)), key=self._used.__getitem__)

    def held(self, sequence: int = REPLY) -> int:
        return len(self._memory(sequence).held)

    # ── sequences ───────────────────────────────────────────────────────────────────────────────────

    def _memory(self, sequence: int) -> Memory:
        if sequence == REPLY:
            return self._slots[self._now]
        if sequence not in self._others:
            self._others[sequence] = self.weights.model.memory()
        return self._others[sequence]

    def only(self, sequence: int) -> None:
        """Drops all others, whose tokens would take room."""
        for other in [held for held in self._others if held != sequence]:
            self.drop(other)

    def drop(self, sequence: int) -> None:
        if sequence == REPLY:
            self._slots[self._now] = self.weights.model.memory()
        else:
            self._others.pop(sequence, None)


def _common(held: Sequence[int], ids: Sequence[int]) -> int:
    for place, (mine, theirs) in enumerate(zip(held, ids, strict=False)):
        if mine != theirs:
            return place
    return min(len(held), len(ids))
