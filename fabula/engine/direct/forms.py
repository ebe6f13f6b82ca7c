"""A reply that is one match of a regex. Knows no engine: it reads the text that tokens make."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import regex

from fabula.engine.sampling.candidates import Candidates

ENOUGH = (
    64  # tokens that fit are looked for among the likeliest ones first; more change nothing that is drawn
)
MATCH_S = 2.0  # how long one look may take


class WholeRegex:
    """`ends` are tokens that end a reply: they may follow only where the text is a whole match."""

    def __init__(self, pattern: str, piece: Callable[[int], bytes], ends: frozenset[int]) -> None:
        self._pattern = regex.compile(pattern)
        self._piece, self._ends = piece, ends
        self._raw: list[bytes] = [b""]

    def allows(self, token: int) -> bool:
        text = self._raw[-1].decode("utf-8", "ignore")
        if token in self._ends:
            return self._pattern.fullmatch(text, timeout=MATCH_S) is not None
        piece = self._piece(token)
        if not piece:
            return False  # it would only wait
        return any(self._may_begin(text) for text in _completed(self._raw[-1] + piece))

    def _may_begin(self, text: str) -> bool:
        return self._pattern.fullmatch(text, partial=True, timeout=MATCH_S) is not None

    def allowed(self, given: Candidates) -> Candidates | None:
        """The likeliest `ENOUGH` of those that fit."""
        ranked, places = given.sorted(), []
        for place, token in enumerate(ranked.ids.tolist()):
            if self.allows(token):
                places.append(place)
                if len(places) == ENOUGH:
                    break
        return ranked.keep(np.isin(np.arange(len(ranked)), places)) if places else None

    def accept(self, token: int) -> None:
        self._raw.append(self._raw[-1] + (b"" if token in self._ends else self._piece(token)))

    def back_to(self, written: int) -> None:
        del self._raw[written + 1 :]


CONTINUATIONS = (0x80, 0x8F, 0x99, 0xA5, 0xBF)  # samples of the bytes that go on a character


def _completed(raw: bytes) -> list[str]:
    """The text; where it ends within a character, with samples of what may come of it; [] for no text."""
    try:
        return [raw.decode("utf-8")]
    except UnicodeDecodeError as wrong:
        if wrong.reason != "unexpected end of data":
            return []
    found = []
    for count in (1, 2, 3):
        for last in CONTINUATIONS:
            with suppress(UnicodeDecodeError):
                found.append((raw + bytes([last]) * count).decode("utf-8"))
    return found
