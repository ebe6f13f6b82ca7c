"""Youth that is told of as over: "when she was seven". Knows one sentence, and not who has grown up."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fabula.guard.categories import HEAT, bits
from fabula.guard.forms import pattern
from fabula.guard.people import CALLED

_SCHOOLS = bits("grade school3 school2")
_NOT_PAST = pattern("past.not_past")
_NO_LONGER = pattern("past.no_longer")
_SINCE_THEN = pattern("past.since_then")
_FROM_THEN_ON = pattern("past.from_then_on")
_WORD_AFTER = pattern("past.word_after")
_WHEN = pattern("past.when")
_BEFORE = pattern("past.before")
_AT = pattern("past.at")
_AFTER = pattern("past.after")
_NOUN = pattern("past.noun")
_AT_SCHOOL = pattern("past.at_school")
_PRESENT = pattern("past.present")
_MARKS = ("since", "former", "once", "onetime", "one-time", "ex-", "ex ", "used to")
_VERBS = ("was", "were", "turned", "became", "been")
REACH = 64  # characters before an age or a word that may put it in the past
_CALLED = "|".join(sorted(noun for noun in CALLED if noun.isascii()))
_CALLED_IN_HAN = "|".join(sorted(noun for noun in CALLED if not noun.isascii()))
_SOMEBODY = re.compile(
    rf"\b(?:the|this|that|an?|her|his|their|my|our|your|\w+'s) (?:\w+ )?(?:{_CALLED})\b|{_CALLED_IN_HAN}"
)
_SHE, _HE = re.compile(r"\b(?:she|her)\b|她"), re.compile(r"\b(?:he|him|his)\b|他(?!们)")
_NO_NAME = r"^\W*{name}(?:\W*:|(?<=ed) (?:at|in|by|from)\b)|\b(?:in|to|from|at|near|of) {name}\b"


def may_be_past(text: str, words: int) -> bool:
    """Whether a sentence may tell of what is over. With something sexual, a wish for a scene, or somebody who
    is made young again, it is what the scene is about."""
    return not words & HEAT and _NOT_PAST.search(text) is None


def is_no_longer(text: str, start: int, end: int) -> bool:
    """ "A former child star", "she has played since she was six": nothing of how old anyone is now."""
    if any(mark in text for mark in _MARKS) and _NO_LONGER.search(text, max(0, start - REACH), start):
        return True
    since = _SINCE_THEN if text.endswith("从", 0, start) else _FROM_THEN_ON
    return since.match(text, end) is not None


def is_age_then(text: str, start: int, end: int) -> bool:
    """ "At seven, she …", "she was seven when"."""
    if _PRESENT.match(text[end:]):
        return False
    return _is_then(text, start, end) or bool(_AT.match(text, start) or _AFTER.match(text, end))


def is_word_then(text: str, start: int, end: int, categories: int) -> bool:
    """ "She was a teenage runaway", "she was bullied in high school"."""
    if _PRESENT.match(text[end:]):
        return False
    at_school = categories & _SCHOOLS and _AT_SCHOOL.search(text, 0, start)
    told = at_school or _NOUN.search(text, 0, start) or _WORD_AFTER.match(text, end)
    return bool(told) or _is_then(text, start, end)


def _is_then(text: str, start: int, end: int) -> bool:
    """ "When she was seven": the age may begin with "she"."""
    first = max(0, start - REACH)
    if any(verb in text for verb in _VERBS) and any(
        told.start() < start <= told.end() for told in _WHEN.finditer(text, first, end)
    ):
        return True
    return not text.isascii() and _BEFORE.search(text, first, start) is not None


def is_of_one(text: str, start: int, end: int, others: Iterable[str]) -> bool:
    """Whether nobody is spoken of but the one who was young: `others` are names of people, or of places."""
    if _SHE.search(text) and _HE.search(text):
        return False
    if _SOMEBODY.search(text[:start]) or _SOMEBODY.search(text[end:]):
        return False
    return all(re.search(_NO_NAME.format(name=re.escape(name)), text) for name in others)
