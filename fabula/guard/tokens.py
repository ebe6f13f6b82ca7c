"""How a text is spelled for the rules: without disguise, cut into atoms, with the signs of what it may hold.

Of a Latin text each word between two spaces is looked up, and worked out only the first time. Knows no rule.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from fabula.guard.cues import SIGNS
from fabula.guard.forms import pattern
from fabula.guard.lexicon import ATOM, Phrase, lexicon
from fabula.guard.normalise import HAN, LONE, WIDE, hang_together, throughout, token_of
from fabula.guard.people import capitalised, names_in

_HAN = re.compile(f"[{HAN}]")
_SPACE = re.compile(r"\s")
_RUNS = re.compile(r"[a-z\d\s]")  # what is not one character by one
_CALLED = pattern("tokens.called")
_IS_CALLED = SIGNS.need(
    "called named nicknamed known brand 叫 喊 号 名 昵 牌", "\" ' “ 「 『 ‘ 's 't 're 'm 'd 'll 've"
)
_IS_WIDE, _IS_LONE, NAMES = SIGNS.flag(), SIGNS.flag(), SIGNS.flag()

Token = tuple[str, tuple[str, ...], int]  # as it is read, its atoms, and their signs


@functools.lru_cache(maxsize=1 << 14)
def token(part: str) -> Token:
    """What stands between two spaces."""
    plain, bond = token_of(part, lexicon().words)
    atoms = tuple(ATOM.findall(plain))
    signs = SIGNS.among(atoms) | {WIDE: _IS_WIDE, LONE: _IS_LONE}.get(bond, 0)
    return plain, atoms, signs | (NAMES if capitalised(part) else 0)


class Spelled:
    """A text as the rules read it. `names`: of people, as far as they show."""

    __slots__ = ("_found", "_raw", "_starts", "atoms", "signs", "text")

    atoms: list[str]
    signs: int
    text: str

    def __init__(self, raw: str):
        self._raw = raw
        self._starts: Sequence[int] = ()
        self._found: tuple[list[Phrase], int] | None = None
        if (raw.isascii() or not _HAN.search(raw)) and self._is_of_tokens(raw.split(" ")):
            return
        self._see(throughout(raw, lexicon().words))
        if self.signs & _IS_CALLED == _IS_CALLED:
            self._see(_without_names(self.text))
        self.signs |= NAMES

    def _is_of_tokens(self, parts: list[str]) -> bool:
        """The whole is what its words are; False when it is not, or when names in it must be taken out."""
        plains: list[str] = []
        found: list[str] = []
        signs = 0
        for plain, atoms, here in map(token, parts):
            plains.append(plain)
            found += atoms
            signs |= here
        if signs & _IS_WIDE or signs & _IS_CALLED == _IS_CALLED:
            return False
        if signs & _IS_LONE and _hang_together(parts):
            return False
        self.text, self.atoms = " ".join(plains), found
        self.signs = signs | SIGNS.beside(found, whole=True) if signs & SIGNS.numbers else signs
        return True

    def _see(self, text: str) -> None:
        self.text = text
        self.atoms = ATOM.findall(text) if _RUNS.search(text) else list(text)
        self.signs = SIGNS.among(self.atoms)
        if self.signs & SIGNS.numbers:
            self.signs |= SIGNS.beside(self.atoms, whole=text.isascii() or not _SPACE.search(text))

    @property
    def phrases(self) -> tuple[list[Phrase], int]:
        """What the lists hold of it, as `Lexicon.find` tells."""
        if self._found is None:
            self._found = lexicon().find(self.atoms)
        return self._found

    @property
    def names(self) -> tuple[str, ...]:
        return names_in(self._raw, self.text) if self.signs & NAMES else ()

    @property
    def starts(self) -> Sequence[int]:
        """Where each atom begins."""
        if not self._starts:
            single = len(self.atoms) == len(self.text)
            self._starts = range(len(self.text)) if single else _starts(self.text, self.atoms)
        return self._starts


def _starts(text: str, atoms: list[str]) -> list[int]:
    """Only spaces stand between atoms, so each begins where it is next found."""
    starts, place = [], 0
    for atom in atoms:
        place = text.find(atom, place)
        starts.append(place)
        place += len(atom)
    return starts


@functools.lru_cache(maxsize=16)
def spelled(raw: str) -> Spelled:
    """A sentence of a stream is asked for several times in short order."""
    return Spelled(raw)


def _hang_together(parts: list[str]) -> bool:
    return hang_together([token_of(part, lexicon().words)[1] for part in parts], parts)


def _without_names(text: str) -> str:
    """ "a bar called 'Kindergarten'": what stands in quotation marks is a name and says nothing of people."""
    return _CALLED.sub(lambda match: match[0].replace(match[1], "_" * len(match[1])), text)
