"""What a sentence does with its words: depict, report, forbid, keep people apart. Knows one at a time."""

from __future__ import annotations

import bisect
import re

from fabula.guard.ages import Age
from fabula.guard.categories import HEAT, bits
from fabula.guard.cues import SIGNS
from fabula.guard.forms import pattern
from fabula.guard.lexicon import Hit
from fabula.guard.tokens import Spelled
from fabula.guard.words import Words
from fabula.guard.young import Minor

_CLAUSE = pattern("purpose.clause")

Frame = frozenset[tuple[int, str]]
"""Phrases that show that a text reports, treats, judges or teaches, with their weights."""
CLEAR = 3  # the weight from which a text is taken for a report


def is_clear(frame: Frame) -> bool:
    """People of a trade alone make no report: the doctor and the judge may be characters of a story."""
    firm = any(weight > 1 or phrase == "condemn" for weight, phrase in frame)
    return firm and sum(weight for weight, _ in frame) >= CLEAR


def heat_of(said: Spelled, found: Words) -> tuple[int, bool]:
    """How sexual, and whether it depicts rather than names."""
    words = found.categories
    if not words & HEAT:
        return 0, False
    if said.signs & KEEPS_OUT:
        reach = _REACH_IN_HAN if said.pure else _REACH
        hits = [hit for hit in found.hits if not _is_without(said.text, hit, reach)]
        words &= ~HEAT
        for hit in hits:
            words |= hit.categories & HEAT
        hints = {hit.phrase for hit in hits if hit.categories & _HINT}
    else:
        hints = found.phrases(_HINT) if words & _HINT else set()
    told = words & _TOLD == _TOLD
    depicts = words & _DEPICT != 0 or told or len(hints) > 1
    depicts |= bool(hints and words & _PLAINLY and not words & _FRAME3)
    if depicts or words & _ACT or (hints and words & _BODY):
        return 2, depicts or bool(hints and words & _BODY)
    return (1, False) if hints or words & _BODY else (0, False)


_ACT, _BODY, _DEPICT, _FRAME3, _HINT = map(bits, ("act", "body", "depict", "frame3", "hint"))
_PLAINLY = bits("act explicit")
_TOLD = bits("explicit lure")


_WITHOUT = pattern("purpose.without")
KEEPS_OUT = SIGNS.need(
    "no without not never non 't cannot unable block blocks ban bans prohibit prohibits forbid forbids avoid "
    "avoids remove removes exclude excludes delete deletes reject rejects filter filters "
    "不 没 别 无 禁 删 去 拿"
)


_REACH, _REACH_IN_HAN = 30, 8  # characters that may take to say so


def _is_without(text: str, hit: Hit, reach: int) -> bool:
    """ "There will be no sexual scene": what is kept out is not there."""
    return bool(hit.categories & HEAT and _WITHOUT.search(text[max(0, hit.start - reach) : hit.start]))


def frame_of(found: Words) -> Frame:
    words = found.categories
    frame = {
        (weight, phrase)
        for category, weight in _WEIGHTS.items()
        if words & category
        for phrase in found.phrases(category)
    }
    return frozenset(frame | {(1, "condemn")} if words & _CONDEMN else frame)


_CONDEMN = bits("condemn")
_WEIGHTS = {bits("frame3"): 3, bits("frame"): 2, bits("frame_weak"): 1}


FRAMES = bits("frame3 frame frame_weak condemn")
NO_FRAME: Frame = frozenset()


class _Clauses:
    """The clauses of a sentence, by number."""

    def __init__(self, text: str):
        self._starts = [match.start() for match in _CLAUSE.finditer(text)]

    def of(self, place: int) -> int:
        return bisect.bisect_left(self._starts, place)


_TO_THEM = pattern("purpose.to_them")  # "with her", but not "to her flat"
_MAY_BE_TO_THEM = SIGNS.need("her him them 她 他", "with to on inside for 和 跟 对 与")


def is_to_them(text: str, signs: int) -> bool:
    return signs & _MAY_BE_TO_THEM == _MAY_BE_TO_THEM and _TO_THEM.search(text) is not None


_BESIDE = bits("pair adult couple")
_WARM = bits("act depict hint")
_ABSENT, _COLLECTIVE, _COUPLE = map(bits, ("absent", "collective", "couple"))
_WE = re.compile(r"\b(?:we|our|us)\b|我们|咱")
_MAY_BE_WE = SIGNS.need("we our us 我 咱")


def are_apart(
    said: Spelled,
    hits: list[Hit],
    words: int,
    minors: tuple[Minor, ...],
    grown: list[Age],
) -> bool:
    """The young one sleeps, is away or merely is in one clause; grown-ups are together in another."""
    text = said.text
    beside = bool(grown) or words & _BESIDE != 0 or _is_of_us(text, said.signs)
    together = _named_together(text, said.names, minors)
    if not (beside or together or words & _ABSENT):
        return False
    clauses = _Clauses(text)
    warm = {clauses.of(hit.start) for hit in hits if hit.categories & _WARM}
    away = {clauses.of(hit.start) for hit in hits if hit.categories & _ABSENT}
    young = {clauses.of(minor.start) for minor in minors}
    couples = {clauses.of(hit.start) for hit in hits if hit.categories & _COUPLE}
    if len(grown) > 1 or any(age.who == "both" for age in grown):
        couples |= {clauses.of(age.start) for age in grown}
    family = {hit.start for hit in hits if hit.categories & _COLLECTIVE}
    merely = all(minor.years is None and minor.start in family for minor in minors)
    couples |= {clauses.of(place) for place in together}
    gone = young <= away and (beside or merely)
    return not warm & young and (gone or bool(warm & couples) or (merely and beside))


def _is_of_us(text: str, signs: int) -> bool:
    return signs & _MAY_BE_WE != 0 and _WE.search(text) is not None


def _named_together(text: str, names: tuple[str, ...], minors: tuple[Minor, ...]) -> set[int]:
    """Where two people are named together ("Kate and Rob"), none of them young."""
    if len(names) < 2:
        return set()
    grown = [name for name in names if not any(minor.who == name for minor in minors)]
    pairs = [f"{one} and {other}" for one in grown for other in grown if one != other]
    return {text.index(pair) for pair in pairs if pair in text}


def end_of_heat(hits: list[Hit]) -> int:
    """Where the last of what is sexual ends, or -1."""
    return max([hit.end for hit in hits if hit.categories & _WARM], default=-1)


def aside_of(text: str, heated: int) -> str:
    """What stands after all that is sexual, and in a clause of its own."""
    clause = _CLAUSE.search(text, heated)
    return text[clause.start() :] if clause else ""


_ONLY_WRITES = pattern("purpose.only_writes")  # what may stand between a negation and what it forbids
_FORBIDDEN = pattern("purpose.forbidden")
_UNLESS = pattern("purpose.unless")
_NEGATOR, _SIGNALS = bits("negator"), bits("act depict minor3 minor2")


_MAY_FORBID = SIGNS.need(
    "*prohibited* *forbidden* allowed* permitted* *banned* limits* *removed* *reported* ban 禁 允 下 删 封 违"
)


def is_forbidden(said: Spelled, hits: list[Hit], words: int, aged: bool) -> bool:
    """A prohibition: "never write sexual content about minors"."""
    text, may_forbid = said.text, said.signs & _MAY_FORBID
    if not may_forbid and (aged or not words & _NEGATOR):
        return False
    signals = [hit for hit in hits if hit.categories & _SIGNALS]
    negations = [hit for hit in hits if hit.categories & _NEGATOR]
    if not signals or (not may_forbid and len(negations) != 1) or _UNLESS.search(text):
        return False
    if may_forbid and _FORBIDDEN.search(text):
        return len(negations) <= 1
    if aged or len(negations) != 1 or negations[0].end > signals[0].start:
        return False
    return _ONLY_WRITES.match(text[negations[0].end : signals[0].start]) is not None
