"""How a text is spelled for the rules: without disguise, cut into atoms, with the signs of what it may hold.

Of a Latin text each word between two spaces is looked up, of a Chinese one each character; each is worked out
only the first time. Knows no rule.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from fabula.guard.categories import HEAT
from fabula.guard.cues import SIGNS
from fabula.guard.forms import FORMS_THAT_TELL, TELLING, find_forms, pattern
from fabula.guard.kept import Known
from fabula.guard.lexicon import ATOM, Hit, Phrase, Tree, lexicon
from fabula.guard.normalise import HAN, LONE, WHOLE, WIDE, fold, hang_together, throughout, token_of
from fabula.guard.numerals import NUMERALS
from fabula.guard.people import capitalised, names_in

_HAN = re.compile(f"[{HAN}]")
_SPACE = re.compile(r"\s")
_RUNS = re.compile(r"[a-z\d\s]")  # what is not one character by one
_PURE = re.compile(f"[{HAN}\u3001-\u303f,:;?!()\"']")  # nothing more is done to these than folding them
_NUMERAL = re.compile(f"[{NUMERALS}]")
_CALLED = pattern("tokens.called")
_IS_CALLED = SIGNS.need(
    "called named nicknamed known brand 叫 喊 号 名 昵 牌", "\" ' “ 「 『 ‘ 's 't 're 'm 'd 'll 've"
)
IS_WIDE, IS_LONE, _IS_IMPURE, NAMES = SIGNS.flag(), SIGNS.flag(), SIGNS.flag(), SIGNS.flag()


_BONDS = {WHOLE: 0, LONE: IS_LONE, WIDE: IS_WIDE}
Token = tuple[str, tuple[str, ...], int]  # as it is read, its atoms, and their signs


def _token(part: str) -> Token:
    """What stands between two spaces."""
    if part[-1:] in MARKS and is_word(part[:-1]):
        plain, atoms, signs = TOKENS[part[:-1]]
        return plain + part[-1], (*atoms, part[-1]), signs | SIGNS.among(part[-1])
    plain, bond = token_of(part, lexicon().words)
    atoms = tuple(ATOM.findall(plain))
    signs = SIGNS.among(atoms) | _BONDS[bond]
    return plain, atoms, signs | (NAMES if capitalised(part) else 0)


MARKS = frozenset(",.;:?")  # after a word they change nothing of how it is read


def is_word(part: str) -> bool:
    return len(part) > 1 and part.isalpha() and part.isascii()


def _character(char: str) -> tuple[str, int, bool, Tree]:
    """Of a Chinese character how it is read, its signs, whether it is a phrase by itself, and what may follow
    where it begins one: one look-up instead of four."""
    plain = fold(char)
    signs = SIGNS.among(plain) if _PURE.fullmatch(plain) else _IS_IMPURE
    begun, further = lexicon().begun(plain)
    return plain, signs, bool(begun), further


MOST_WORDS, MOST_CHARACTERS = 1 << 14, 20_000
TOKENS = Known(_token, MOST_WORDS)
CHARACTERS = Known(_character, MOST_CHARACTERS)


class Spelled:
    """A text as the rules read it. `pure`: it is Chinese and nothing else, and merely folded."""

    __slots__ = (
        "_begun",
        "_beside",
        "_forms",
        "_found",
        "_of_tokens",
        "_raw",
        "_starts",
        "atoms",
        "pure",
        "signs",
        "text",
    )

    atoms: Sequence[str]
    pure: bool
    signs: int  # without what stands beside numbers
    text: str

    def __init__(self, raw: str):
        self._raw = raw
        self._starts: Sequence[int] = ()
        self._found: tuple[list[Phrase], int] | None = None
        self._forms: list[Hit] | None = None
        self._beside: int | None = None
        self._begun: Sequence[int] | None = None
        self.pure = self._of_tokens = False
        if raw.isascii() or not ("一" <= raw[0] <= "鿿" or _HAN.search(raw)):
            self._of_tokens = self._is_of_tokens(raw.split(" "))
        else:
            self.pure = self._is_pure(raw)
        if self._of_tokens:
            return
        if not self.pure:
            self._see(throughout(raw, lexicon().words))
        if self.signs & _IS_CALLED == _IS_CALLED:
            self.pure, self._begun = False, None
            self._see(_without_names(self.text))
        self.signs |= NAMES

    def _is_of_tokens(self, parts: list[str]) -> bool:
        """The whole is what its words are; False when it is not, or when names in it must be taken out."""
        plains: list[str] = []
        found: list[str] = []
        signs = 0
        for plain, atoms, here in map(TOKENS.__getitem__, parts):
            plains.append(plain)
            found += atoms
            if here:  # most have none
                signs |= here
        if signs & IS_WIDE or signs & _IS_CALLED == _IS_CALLED:
            return False
        if signs & IS_LONE and _hang_together(parts):
            return False
        self.text, self.atoms, self.signs = " ".join(plains), found, signs
        return True

    def _is_pure(self, raw: str) -> bool:
        """Each character is an atom; False when it takes more to read it."""
        atoms: list[str] = []
        begun: list[int] = []
        signs = 0
        further: Tree = {}
        before = -1
        for plain, here, whole, follow in map(CHARACTERS.__getitem__, raw):
            atoms.append(plain)
            if here:
                signs |= here
            if plain in further:
                begun.append(before)
            further = follow
            before += 1
            if whole:
                begun.append(before)
        if signs & _IS_IMPURE:
            return False
        self.text, self.atoms, self.signs, self._begun = "".join(atoms), atoms, signs, begun
        return True

    def _see(self, text: str) -> None:
        self.text = text
        self.atoms = ATOM.findall(text) if _RUNS.search(text) else list(text)
        self.signs = SIGNS.among(self.atoms)

    def beside(self) -> int:
        """The signs of what stands beside its numbers, for which only ages ask."""
        if self._beside is None:
            if not self.signs & SIGNS.numbers:
                self._beside = 0
            elif self.pure:
                self._beside = SIGNS.beside(self.atoms, [it.start() for it in _NUMERAL.finditer(self.text)])
            elif self._of_tokens or self.text.isascii() or not _SPACE.search(self.text):
                self._beside = SIGNS.beside(self.atoms)
            else:
                self._beside = SIGNS.anything_beside()
        return self._beside

    @property
    def phrases(self) -> tuple[list[Phrase], int]:
        """What the lists hold of it, as `Lexicon.find` tells."""
        if self._found is None:
            self._found = lexicon().find(self.atoms, self._begun)
        return self._found

    @property
    def forms(self) -> list[Hit]:
        """All forms in it."""
        if self._forms is None:
            self._forms = find_forms(self.text, self.signs)
        return self._forms

    @property
    def hot_forms(self) -> list[Hit]:
        """Those of what makes sexual, which a sentence is asked for before it is read."""
        if self._forms is None:
            return find_forms(self.text, self.signs, hot=True)
        return [form for form in self._forms if form.categories & HEAT]

    @property
    def forms_tell(self) -> bool:
        """Whether a form tells of someone young, or asks for an age."""
        if self.pure and self._forms is not None:
            return any(form.categories & TELLING for form in self._forms)
        return FORMS_THAT_TELL.any(self.text, self.signs)

    @property
    def names(self) -> tuple[str, ...]:
        return names_in("" if self.pure else self._raw, self.text) if self.signs & NAMES else ()

    @property
    def starts(self) -> Sequence[int]:
        """Where each atom begins."""
        if not self._starts:
            single = len(self.atoms) == len(self.text)
            self._starts = range(len(self.text)) if single else _starts(self.text, self.atoms)
        return self._starts


def _starts(text: str, atoms: Sequence[str]) -> list[int]:
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
    return hang_together([LONE if TOKENS[part][2] & IS_LONE else WHOLE for part in parts], parts)


def _without_names(text: str) -> str:
    """ "a bar called 'Kindergarten'": what stands in quotation marks is a name and says nothing of people."""
    return _CALLED.sub(lambda match: match[0].replace(match[1], "_" * len(match[1])), text)
