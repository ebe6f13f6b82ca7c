"""Ages that a sentence states, in English. Knows one sentence at a time, and no scene."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fabula.guard.forms import compiled, cues_of, pattern
from fabula.guard.lexicon import phrases, signs_of
from fabula.guard.numerals import ENGLISH, ORDINAL, english, ordinal, reckon, roman

ADULT = 18
OLDEST = 110  # above, a number says nothing about the body that is shown
OF_A_THING = 1000  # years of a bottle, a marriage or a dog


class Age(NamedTuple):
    """Years, whose they are (a pronoun, a name, a noun, or ""), and where it stands."""

    years: int
    who: str
    start: int
    end: int

    @property
    def is_minor(self) -> bool:
        return 0 <= self.years < ADULT

    @property
    def is_adult(self) -> bool:
        return ADULT <= self.years <= OLDEST


@dataclass(frozen=True, slots=True)
class Form:
    """One way to tell an age."""

    name: str
    pattern: re.Pattern[str]


N = ENGLISH
LATER = re.compile(rf"\b(?P<n>{N}) years? (?:later|passed|on\b|had passed|afterwards)")
_HALF = re.compile(r"\b(?P<who>\w+) (?:is|was|'s) half (?:his|her|my|your|their|my|as) (?:age|old)")
_OF_AGES = re.compile(r"\bages?\b|\bold\b|\byears\b|年龄|年纪|岁")
_BELOW = ("under", "below", "younger than")
_FORBIDS = re.compile(  # "no one under 18": a notice, not a person
    r"(?:\b(?:no one|nobody|no person|anyone|if you are|(?:prohibited|forbidden)(?: \w+){0,3}|no \w+|"
    r"not (?:suitable|intended|meant|allowed) for(?: \w+){0,2}) ?)$"
)
_AS_A_CHILD = pattern("ages_en.as_a_child")
_OF_A_THING = pattern("ages_en.of_a_thing")
_ON_A_BOX = pattern("ages_en.on_a_box")
MOST_ON_A_BOX = 12  # "ages 6+" is for whom a game is; "16 and over" may be said of somebody
_ALMOST = ("almost", "nearly", "not yet", "under", "going to be")
_DATA = json.loads((Path(__file__).parent / "ages_en.json").read_text(encoding="utf-8"))
CUES = cues_of(_DATA["forms"])


@dataclass(frozen=True, slots=True)
class Rules:
    """The forms in the order in which they are tried; words that are no names, at all and before a comma."""

    forms: tuple[Form, ...]
    no_name: frozenset[str]
    no_name_before_comma: frozenset[str]


@functools.cache
def rules() -> Rules:
    parts = {name: "".join(part) for name, part in _DATA["parts"].items()} | {"N": N, "ORDINAL": ORDINAL}
    return Rules(
        tuple(Form(row["form"], compiled(row["pattern"], parts)) for row in _DATA["forms"]),
        frozenset(_DATA["no_name"]),
        frozenset(_DATA["no_name_before_comma"]),
    )


def english_ages(
    text: str, signs: int | None = None, beside: Callable[[], int] | None = None
) -> Iterator[Age]:
    """Every stated age; where two forms find the same one, the first tells it."""
    taken: list[tuple[int, int]] = []
    forms = rules().forms
    for number in CUES.possible(signs_of(text) if signs is None else signs, beside):
        form = forms[number]
        for match in form.pattern.finditer(text):
            age = _age(form.name, match)
            if age is None or any(start < age.end and age.start < end for start, end in taken):
                continue
            taken.append((age.start, age.end))
            yield age
            if second := match.groupdict().get("second"):
                yield Age(english(second), "", *match.span("second"))
    if "half" in text:
        yield from _halved(text)


def _age(form: str, match: re.Match[str]) -> Age | None:
    no_name = rules().no_name
    groups, objects = match.groupdict(), phrases("object")
    who, noun = groups.get("who") or "", groups.get("noun") or ""
    if (who in objects and groups.get("be")) or noun in objects:  # taken, so that no other form finds it
        return Age(OF_A_THING, "", *match.span()) if form in ("old", "young") else None
    if form == "sum" and (not _OF_AGES.search(match.string) or _is_span(groups)):
        return None
    years = _YEARS[form](match) if form in _YEARS else _plain(groups)
    if groups.get("cut") in _BELOW and _FORBIDS.search(match.string[: match.start()]):
        return None
    if _OF_A_THING.search(match.string, 0, _number_at(match)):
        return None
    if years <= MOST_ON_A_BOX and _ON_A_BOX.match(match.string, match.end()):
        return None
    if form == "is" and who in ("there", "this", "that", "which", "what", "total", "here"):
        return None
    if form == "though" and match[0][:2] == "at" and years <= 12 and not _AS_A_CHILD.search(match.string):
        return None  # "at nine, she was in the office"
    if form == "comma" and (not 3 < years < 100 or who in rules().no_name_before_comma or who in no_name):
        return None
    who = "" if who in no_name else who.removesuffix("'s")
    return Age(years, who or noun, *match.span())


def _number_at(match: re.Match[str]) -> int:
    """Where the number begins that tells the age."""
    return next(
        (match.start(name) for name in ("n", "n2", "n3") if match.groupdict().get(name)), match.start()
    )


def _is_span(groups: dict[str, str | None]) -> bool:
    """ "15-16 years old" takes nothing from fifteen: other forms read it."""
    return groups.get("op") == "-" and english(groups["n"] or "") < english(groups["b"] or "")


def _plain(groups: dict[str, str | None]) -> int:
    years = english(groups.get("n") or groups.get("n2") or groups["n3"] or "")
    almost = any(word in (groups.get("adv") or "") for word in _ALMOST)
    return years - (almost or groups.get("cut") not in (None, "of"))


def _in_future(match: re.Match[str]) -> int:
    wait = english(match["in"]) if match["unit"].startswith("year") else 1
    return english(match["n"]) - max(wait, 1)


def _short(groups: dict[str, str | None]) -> int:
    """So much less than an age, or than a birthday ("two years before her eighteenth")."""
    n, less = groups["n"] or "", groups["less"] or ""
    in_years = (groups.get("unit") or "year") == "year"
    return (english(n) or ordinal(n)) - ((in_years and english(less)) or 1)


_YEARS: dict[str, Callable[[re.Match[str]], int]] = {
    "will": _in_future,
    "dozen": lambda match: 12,
    "young": lambda match: 0,  # weeks and months
    "birthday": lambda match: ordinal(match["o"]) - bool(match["early"]),
    "short": lambda match: _short(match.groupdict()),
    "would": lambda match: english(match["n"]) - 1,
    "roman": lambda match: roman(match["roman"]),
    "sum": lambda match: reckon(
        english(match["n"] or match["n2"] or match["n3"] or match["n4"]),
        match["op"] or match["op2"] or match["op4"] or "halved",
        english(match["b"] or ""),
    ),
}


def _halved(text: str) -> Iterator[Age]:
    """ "He is thirty, she is half his age"."""
    if (half := _HALF.search(text)) and (other := re.search(rf"(?:is|am|aged|was) (?P<n>{N})(?!\w)", text)):
        yield Age(english(other["n"]) // 2, half["who"], *half.span())
