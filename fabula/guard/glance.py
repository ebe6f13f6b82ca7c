"""What is sure of a sentence by its words alone, without reading it: so that a report needs no reading.

In a text that reports, treats or teaches only what depicts or lures can complete something. Knows no rule.
"""

from __future__ import annotations

from typing import NamedTuple

from fabula.guard.categories import YOUNG, bits
from fabula.guard.forms import turns_in
from fabula.guard.tokens import spelled
from fabula.guard.young import NUMBERS, may_pass_years

_DEPICT, _HINT, _LURE, _NOW, _SCHOLARLY, _VOID = map(
    bits, ("depict", "hint", "lure", "now", "scholarly", "void")
)
_NAMING = bits("act explicit body")
_UNSTEADY = bits("break later memory")
_GROWING = frozenset({"both", "all", "两", "二"})  # of whom an age may be told that ends their youth


class Glance(NamedTuple):
    dry: bool  # it neither depicts nor lures
    news: bool  # it may tell of someone young
    steady: bool  # whoever was young without a name still is


def glance(raw: str) -> Glance:
    said = spelled(raw)
    signs = said.signs
    phrases, found = said.phrases
    hints = 0
    for _, _, categories in phrases:
        found |= categories
        hints += categories & _HINT != 0
    for form in turns_in(said.text, signs):
        found |= form.categories
        hints += form.categories & _HINT != 0
    told = signs & NUMBERS != 0
    steady = not found & _UNSTEADY and not may_pass_years(signs)
    grows = told and (found & _NOW or not _GROWING.isdisjoint(said.atoms))
    return Glance(_is_dry(found, hints), told or found & YOUNG != 0, steady and not grows)


def _is_dry(found: int, hints: int) -> bool:
    if found & _DEPICT or (found & _LURE and (found & _VOID or not found & _SCHOLARLY)):
        return False
    if not found & _HINT:
        return True
    return hints == 1 and not found & _NAMING
