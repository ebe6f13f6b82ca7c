"""The word lists as one tree over atoms (a Latin word, a number, one Han character). Knows no rule."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fabula.guard.categories import BITS, HEAT, YOUNG, bits
from fabula.guard.cues import SIGNS
from fabula.guard.normalise import fold
from fabula.guard.numerals import CARDINALS, TENS

LATIN = ("en", "es", "fr", "de")
LANGUAGES = (*LATIN, "zh", "ja")
ATOM = re.compile(r"[a-z]+|(?<=[a-z])'(?:s|t|re|m|d|ll|ve)(?![a-z])|\d+|[^\sa-z\d]")
_END = ""  # no atom is empty: the key under which a node keeps its categories while the tree grows


class Hit(NamedTuple):
    """A phrase of the lists, or a form, in a text; the span is in characters."""

    phrase: str
    categories: int
    start: int
    end: int


Node = tuple[int, "Tree"]  # what ends here means, and what may follow
Tree = dict[str, Node]  # by atom
Phrase = tuple[int, int, int]  # its first and its last atom, and what it means


@dataclass(frozen=True, slots=True)
class Lexicon:
    tree: Tree
    words: frozenset[str]  # every Latin word that stands in a list, and every Chinese phrase
    atoms: frozenset[str]  # of all phrases, and the most common words
    arming: frozenset[str]  # the endings of phrases that make a text sexual
    alerting: frozenset[str]  # words of such phrases whose ending is too common to look at each time
    completing: frozenset[str]  # those endings, looked at only soon after such a word
    open_ended: frozenset[str]  # those phrases
    young: frozenset[str]  # the endings of phrases that tell of someone young

    def find(self, atoms: Sequence[str], begun: Iterable[int] | None = None) -> tuple[list[Phrase], int]:
        """All phrases among the atoms of a text, longest first from each place on; none overlaps another: the
        numbers of their first and last atom, and what they mean.

        Those of which only their presence counts (`LIGHT`) come as their categories alone. `begun`: the atoms
        that may begin one, where they are known.
        """
        found: list[Phrase] = []
        free, light, tree, count = 0, 0, self.tree, len(atoms)
        for first in self.begun(atoms)[0] if begun is None else begun:
            if first < free:
                continue
            categories, further = tree[atoms[first]]
            last = first if categories else -1
            step = first + 1
            while further and step < count:
                node = further.get(atoms[step])
                if node is None:
                    break
                means, further = node
                if means:
                    last, categories = step, means
                step += 1
            if last < 0:
                continue
            free = last + 1
            if categories & ~LIGHT:
                found.append((first, last, categories))
            else:
                light |= categories
        return found, light

    def begun(self, atoms: Sequence[str]) -> tuple[tuple[int, ...], Tree]:
        """The numbers of the atoms that are phrases, or begin one with the next; what may follow the last."""
        found: list[int] = []
        further: Tree = {}
        for place, atom in enumerate(atoms):
            if atom in further:
                found.append(place - 1)
            means, further = self.tree.get(atom, _NOTHING)
            if means:
                found.append(place)
        return tuple(found), further


_NOTHING: Node = (0, {})
LIGHT = bits("first second third now recall elder object lure memory scholarly break possessive asks")
NUMBER_WORDS = frozenset({*CARDINALS, *TENS}) - {"one", "two", "six", "ten"}  # worth undoing a disguise for
CHINESE_AGES = frozenset(f"{tens}{one}岁" for tens in ("", "十") for one in "一二三四五六七八九")
HAN_ENDING = 3
COUNTED = ("minor3", "minor2", "minor1", "void")  # of whose phrases there may be several


@functools.cache
def lexicon() -> Lexicon:
    tree: dict[str, Any] = {}
    words: set[str] = {*NUMBER_WORDS, "year", "years", *CHINESE_AGES}
    seen = set(_lists()["common"])
    endings: dict[str, set[str]] = {
        "arming": set(),
        "alerting": set(),
        "completing": set(),
        "open_ended": set(),
        "young": set(),
    }
    for category, phrases in _lists().items():
        for phrase in phrases if category != "common" else ():
            atoms = ATOM.findall(phrase)
            seen.update(atoms)
            words |= {phrase} if not phrase.isascii() else set()
            words |= {atom for atom in atoms if atom[0].isascii() and len(atom) > 2}
            _sort_in(endings, BITS[category], atoms)
            node = tree
            for atom in atoms:
                node = node.setdefault(atom, {})
            node[_END] = node.get(_END, 0) | BITS[category]
    sets = (frozenset(endings[kind]) for kind in ("arming", "alerting", "completing", "open_ended", "young"))
    return Lexicon(_tree(tree), frozenset(words), frozenset(seen), *sets)


def _tree(nested: dict[str, Any]) -> Tree:
    return {atom: (node.get(_END, 0), _tree(node)) for atom, node in nested.items() if atom != _END}


def signs_of(text: str) -> int:
    """All signs of a text as `normalise` leaves it."""
    atoms = ATOM.findall(text)
    whole = text.isascii() or len(atoms) == sum(map(len, atoms)) == len(text)
    return SIGNS.among(atoms) | (SIGNS.beside(atoms) if whole else SIGNS.anything_beside())


def _sort_in(endings: dict[str, set[str]], category: int, atoms: list[str]) -> None:
    """By what a stream can tell that a phrase may have come: its ending, or its least common word."""
    if category & YOUNG and _ending(atoms) not in _lists()["common"]:
        endings["young"].add(_ending(atoms))
    if not category & HEAT:
        return
    ending = _ending(atoms)
    common = frozenset(_lists()["common"])
    if ending in common:
        endings["completing"].add(ending)
        endings["open_ended"].add(" ".join(atoms))
        ending = max(atoms[:-1], key=lambda atom: (atom not in common, len(atom)))
        endings["alerting"].add(ending)
    else:
        endings["arming"].add(ending)


def _ending(atoms: list[str]) -> str:
    """A Latin word, or the last characters of a Chinese phrase: single ones are everywhere."""
    return atoms[-1] if atoms[-1].isascii() else "".join(atoms[-HAN_ENDING:])


@functools.cache
def phrases(category: str) -> frozenset[str]:
    """One list, in all languages."""
    return frozenset(_lists().get(category, ()))


@functools.cache
def _lists() -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for language in LANGUAGES:
        file = Path(__file__).parent / f"words_{language}.json"
        for category, phrases in json.loads(file.read_text(encoding="utf-8")).items():
            many = [f"{phrase}s" for phrase in phrases if phrase.isascii()] if category in COUNTED else []
            lists.setdefault(category, []).extend([*map(fold, phrases), *many])
    return lists
