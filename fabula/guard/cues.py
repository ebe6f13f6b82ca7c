"""Which of many patterns a text can hold at all, by the words that each cannot do without. Knows no pattern.

A pattern names groups of words and needs one of each. A group is a bit: one look-up for each word of a text
tells which groups are there. The first groups of all patterns are one row of bits, the second ones another;
laid over one another, they tell at once of which patterns every group is there, and only these are tried.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence

from fabula.guard.kept import Known
from fabula.guard.numerals import CARDINALS, NUMERALS, TENS

EVERYTHING = -1  # the signs of a text that holds all groups
_STANDS_FOR = {
    "<N>": " ".join(["#", *CARDINALS, *(f"{tens}*" for tens in TENS)]),
    "<WITHIN>": " ".join(["#", *(f"*{word}*" for word in [*CARDINALS, *TENS])]),  # "someone" holds "one"
    "<ZH>": " ".join(["#", *NUMERALS]),
}


def any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Tells whether a text holds one of many words: those that begin alike are one branch, so that few are
    tried at each place."""
    beginning: dict[str, list[str]] = {}
    for word in sorted(words):
        beginning.setdefault(word[0], []).append(re.escape(word[1:]))
    return re.compile(
        "|".join(
            re.escape(first) if "" in rests else f"{re.escape(first)}(?:{'|'.join(rests)})"
            for first, rests in beginning.items()
        )
    )


MOST_KNOWN = 20_000  # atoms
FIRST_ROW = 90  # bits for groups that are asked for by themselves
SLOTS, ROWS = 192, 4  # patterns, and how many groups each may need
_ONE_ROW = (1 << SLOTS) - 1


class Signs:
    """All groups that rules have told of, and those to which an atom (as in `lexicon.ATOM`) belongs."""

    def __init__(self) -> None:
        self._groups: dict[str, int] = {}
        self._of = Known(self._bits_of, MOST_KNOWN)
        self._told: dict[str, int] = {}
        self._begin: dict[str, int] = {}
        self._within: dict[str, int] = {}
        self._numbers = self._long_numbers = 0
        self._before: dict[str, int] = {}
        self._after: dict[str, int] = {}
        self._beside = 0
        self._asked = False
        self._slots: dict[tuple[str, ...], int] = {}
        self._no_group = 0  # in the later rows, of patterns that need no further group
        self._last = (0, 0)
        self.numbers = self.need("<WITHIN>") | self.need("<ZH>")  # whatever tells a number, or holds one

    def need(self, *groups: str) -> int:
        """The bits of some groups. In each, atoms stand between spaces; `#` is any number in digits, `##` one
        of several, `teach*` whatever begins so, `*ten*` whatever holds it; `<N>`, `<ZH>` are all numbers."""
        bits = 0
        for group in groups:
            bits |= self._groups.get(group) or self._new(group)
        return bits

    def pattern(self, groups: Sequence[str]) -> int:
        """The bit by which `patterns` tells that one of each of some groups is there."""
        slot = self._slots.get(tuple(groups))
        if slot is None:
            slot = self._slots[tuple(groups)] = len(self._slots)
            assert not self._asked, "what was looked up before would lack this pattern"
            assert slot < SLOTS
            assert len(groups) <= ROWS
            for row, group in enumerate(groups):
                for atom in _STANDS_FOR.get(group, group).split():
                    self._add(atom, 1 << FIRST_ROW + row * SLOTS + slot)
            for row in range(len(groups), ROWS):
                self._no_group |= 1 << FIRST_ROW + row * SLOTS + slot
        return 1 << slot

    def patterns(self, signs: int) -> int:
        """The patterns of which a text with these signs has a word of each group."""
        last, found = self._last
        if last is signs:  # as several ask of one sentence
            return found
        rows = (signs | self._no_group) >> FIRST_ROW
        found = rows & rows >> SLOTS & rows >> 2 * SLOTS & rows >> 3 * SLOTS & _ONE_ROW
        self._last = signs, found
        return found

    def need_beside(self, before: str, after: str) -> int:
        """The bits of what must stand right before a number, and right after it (`$`: nothing does)."""
        bits = 0
        for known, group in ((self._before, before), (self._after, after)):
            if group:
                name = f"{group} {'before' if known is self._before else 'after'}"
                bit = self._groups.get(name) or self._new(name, "")
                self._beside |= bit
                bits |= bit
                for atom in group.split():
                    known[atom] = known.get(atom, 0) | bit
        return bits

    def beside(self, atoms: Sequence[str], numbers: Iterable[int] | None = None) -> int:
        """What stands beside the numbers among the atoms of a text of which nothing is left out between them.
        `numbers`: where they stand, when that is known."""
        before, after, count, bits = self._before, self._after, len(atoms), 0
        for place in self._places(atoms) if numbers is None else numbers:
            if place:
                bits |= before.get(atoms[place - 1], 0)
            bits |= after.get(atoms[place + 1] if place + 1 < count else "$", 0)
        return bits

    def _places(self, atoms: Sequence[str]) -> list[int]:
        told, numbers = map(self._of.__getitem__, atoms), self.numbers
        return [place for place, here in enumerate(told) if here & numbers]

    def anything_beside(self) -> int:
        """What may stand beside the numbers of a text between whose atoms something is left out: the end of a
        line may take the place of a sign."""
        return self._beside

    def flag(self) -> int:
        """A bit for what no atom tells."""
        return self._new(f"<{len(self._groups)}>", "")

    def _new(self, group: str, atoms: str | None = None) -> int:
        assert not self._asked, "what was looked up before would lack this group"
        assert len(self._groups) < FIRST_ROW
        bit = self._groups[group] = 1 << len(self._groups)
        for atom in (_STANDS_FOR.get(group, group) if atoms is None else atoms).split():
            self._add(atom, bit)
        return bit

    def _add(self, atom: str, bit: int) -> None:
        if atom == "#":
            self._numbers |= bit
        elif atom == "##":
            self._long_numbers |= bit
        else:
            begins, ends = atom[0] == "*" and len(atom) > 1, atom[-1] == "*" and len(atom) > 1
            kind = self._within if begins else self._begin if ends else self._told
            part = atom.strip("*") if kind is not self._told else atom
            kind[part] = kind.get(part, 0) | bit

    def _bits_of(self, atom: str) -> int:
        bits = self._told.get(atom, 0)
        if atom.isdecimal():
            bits |= self._numbers | (self._long_numbers if len(atom) > 1 else 0)
        if atom.startswith(self._beginnings):
            for part, bit in self._begin.items():
                bits |= bit if atom.startswith(part) else 0
        if self._parts.search(atom):  # most hold none
            for part, bit in self._within.items():
                bits |= bit if part in atom else 0
        return bits

    @functools.cached_property
    def _beginnings(self) -> tuple[str, ...]:
        return tuple(self._begin)

    @functools.cached_property
    def _parts(self) -> re.Pattern[str]:
        return any_of(self._within)

    def among(self, atoms: Iterable[str]) -> int:
        """All groups of which one of the atoms is."""
        self._asked = True
        bits = 0
        for here in filter(None, map(self._of.__getitem__, atoms)):  # most have none
            bits |= here
        return bits


SIGNS = Signs()


class Cues:
    """`rows[n]` are the groups that pattern `n` needs, and `beside[n]` other bits."""

    def __init__(self, rows: Iterable[Sequence[str]], beside: Sequence[int] = ()):
        self._rows: dict[int, list[tuple[int, int]]] = {}
        for number, groups in enumerate(rows):
            here = beside[number] if beside else 0
            self._rows.setdefault(SIGNS.pattern(groups), []).append((number, here))
        self._any = sum(self._rows)

    def possible(self, signs: int, beside: Callable[[], int] | None = None) -> list[int]:
        """The patterns that a text with these signs may hold, in order. `beside` tells what stands beside its
        numbers, when it is asked for; without it, `signs` do."""
        here = SIGNS.patterns(signs) & self._any
        found: list[int] = []
        told: int | None = None
        while here:
            bit = here & -here
            here ^= bit
            for number, around in self._rows[bit]:
                if around:
                    if told is None:
                        told = signs if beside is None else beside()
                    if around & told != around:
                        continue
                found.append(number)
        return sorted(found) if len(found) > 1 else found
