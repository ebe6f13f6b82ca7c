"""Translate JavaScript's regular expressions (ECMA-262, 22.2) to those of the `regex` package.

Knows no script. Where the two differ, JavaScript's meaning holds: `\\w`, `\\d` and `\\b` are ASCII,
`.` stops at four line ends, `$` is the very end, a group that took no part matches nothing, `{,3}` is text.
What only the `regex` package knows is refused. Texts are Python's, so an astral character is one character.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import regex

from fabula.core.regex_size import MOST_PARTS, parts

LINE_ENDS = "\\n\\r\\u2028\\u2029"
_WORD, _NOT_WORD = "A-Za-z0-9_", "\\x00-/:-@\\[-\\^`{-\\U0010ffff"
_DIGIT, _NOT_DIGIT = "0-9", "\\x00-/:-\\U0010ffff"
_SPACE = "\\t-\\r \\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"
_NOT_SPACE = (
    "\\x00-\\x08\\x0e-\\x1f!-\\x9f\\xa1-\\u167f\\u1681-\\u1fff\\u200b-\\u2027\\u202a-\\u202e\\u2030-\\u205e"
    "\\u2060-\\u2fff\\u3001-\\ufefe\\uff00-\\U0010ffff"
)
_SETS = {"w": _WORD, "W": _NOT_WORD, "d": _DIGIT, "D": _NOT_DIGIT, "s": _SPACE, "S": _NOT_SPACE}
_CONTROLS = {"n": "\\n", "r": "\\r", "t": "\\t", "v": "\\x0b", "f": "\\x0c"}
_EDGE = f"(?:(?<=[{_WORD}])(?![{_WORD}])|(?<![{_WORD}])(?=[{_WORD}]))"
_NO_EDGE = f"(?:(?<=[{_WORD}])(?=[{_WORD}])|(?<![{_WORD}])(?![{_WORD}]))"

_QUANTIFIER = re.compile(r"[*+?]|\{\d+(?:,\d*)?\}", re.A)
_GROUP = re.compile(r"\(\?(?:[:=!]|<[=!]|<([^\W\d]\w*)>|([ims]*(?:-[ims]+)?):)")
_ESCAPE = re.compile(
    r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|c([A-Za-z])|k<([^>]+)>|([pP])\{([\w=]+)\}"
    r"|([1-9]\d*)|(0)(?!\d)|(.))",
    re.S,
)
_GROUPS = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\((?!\?)|\(\?<(?![=!])", re.S)
MAX_PATTERN = 20_000  # characters
MAX_REPEAT = 10_000  # times that a quantifier may ask for


class NotJavaScript(Exception):
    """The text is no regular expression of JavaScript; the message says where."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled expression. `every`: it means all matches (flag g); `sticks`: only at the place (flag y)."""

    compiled: regex.Pattern[str]
    every: bool = False
    sticks: bool = False

    def found_in(self, text: str, *, limit_s: float | None = None) -> bool:
        """Whether it matches anywhere. Raises TimeoutError after `limit_s` seconds."""
        if self.sticks:
            return self.compiled.match(text, timeout=limit_s) is not None
        return self.compiled.search(text, timeout=limit_s) is not None

    def replaced(
        self, text: str, by: Callable[[regex.Match[str]], str], *, limit_s: float | None = None
    ) -> str:
        """`String.replace`: the first match, or with the flag g every one. Raises TimeoutError."""
        pieces: list[str] = []
        at = 0
        for match in self._matches(text, limit_s):
            pieces += (text[at : match.start()], by(match))
            at = match.end()
        return "".join((*pieces, text[at:]))

    def _matches(self, text: str, limit_s: float | None) -> Iterator[regex.Match[str]]:
        find = self.compiled.match if self.sticks else self.compiled.search
        at = 0
        while at <= len(text) and (match := find(text, at, timeout=limit_s)):
            yield match
            if not self.every:
                return
            at = match.end() + (match.end() == match.start())


@functools.lru_cache(maxsize=2048)
def compiled(source: str, flags: str = "") -> Pattern:
    """`new RegExp(source, flags)`. Raises NotJavaScript."""
    if len(set(flags)) != len(flags) or set(flags) - set("dgimsuy") or len(source) > MAX_PATTERN:
        raise NotJavaScript(f"flags {flags!r}")
    options = regex.V0 | regex.UNICODE | (regex.IGNORECASE if "i" in flags else 0)
    try:
        translated = "".join(_Translation(source, flags).parts())
        if parts(translated) > MOST_PARTS:  # MAX_REPEAT bounds each repetition, but not one inside another
            raise NotJavaScript(
                f"it comes to more than {MOST_PARTS} parts once its repetitions are written out"
            )
        return Pattern(regex.compile(translated, options), "g" in flags, "y" in flags)
    except (regex.error, ValueError, OverflowError, RecursionError) as reason:
        raise NotJavaScript(str(reason)) from reason


class _Translation:
    """One pass over a pattern, from left to right."""

    def __init__(self, source: str, flags: str):
        self._source = source
        self._unicode = "u" in flags
        self._any = "[\\x00-\\U0010ffff]" if "s" in flags else f"[^{LINE_ENDS}]"
        lines = "m" in flags
        self._start = f"(?:\\A|(?<=[{LINE_ENDS}]))" if lines else "\\A"
        self._end = f"(?=[{LINE_ENDS}]|\\Z)" if lines else "\\Z"
        opened = [match[0] for match in _GROUPS.finditer(source)]
        self._groups = sum(text.startswith("(") for text in opened)

    def parts(self) -> Iterator[str]:
        at, repeatable = 0, False
        while at < len(self._source):
            quantifier = _QUANTIFIER.match(self._source, at)
            if quantifier:
                if not repeatable:
                    raise NotJavaScript(f"nothing to repeat at {at}")
                at, part = self._quantified(quantifier)
                repeatable = False
            else:
                character = self._source[at]
                at, part = self._one(at)
                repeatable = character not in "^|(" or (character == "(" and part == "")
            yield part

    def _quantified(self, quantifier: re.Match[str]) -> tuple[int, str]:
        if any(int(number) > MAX_REPEAT for number in re.findall(r"\d+", quantifier[0])):
            raise NotJavaScript("too many repetitions")
        lazy = self._source.startswith("?", quantifier.end())
        return quantifier.end() + lazy, quantifier[0] + "?" * lazy

    def _one(self, at: int) -> tuple[int, str]:
        character = self._source[at]
        if character == "\\":
            return self._escape(at)
        if character == "[":
            return self._class(at)
        if character == "(":
            return self._group(at)
        simple = {".": self._any, "^": self._start, "$": self._end, "|": "|", ")": ")"}
        return at + 1, simple.get(character) or regex.escape(character)

    def _group(self, at: int) -> tuple[int, str]:
        if not self._source.startswith("(?", at):
            return at + 1, "("
        match = _GROUP.match(self._source, at)
        if not match:
            raise NotJavaScript(f"unknown group at {at}")
        return match.end(), f"(?P<{match[1]}>" if match[1] else match[0]

    def _escape(self, at: int) -> tuple[int, str]:
        match = _ESCAPE.match(self._source, at)
        if not match:
            raise NotJavaScript("a backslash at the end")
        if match[10] in ("b", "B"):
            return match.end(), _EDGE if match[10] == "b" else _NO_EDGE
        if match[10] and match[10] in _SETS:
            return match.end(), f"[{_SETS[match[10]]}]"
        if match[5]:
            return match.end(), f"(?({match[5]})(?P={match[5]})|)"
        if match[8] and int(match[8]) <= self._groups:
            return match.end(), f"(?({match[8]})(?:\\{match[8]})|)"
        return self._character(match)

    def _character(self, match: re.Match[str]) -> tuple[int, str]:
        """An escape that means one character, or a property."""
        if match[6]:
            if not self._unicode:
                return match.start() + 2, match[6]
            return match.end(), f"\\{match[6]}{{{match[7]}}}"
        if match[3] and not self._unicode:
            return match.start() + 2, "u"
        code = match[1] or match[2] or match[3]
        if code:
            return match.end(), regex.escape(chr(int(code, 16)))
        if match[4]:
            return match.end(), regex.escape(chr(ord(match[4].upper()) - 64))
        if match[8] or match[9]:
            return match.start() + 2, "\\x00" if match[9] else regex.escape((match[8] or "")[0])
        character = match[10] or ""
        return match.end(), _CONTROLS.get(character) or regex.escape(character)

    def _class(self, at: int) -> tuple[int, str]:
        at += 1
        negated = self._source.startswith("^", at)
        at += negated
        pieces: list[str] = []
        while not self._source.startswith("]", at):
            if at >= len(self._source):
                raise NotJavaScript("a class without an end")
            at, piece = self._in_class(at)
            pieces.append(piece)
        if not pieces:
            return at + 1, "[\\x00-\\U0010ffff]" if negated else "(?!)"
        return at + 1, f"[{'^' if negated else ''}{''.join(pieces)}]"

    def _in_class(self, at: int) -> tuple[int, str]:
        """One character, set or range; a hyphen beside a set is a hyphen."""
        end, piece, is_set = self._member(at)
        if is_set or not self._source.startswith("-", end) or self._source.startswith("]", end + 1):
            return end, piece
        after, last, last_is_set = self._member(end + 1)
        return after, f"{piece}\\-{last}" if last_is_set else f"{piece}-{last}"

    def _member(self, at: int) -> tuple[int, str, bool]:
        if at >= len(self._source):
            raise NotJavaScript("a class without an end")
        if self._source[at] != "\\":
            character = self._source[at]
            return at + 1, f"\\{character}" if character in "[]^-&~|" else character, False
        match = _ESCAPE.match(self._source, at)
        if not match:
            raise NotJavaScript("a backslash at the end")
        if match[10] and match[10] in _SETS:
            return match.end(), _SETS[match[10]], True
        if match[10] == "b":
            return match.end(), "\\x08", False
        if match[10] == "-":
            return match.end(), "\\-", False
        end, piece = self._character(match)
        return end, piece, bool(match[6])
