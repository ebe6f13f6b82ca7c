"""What is sure of a sentence by its words alone, without reading it: so that a report needs no reading.

In a text that reports, treats or teaches only what depicts or lures can complete something. Knows no rule.
"""

from __future__ import annotations

from typing import NamedTuple

from fabula.guard.forms import turns_in
from fabula.guard.tokens import spelled
from fabula.guard.young import YOUNGISH, may_pass_years, tells_numbers

_UNSTEADY = frozenset({"break", "later", "memory"})
_GROWING = frozenset({"both", "all", "两", "二"})  # of whom an age may be told that ends their youth


class Glance(NamedTuple):
    dry: bool  # it neither depicts nor lures
    news: bool  # it may tell of someone young
    steady: bool  # whoever was young without a name still is


def glance(raw: str) -> Glance:
    said = spelled(raw)
    phrases, light = said.phrases
    hits = [categories for _, _, categories in phrases]
    hits += [form.categories for form in turns_in(said.text, said.signs)]
    found = light.union(*hits)
    told = tells_numbers(said.signs)
    steady = _UNSTEADY.isdisjoint(found) and not may_pass_years(said.signs)
    grows = told and ("now" in found or not _GROWING.isdisjoint(said.atoms))
    return Glance(_is_dry(found, hits), told or not YOUNGISH.isdisjoint(found), steady and not grows)


def _is_dry(found: set[str], hits: list[frozenset[str]]) -> bool:
    if "depict" in found or ("lure" in found and ("void" in found or "scholarly" not in found)):
        return False
    if "hint" not in found:
        return True
    hints = sum("hint" in categories for categories in hits)
    return hints == 1 and found.isdisjoint({"act", "explicit", "body"})
