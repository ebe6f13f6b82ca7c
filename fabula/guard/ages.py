"""Ages that a sentence states, in English. Knows one sentence at a time, and no scene."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fabula.guard.lexicon import phrases
from fabula.guard.numerals import ENGLISH, ORDINAL, english, ordinal

ADULT = 18
OLDEST = 130  # numbers above are no ages of people


@dataclass(frozen=True, slots=True)
class Age:
    """Years, whose they are (a pronoun, a name, a noun, or ""), and where it stands.

    `solid` says that it is surely an age; a bare number after a name is not.
    """

    years: int
    who: str
    start: int
    end: int
    solid: bool = True


N = ENGLISH
_UNIT = (
    r"(?! ?(?:feet|foot|ft|inch|inches|cm|kg|stone|pounds?|lbs?|miles?|km|met(?:er|re)s?|minutes?|mins?|hours?|"
    r"seconds?|days?|weeks?|months?|years?(?! ?(?:old|of age))|percent|%|o'clock|am\b|pm\b|times|degrees|dollars|euros|"
    r"people|persons|points|pages|chapters|of (?:them|us|you|the|these|those|his|her|my)|other|more|less|a\.?m|p\.?m|:\d|[.,]\d|/\d|'|st\b|nd\b|rd\b|th\b))"
)
_BE = r"(?:is|was|'s|are|were|am|'m|'re|be|being|became|turned|turns|turning|turn)"
_ADVERB = r"(?:only|just|barely|still|now|both|all|merely|already|a|an|about|almost|nearly|not yet|at least|really|actually|currently|legally|exactly|over|under|supposed to be|going to be|,)"
_PEOPLE = r"(?:girls?|boys?|children|child|kids?|pupils?|daughters?|sons?|persons?|people|youths?|students?|brides?|teens?|m|f|male|female|woman|women|man|men|lad|lass|maids?|princess|prince)"

_FORMS: list[tuple[str, re.Pattern[str]]] = [
    ("short", re.compile(rf"(?:(?P<who>\w+) (?:is|was) )?(?P<less>{N}) years? (?:short of|shy of|away from|from turning|younger than)(?: being)? (?:(?:her|his|a|the|my) )?(?P<n>{N})(?!\w)(?: ?years? old)?")),
    ("will", re.compile(rf"\b(?P<who>\w+)(?:'ll| will| would) (?:turn|be) (?P<n>{N}) (?:years old )?in (?P<in>{N}|a|a few|some) (?P<unit>years?|months?|weeks?|days?)")),
    ("old", re.compile(rf"(?:(?P<who>[\w']+)(?:,? (?P<be>{_BE})|,) (?:{_ADVERB} )*)?(?<![\d.,])(?P<n>{N}) ?(?:years?|yrs?|yr) ?(?:old|olds|of age)\b(?: (?P<noun>[\w']+))?")),
    ("old", re.compile(rf"(?<![\d.])(?P<n>{N}) ?(?:y/?o|y\.o\.?|yos)\b(?: (?P<noun>\w+))?")),
    ("sex", re.compile(r"(?<![\w.])(?P<n>\d{1,2}) ?/? ?(?:f|m)(?![\w'])|(?<![\w.])[fm] ?/? ?(?P<n2>\d{1,2})(?!\w)")),
    ("aged", re.compile(rf"(?:(?P<who>\w+),? )?\b(?:aged|ages?(?: is| was|:)?|at the age of|the age of)(?: only| just)? ?(?P<n>{N}){_UNIT}(?! ?years)")),
    ("is", re.compile(rf"\b(?P<who>[\w]+)(?: |(?=')|, he said, |, she said, )(?P<be>{_BE}),? (?P<adv>(?:{_ADVERB} )*)(?P<n>{N})(?!\w){_UNIT}")),
    ("turned", re.compile(rf"\b(?:(?P<who>\w+) (?:(?:just|recently|has|had) ?)*)?(?:turned|turns|turning) (?P<n>{N})(?!\w){_UNIT}")),
    ("birthday", re.compile(rf"\b(?P<early>before )?(?:(?P<who>her|his|my|your|their|\w+'s) )?(?P<o>{ORDINAL}) birthday")),
    ("name", re.compile(r"\b(?P<who>[a-z]\w+) ?\((?P<n>\d{1,3})(?:\)|[,/; ])")),
    ("comma", re.compile(rf"\b(?P<who>[a-z]\w+), (?P<n>\d\d?|{N})(?=,| and |\.|;)(?!,\d)")),
    ("of", re.compile(rf"\b{_PEOPLE} (?P<cut>of|under|below|younger than) (?:only |just )?(?P<n>{N})(?!\w){_UNIT}")),
    ("nearly", re.compile(rf"\b(?P<cut>not yet|nearly|almost|not quite|under|below|younger than) (?:the age of )?(?P<n>{N})(?!\w){_UNIT}")),
    ("though", re.compile(rf"\b(?:although|though|despite being|at) (?:only )?(?P<n>{N})(?=,| (?:she|he|they|i|we|you)\b)(?! ?o'clock)")),
    ("only", re.compile(rf"\b(?:only|just|barely|merely) (?P<n>{N})(?= ?(?:[.!?;,)\"]|and\b|but\b|$))")),
    ("both", re.compile(rf"\b(?P<who>both)(?: are| were| now| of them)*,? (?P<n>{N})(?!\w){_UNIT}")),
]
_CUES = {  # what a form cannot do without, in one cheap search
    "short": re.compile("years? (?:short|shy|away|from|younger)"),
    "will": re.compile(" in "),
    "old": re.compile(r"\bold|of age|yo\b|y/o|y\.o|yos\b"),
    "sex": re.compile(r"\d ?/? ?[fm]\b|\b[fm] ?/? ?\d"),
    "aged": re.compile(r"\bage"),
    "is": re.compile(rf"\b(?:is|was|are|were|am|be|being|became|turned|turns|turning|turn)\b|'"),
    "turned": re.compile("turn"),
    "birthday": re.compile("birthday"),
    "name": re.compile(r"\(\d"),
    "comma": re.compile(rf", (?:\d|{N})"),
    "of": re.compile(r"\b(?:of|under|below|younger than) "),
    "nearly": re.compile(r"not yet|nearly|almost|not quite|under|below|younger"),
    "though": re.compile(r"though|despite|\bat "),
    "only": re.compile(r"\b(?:only|just|barely|merely) "),
    "both": re.compile("both"),
}
_HALF = re.compile(r"\b(?P<who>\w+) (?:is|was|'s) half (?:his|her|my|your|their|my|as) (?:age|old)")
_BORN = re.compile(r"\b(?:(?P<who>\w+) (?:was|is|were) )?born in (?P<n>(?:19|20)\d\d)")
YEAR = re.compile(r"\b(?:the year is|it is|it's|now is|in the year|today is|set in|takes place in) (?P<n>(?:19|20)\d\d)\b")
LATER = re.compile(rf"\b(?P<n>{N}) years? (?:later|passed|on\b|had passed|afterwards)")

_BELOW = ("under", "below", "younger than")
_FORBIDS = re.compile(  # "no one under 18": a notice, not a person
    r"(?:\b(?:no one|nobody|no person|anyone|if you are|not (?:suitable|intended|meant|allowed) for(?: \w+){0,2}|"
    r"(?:prohibited|forbidden)(?: \w+){0,3}|no \w+) ?)$"
)
_NOT_WHO = frozenset("a an the and or but of in on at to for with then so that which who while when only just almost nearly about as is was are were be been being now".split())
_COMMA_STOP = frozenset("chapter room page number part act scene volume level season episode vol no line verse section article may june july april march august september october november december january february yes in by on".split())


def english_ages(text: str) -> Iterator[Age]:
    """Every stated age, in the order of the forms. The same age may be found by two forms."""
    taken: list[tuple[int, int]] = []
    objects = phrases("object")
    for form, pattern in _FORMS:
        if not _CUES[form].search(text):
            continue
        for match in pattern.finditer(text):
            age = _age(form, match, objects)
            if age is None or any(start < age.end and age.start < end for start, end in taken):
                continue
            taken.append((age.start, age.end))
            if 0 <= age.years <= OLDEST or form == "old":
                yield age
    if "half" in text or "born" in text:
        yield from _reckoned(text)


def _age(form: str, match: re.Match[str], objects: frozenset[str]) -> Age | None:
    groups = match.groupdict()
    who = groups.get("who") or ""
    who = "" if who in _NOT_WHO else who.removesuffix("'s")
    noun = groups.get("noun") or ""
    if (who in objects and groups.get("be")) or noun in objects:
        return Age(ADULT + OLDEST, "", match.start(), match.end(), False) if form == "old" else None
    years = _YEARS.get(form, _plain)(match)
    if years is None or (groups.get("cut") in _BELOW and _FORBIDS.search(match.string[: match.start()])):
        return None
    who = who or noun
    if form == "comma" and (not 3 < years < 100 or (groups["who"] in _COMMA_STOP) or not who):
        return None
    if form == "is" and who in ("there", "this", "that", "which", "what", "total", "here"):
        return None
    return Age(years, who, match.start(), match.end(), form not in ("comma", "sex"))


def _plain(match: re.Match[str]) -> int | None:
    groups = match.groupdict()
    number = groups.get("n") or groups.get("n2")
    if not number:
        return None
    years = english(number)
    adverb = groups.get("adv") or ""
    below = groups.get("cut") not in (None, "of") or any(
        word in adverb for word in ("almost", "nearly", "not yet", "under", "going to be")
    )
    return years - 1 if below else years


def _in_future(match: re.Match[str]) -> int:
    wait = english(match["in"]) if match["unit"].startswith("year") else 1
    return english(match["n"]) - max(wait, 1)


def _birthday(match: re.Match[str]) -> int:
    return ordinal(match["o"]) - bool(match["early"])


_YEARS: dict[str, Callable[[re.Match[str]], int | None]] = {
    "will": _in_future,
    "birthday": _birthday,
    "short": lambda match: english(match["n"]) - english(match["less"]),
}


def _reckoned(text: str) -> Iterator[Age]:
    """Ages that must be worked out from two numbers of one passage."""
    if (half := _HALF.search(text)) and (other := re.search(rf"(?:is|am|aged|was) (?P<n>{N})(?!\w)", text)):
        yield Age(english(other["n"]) // 2, half["who"], half.start(), half.end())
    if (born := _BORN.search(text)) and (year := YEAR.search(text)):
        yield Age(int(year["n"]) - int(born["n"]), born["who"] or "", born.start(), born.end())
