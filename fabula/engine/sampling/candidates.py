"""The tokens that may still be drawn, with their logits. Knows no sampler."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

NEAR = 2048  # a sort of this many likeliest tokens nearly always does; a whole vocabulary costs 20 ms


@dataclass(frozen=True, slots=True)
class Candidates:
    """n tokens: `ids` [n] and finite `logits` [n] (natural log, not normalised); never none.

    `is_sorted` says that the likeliest comes first.
    """

    ids: Ints
    logits: Floats
    is_sorted: bool = False

    @classmethod
    def of(cls, logits: ArrayLike) -> Self:
        """From a row of logits over the whole vocabulary [V]; tokens at −inf are none."""
        row = np.asarray(logits, np.float64)
        ids = np.flatnonzero(np.isfinite(row))
        return cls(ids, row[ids])

    def __len__(self) -> int:
        return len(self.ids)

    def probabilities(self) -> Floats:
        """[n], sums to 1."""
        weights = np.exp(self.logits - self.logits.max())
        return np.asarray(weights / weights.sum(), np.float64)

    def sorted(self) -> Self:
        """The likeliest first; equals as they stood, which is by their ids unless they were sorted before."""
        if self.is_sorted:
            return self
        order = np.argsort(-self.logits, kind="stable")
        return replace(self, ids=self.ids[order], logits=self.logits[order], is_sorted=True)

    def likeliest(self, count: int) -> Self:
        """The `count` likeliest, sorted; all where there are no more."""
        if self.is_sorted:
            return self.first(count)
        if count >= len(self):
            return self.sorted()
        least = np.partition(self.logits, len(self) - count)[len(self) - count]
        return self.keep(self.logits >= least).sorted().first(count)

    def first(self, count: int) -> Self:
        return replace(self, ids=self.ids[:count], logits=self.logits[:count])

    def keep(self, kept: Mask) -> Self:
        """Those where `kept` [n] is true, and the likeliest in any case."""
        if not kept.any():
            kept = self.logits == self.logits.max()
        return replace(self, ids=self.ids[kept], logits=self.logits[kept])

    def at(self, logits: Floats, *, same_order: bool = False) -> Self:
        """With other logits [n]; `same_order` where they rank the tokens as before."""
        finite = np.isfinite(logits)
        if not finite.all():
            return replace(self.at(np.where(finite, logits, -1e300), same_order=same_order)).keep(finite)
        return replace(self, logits=logits, is_sorted=self.is_sorted and same_order)

    def full(self, size: int) -> Floats:
        """Probabilities over the whole vocabulary [size]."""
        row = np.zeros(size)
        row[self.ids] = self.probabilities()
        return row
