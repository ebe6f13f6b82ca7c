"""A reply that is one match of a regex. Knows no engine: it reads the text that tokens make."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import regex

from fabula.engine.sampling.candidates import Candidates

ENOUGH = (
    64  # tokens that fit are looked for among the likeliest ones first; more change nothing that is drawn
)
MATCH_S = 2.0  # how long one look may take
SAMPLES = 256  # of the characters that begin with a byte: those of a class stand in blocks
SURROGATES = range(0xD800, 0xE000)
LEADS = ((0xC0, 0xE0, 2, 0x80), (0xE0, 0xF0, 3, 0x800), (0xF0, 0xF8, 4, 0x10000))
"""First bytes of a character of UTF-8: from, to, its bytes, its lowest code."""
_ESCAPES = regex.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2}))")


class WholeRegex:
    """`ends` are tokens that end a reply: they may follow only where the text is a whole match."""

    def __init__(self, pattern: str, piece: Callable[[int], bytes], ends: frozenset[int]) -> None:
        self._pattern = regex.compile(pattern)
        self._named = _named(pattern)
        self._piece, self._ends = piece, ends
        self._raw: list[bytes] = [b""]

    def allows(self, token: int) -> bool:
        text = self._raw[-1].decode("utf-8", "ignore")
        if token in self._ends:
            return self._pattern.fullmatch(text, timeout=MATCH_S) is not None
        piece = self._piece(token)
        if not piece:
            return False  # it would only wait
        return any(self._may_begin(text) for text in self._texts(self._raw[-1] + piece))

    def _first_fits(self, token: int, known: dict[str, bool]) -> bool:
        """Whether the token's first character may follow, which is asked once for all tokens that begin so;
        True where that cannot be told."""
        first = "" if token in self._ends else _first(self._piece(token))
        if not first or _is_open(self._raw[-1]):
            return True
        if first not in known:
            known[first] = self._may_begin(self._raw[-1].decode("utf-8", "ignore") + first)
        return known[first]

    def _texts(self, raw: bytes) -> list[str]:
        """The text; where it ends within a character, with characters that may come of it; [] for no text."""
        try:
            return [raw.decode("utf-8")]
        except UnicodeDecodeError as wrong:
            if wrong.reason != "unexpected end of data":
                return []
            begun = raw[: wrong.start].decode("utf-8")
            return [begun + chr(code) for code in _possible(raw[wrong.start :], self._named)]

    def _may_begin(self, text: str) -> bool:
        return self._pattern.fullmatch(text, partial=True, timeout=MATCH_S) is not None

    def allowed(self, given: Candidates) -> Candidates | None:
        """The likeliest `ENOUGH` of those that fit."""
        ranked, places = given.sorted(), []
        begins: dict[str, bool] = {}
        for place, token in enumerate(ranked.ids.tolist()):
            if self._first_fits(token, begins) and self.allows(token):
                places.append(place)
                if len(places) == ENOUGH:
                    break
        return ranked.keep(np.isin(np.arange(len(ranked)), places)) if places else None

    def accept(self, token: int) -> None:
        self._raw.append(self._raw[-1] + (b"" if token in self._ends else self._piece(token)))

    def back_to(self, written: int) -> None:
        del self._raw[written + 1 :]


def _first(piece: bytes) -> str:
    """The first character, "" where it is not whole."""
    for length in range(1, min(len(piece), 4) + 1):
        try:
            return piece[:length].decode("utf-8")
        except UnicodeDecodeError:
            continue
    return ""


def _is_open(raw: bytes) -> bool:
    """Whether the text ends within a character."""
    return bool(raw) and raw[-1] >= 0x80 and raw.decode("utf-8", "ignore").encode() != raw


def _named(pattern: str) -> frozenset[int]:
    """The codes of characters that a pattern names; a class is told by the ends of its ranges."""
    escaped = (int("".join(found), 16) for found in _ESCAPES.findall(pattern))
    return frozenset((*map(ord, pattern), *(code for code in escaped if code <= 0x10FFFF)))


def _possible(begun: bytes, named: Iterable[int]) -> set[int]:
    """Characters that begin with these bytes: the nearest to each that is named, and some between. If a range
    of the pattern has any that does, the nearest to one of its ends is one."""
    low, high = span(begun)
    nearest = {min(max(code, low), high) for code in named}
    between = range(low, high + 1, max((high - low) // SAMPLES, 1))
    return (nearest | {*between, high}) - set(SURROGATES)


def span(begun: bytes) -> tuple[int, int]:
    """The lowest and the highest code of a character that begins with these bytes."""
    length, least = next((size, least) for start, end, size, least in LEADS if start <= begun[0] < end)
    bits = begun[0] & (0x7F >> length)
    for byte in begun[1:]:
        bits = bits << 6 | byte & 0x3F
    missing = 6 * (length - len(begun))
    return max(bits << missing, least), min((bits << missing) + (1 << missing) - 1, 0x10FFFF)
