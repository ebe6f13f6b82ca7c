"""A grammar that a reply keeps to, by the engine's own parser. Runs in the child process only."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence

import numpy as np

from fabula.engine.direct.abi import TokenData, TokenDataArray
from fabula.engine.direct.weights import Refused, Weights
from fabula.engine.sampling.candidates import Candidates

ROOT = b"root"
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Grammar:
    """Tells which tokens may follow. With `triggers`, everything may until one of these words was written.

    Keeps a copy for each token of the reply, so that it can go back.
    """

    def __init__(self, weights: Weights, text: str, triggers: Sequence[str] = ()) -> None:
        self._library = weights.library
        self._library.lines.clear()
        made = self._made(weights, text.encode(), triggers)
        if not made:
            raise Refused(f"the grammar was not understood: {self._library.complaint()}")
        self._copies: list[int] = [made]

    def _made(self, weights: Weights, text: bytes, triggers: Sequence[str]) -> int | None:
        made: int | None
        if not triggers:
            made = self._library.sampler_init_grammar(weights.vocabulary_handle, text, ROOT)
            return made
        words = "|".join(re.escape(word) for word in triggers)
        patterns = (ctypes.c_char_p * 1)(f"[\\s\\S]*?({words})[\\s\\S]*".encode())
        made = self._library.sampler_init_grammar_lazy_patterns(
            weights.vocabulary_handle, text, ROOT, patterns, 1, None, 0
        )
        return made

    def allows(self, token: int) -> bool:
        return len(self._kept(np.array([token], np.int64))) == 1

    def allowed(self, given: Candidates) -> Candidates | None:
        """Those that may follow; None when none of them may."""
        kept = self._kept(given.ids)
        return given.keep(np.isin(given.ids, kept)) if len(kept) else None

    def _kept(self, ids: np.ndarray) -> np.ndarray:
        rows = np.zeros(len(ids), _CANDIDATE)
        rows["id"] = ids
        data = rows.ctypes.data_as(ctypes.POINTER(TokenData))
        array = TokenDataArray(data, len(rows), -1, False)
        self._library.sampler_apply(self._copies[-1], ctypes.byref(array))
        left = rows[: array.size]
        return np.asarray(left["id"][np.isfinite(left["logit"])], np.int64)

    def accept(self, token: int) -> None:
        copy = self._library.sampler_clone(self._copies[-1])
        self._library.sampler_accept(copy, token)
        self._copies.append(copy)

    def back_to(self, written: int) -> None:
        """As it was after so many tokens."""
        for copy in self._copies[written + 1 :]:
            self._library.sampler_free(copy)
        del self._copies[written + 1 :]

    def close(self) -> None:
        self.back_to(-1)
