"""What a sentence does with its words: depict, report, forbid, keep people apart. Knows one at a time."""

from __future__ import annotations

import re

from fabula.guard.lexicon import Hit
from fabula.guard.young import Minor

_CLAUSE = re.compile(r"[,,、::]|\b(?:while|when|whose|after|before|but)\b")

Frame = frozenset[tuple[int, str]]
"""Phrases that show that a text reports, treats, judges or teaches, with their weights."""
CLEAR = 3  # the weight from which a text is taken for a report


def is_clear(frame: Frame) -> bool:
    """People of a trade alone make no report: the doctor and the judge may be characters of a story."""
    firm = any(weight > 1 or phrase == "condemn" for weight, phrase in frame)
    return firm and sum(weight for weight, _ in frame) >= CLEAR


def heat_of(hits: list[Hit], words: frozenset[str]) -> tuple[int, bool]:
    """How sexual, and whether it depicts rather than names."""
    hints = {hit.phrase for hit in hits if "hint" in hit.categories}
    body = {hit.phrase for hit in hits if "body" in hit.categories}
    depicts = "depict" in words or len(hints) > 1 or bool(hints and {"act", "explicit"} & words)
    if depicts or "act" in words or (hints and body):
        return 2, depicts or bool(hints and body)
    return (1, False) if hints or body else (0, False)


def frame_of(hits: list[Hit]) -> Frame:
    frame = {(2, hit.phrase) for hit in hits if "frame" in hit.categories}
    frame |= {(1, hit.phrase) for hit in hits if "frame_weak" in hit.categories}
    return frozenset(frame | {(1, "condemn") for hit in hits if "condemn" in hit.categories})


def _clause_of(text: str, place: int) -> int:
    return sum(match.start() < place for match in _CLAUSE.finditer(text))


TO_THEM = re.compile(r"\b(?:with|to|on|inside|for) (?:her|him|them)\b|[和跟对与][她他]")


def are_apart(text: str, hits: list[Hit], minors: tuple[Minor, ...]) -> bool:
    """The young one sleeps or is away in one clause; grown-ups are together in another."""
    if not any(hit.categories & {"pair", "adult"} for hit in hits) or TO_THEM.search(text):
        return False
    warm = {_clause_of(text, hit.start) for hit in hits if hit.categories & {"act", "depict", "hint"}}
    away = {_clause_of(text, hit.start) for hit in hits if "absent" in hit.categories}
    young = {_clause_of(text, minor.start) for minor in minors}
    return not warm & young and young <= away


_ONLY_WRITES = re.compile(  # what may stand between a negation and what it forbids
    r"(?: |-|to|ever|help|with|you|me|be|any|all|write|writing|generate|create|creating|generating|produce|"
    r"include|including|involve|involving|describe|depict|provide|allow|engage|in|content|material|a|an|the|or|and|about|of|"
    r"写|生成|创作|产生|涉及|包含|描写|提供|任何|出现|有|协助|进行|帮|你|您|含|关于|内容|撰写|描述|的|能|会)*$"
)
_FORBIDDEN = re.compile(
    r"(?:prohibited|forbidden|not allowed|not permitted|banned|off limits|"
    r"一律禁止|是被禁止的|不被允许)[.!。! ]*$"
)
_UNLESS = re.compile(r"\b(?:unless|except|but|however|so|though|although)\b|除非|但|不过|除了")


def is_forbidden(text: str, hits: list[Hit]) -> bool:
    """A prohibition: "never write sexual content about minors"."""
    signals = [hit for hit in hits if hit.categories & {"act", "depict", "minor3", "minor2"}]
    negations = [hit for hit in hits if "negator" in hit.categories]
    if not signals or _UNLESS.search(text):
        return False
    if _FORBIDDEN.search(text):
        return len(negations) <= 1
    if len(negations) != 1 or negations[0].end > signals[0].start:
        return False
    return _ONLY_WRITES.match(text[negations[0].end : signals[0].start]) is not None
