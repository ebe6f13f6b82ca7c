"""What a sentence does with its words: depict, report, forbid, keep people apart. Knows one at a time."""

from __future__ import annotations

import re

from fabula.guard.ages import Age
from fabula.guard.forms import pattern
from fabula.guard.lexicon import HEAT, Hit
from fabula.guard.young import Minor

_CLAUSE = pattern("purpose.clause")

Frame = frozenset[tuple[int, str]]
"""Phrases that show that a text reports, treats, judges or teaches, with their weights."""
CLEAR = 3  # the weight from which a text is taken for a report


def is_clear(frame: Frame) -> bool:
    """People of a trade alone make no report: the doctor and the judge may be characters of a story."""
    firm = any(weight > 1 or phrase == "condemn" for weight, phrase in frame)
    return firm and sum(weight for weight, _ in frame) >= CLEAR


def heat_of(text: str, hits: list[Hit], words: frozenset[str]) -> tuple[int, bool]:
    """How sexual, and whether it depicts rather than names."""
    if HEAT.isdisjoint(words):
        return 0, False
    hits = [hit for hit in hits if not _is_without(text, hit)]
    words = words - HEAT | {category for hit in hits for category in hit.categories & HEAT}
    hints = {hit.phrase for hit in hits if "hint" in hit.categories}
    body = {hit.phrase for hit in hits if "body" in hit.categories}
    told = "explicit" in words and "lure" in words
    depicts = "depict" in words or told or len(hints) > 1
    depicts |= bool(hints and {"act", "explicit"} & words and "frame3" not in words)
    if depicts or "act" in words or (hints and body):
        return 2, depicts or bool(hints and body)
    return (1, False) if hints or body else (0, False)


_WITHOUT = pattern("purpose.without")


def _is_without(text: str, hit: Hit) -> bool:
    """ "There will be no sexual scene": what is kept out is not there."""
    return bool(hit.categories & HEAT and _WITHOUT.search(text[max(0, hit.start - 30) : hit.start]))


def frame_of(hits: list[Hit], words: frozenset[str]) -> Frame:
    if _FRAMES.isdisjoint(words):
        return frozenset()
    frame = {(3, hit.phrase) for hit in hits if "frame3" in hit.categories}
    frame |= {(2, hit.phrase) for hit in hits if "frame" in hit.categories}
    frame |= {(1, hit.phrase) for hit in hits if "frame_weak" in hit.categories}
    return frozenset(frame | {(1, "condemn") for hit in hits if "condemn" in hit.categories})


_FRAMES = frozenset({"frame3", "frame", "frame_weak", "condemn"})


def _clause_of(text: str, place: int) -> int:
    return sum(match.start() < place for match in _CLAUSE.finditer(text))


TO_THEM = pattern("purpose.to_them")  # "with her", but not "to her flat"


_BESIDE = frozenset({"pair", "adult", "couple"})
_WE = re.compile(r"\b(?:we|our|us)\b|我们|咱")


def are_apart(
    text: str, hits: list[Hit], minors: tuple[Minor, ...], grown: list[Age], names: tuple[str, ...]
) -> bool:
    """The young one sleeps, is away or merely is in one clause; grown-ups are together in another."""
    if TO_THEM.search(text):
        return False
    warm = {_clause_of(text, hit.start) for hit in hits if hit.categories & {"act", "depict", "hint"}}
    away = {_clause_of(text, hit.start) for hit in hits if "absent" in hit.categories}
    young = {_clause_of(text, minor.start) for minor in minors}
    couples = {_clause_of(text, hit.start) for hit in hits if "couple" in hit.categories}
    if len(grown) > 1 or any(age.who == "both" for age in grown):
        couples |= {_clause_of(text, age.start) for age in grown}
    family = {hit.start for hit in hits if "collective" in hit.categories}
    merely = all(minor.years is None and minor.start in family for minor in minors)
    couples |= _named_together(text, names, minors)
    beside = bool(grown or any(hit.categories & _BESIDE for hit in hits) or _WE.search(text))
    gone = young <= away and (beside or merely)
    return not warm & young and (gone or bool(warm & couples) or (merely and beside))


def _named_together(text: str, names: tuple[str, ...], minors: tuple[Minor, ...]) -> set[int]:
    """Where two people are named together ("Kate and Rob"), none of them young."""
    grown = [name for name in names if not any(minor.who == name for minor in minors)]
    pairs = [f"{one} and {other}" for one in grown for other in grown if one != other]
    return {_clause_of(text, text.index(pair)) for pair in pairs if pair in text}


def aside_of(text: str, hits: list[Hit]) -> str:
    """What stands after all that is sexual, and in a clause of its own."""
    last = max((hit.end for hit in hits if hit.categories & {"act", "depict", "hint"}), default=-1)
    clause = _CLAUSE.search(text, last) if last >= 0 else None
    return text[clause.start() :] if clause else ""


_ONLY_WRITES = pattern("purpose.only_writes")  # what may stand between a negation and what it forbids
_FORBIDDEN = pattern("purpose.forbidden")
_UNLESS = pattern("purpose.unless")


def is_forbidden(text: str, hits: list[Hit], aged: bool) -> bool:
    """A prohibition: "never write sexual content about minors"."""
    signals = [hit for hit in hits if hit.categories & {"act", "depict", "minor3", "minor2"}]
    negations = [hit for hit in hits if "negator" in hit.categories]
    if not signals or _UNLESS.search(text):
        return False
    if _FORBIDDEN.search(text):
        return len(negations) <= 1
    if aged or len(negations) != 1 or negations[0].end > signals[0].start:
        return False
    return _ONLY_WRITES.match(text[negations[0].end : signals[0].start]) is not None
