"""Ages that a sentence states, in Chinese (Simplified, as `normalise` leaves it). Knows no scene."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path

from fabula.guard.ages import MOST_ON_A_BOX, OF_A_THING, Age
from fabula.guard.forms import compiled, cues_of, pattern
from fabula.guard.lexicon import phrases, signs_of
from fabula.guard.normalise import HAN
from fabula.guard.numerals import CARDINALS, CHINESE, NUMERALS, SPELLED, chinese, english, reckon, spelled

N = CHINESE
ANY = rf"(?:{N}|{'|'.join(sorted(CARDINALS, key=len, reverse=True))}|{SPELLED})"
_DATA = json.loads((Path(__file__).parent / "ages_zh.json").read_text(encoding="utf-8"))
CUES = cues_of(_DATA["forms"])
_LATER = re.compile(rf"(?P<n>{N})年(?:之?后|过去)")
_NUMERAL = re.compile(rf"[\d{NUMERALS}]")
_GAP = re.compile(r"[ ,、:(]+$")
_NAME = re.compile(rf"[{HAN}·]+$")
_TRIM = pattern("ages_zh.trim")
_PRONOUNS = pattern("ages_zh.pronouns")
_LEAD = pattern("ages_zh.lead")
_FORBIDS = pattern("ages_zh.forbids")
_DIFFERENCE = pattern("ages_zh.difference")
_OF_AGES = pattern("ages_zh.of_ages")
_SIGNS = {"除": "/", "减": "-", "加": "+", "乘": "*"}
_AND = "和与跟及"
_OF_A_TRADE = re.compile("酒[庄店吧馆保商厂]|车[行手主夫]|马[夫术帮车]")
YOUNGEST_BARE = 3  # a smaller number without 岁 is a count


@functools.cache
def forms() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The forms in the order in which they are tried."""
    parts = {name: "".join(part) for name, part in _DATA["parts"].items()} | {
        "N": N,
        "ANY": ANY,
        "HAN": f"[{HAN}]",
    }
    return tuple((row["form"], compiled(row["pattern"], parts)) for row in _DATA["forms"])


def chinese_ages(text: str, signs: int | None = None, beside: Callable[[], int] | None = None) -> list[Age]:
    """Every stated age; where two forms find the same one, the first tells it."""
    ages: list[Age] = []
    taken: list[tuple[int, int]] = []
    for number in CUES.possible(signs_of(text) if signs is None else signs, beside):
        form, told = forms()[number]
        if taken and form in _OF_NUMERALS and not _is_left(text, taken):
            continue
        for match in told.finditer(text):
            if taken:
                first, last = match.span("n")
                if any(start < last and first < end for start, end in taken):
                    continue
            found = _ages(form, match)
            if found:
                taken.append(match.span() if form == "stated" else match.span("n"))
                ages += found
    return ages


_OF_NUMERALS = frozenset(["bare", "intro", "couple", "candles"])  # these tell of nothing but of numerals


def _is_left(text: str, taken: list[tuple[int, int]]) -> bool:
    """Whether a numeral stands where no age was found."""
    for match in _NUMERAL.finditer(text):
        place = match.start()
        if not any(start <= place < end for start, end in taken):
            return True
    return False


def _ages(form: str, match: re.Match[str]) -> list[Age]:
    groups = match.groupdict()
    if form == "sum" and _is_span(match):
        return []
    years = _years(form, match, groups)
    if groups.get("after") == "以上" and years <= MOST_ON_A_BOX:
        return []
    if groups.get("below") and _FORBIDS.search(match.string):
        return []  # a notice: not a person
    start, end = match.start("n"), match.end()
    if form in ("stated", "bare") and _DIFFERENCE.search(match.string[:start]):
        return []  # how far apart two people are
    if form == "stated" and _is_object(match, groups["noun"]):
        return [Age(OF_A_THING, "", *match.span())]
    if form == "sum" and not _OF_AGES.search(match.string):
        return []
    if form in ("bare", "intro") and years < YOUNGEST_BARE:
        return []
    ages = [Age(years, groups.get("who") or _who(match.string[: match.start()]), start, end)]
    if name := groups.get("name"):
        ages.append(Age(years, name, start, end))
    if second := groups.get("second"):
        ages.append(Age(value_of(second), groups.get("who2") or "", *match.span("second")))
    return ages


def _is_span(match: re.Match[str]) -> bool:
    """ "14-16岁" takes nothing from fourteen: other forms read it."""
    return match["op"] == "-" and chinese(match["n"]) < chinese(match["b"])


def value_of(text: str) -> int:
    """In whichever of the three scripts a number before 岁 may be."""
    if not text.isascii() or text.isdigit():
        return chinese(text)
    return english(text) or spelled(text)


def _years(form: str, match: re.Match[str], groups: dict[str, str | None]) -> int:
    years = value_of(match["n"]) + (chinese(more) if (more := groups.get("more")) else 0)
    if form == "sum":
        return reckon(years, _SIGNS.get(match["op"][0], match["op"]), chinese(match["b"]))
    if form == "half":
        other = re.search(rf"(?P<n>{N})岁", match.string)
        return chinese(other["n"]) // 2 if other else OF_A_THING
    if times := groups.get("times"):
        return years * chinese(times)
    if groups.get("many") and years < 20:
        return 15  # "十几岁", "十多岁": somewhere in the teens
    less = groups.get("less")
    if form == "short" or less:
        return years - (_in_years(less, groups.get("unit") or "年") if less else 1)
    return years - bool(groups.get("below"))


def _in_years(count: str, unit: str) -> int:
    """How many birthdays lie between: at least one, however short the time."""
    per_year = {"天": 365, "周": 52, "月": 12}.get(unit[-1], 1)
    return max(1, -(-chinese(count) // per_year)) if count[0] not in "几半数" else 1


def later(text: str) -> int | None:
    """ "二十年后" → 20."""
    match = _LATER.search(text)
    return chinese(match["n"]) if match else None


def _is_object(match: re.Match[str], noun: str | None) -> bool:
    if noun and noun.startswith(_objects()) and not _OF_A_TRADE.match(noun):
        return True
    text, start = match.string, match.start()
    if not start or text[start - 1] not in _ends_of_objects():
        return False
    return text.endswith(_objects(), max(0, start - 4), start)


@functools.cache
def _objects() -> tuple[str, ...]:
    return tuple(word for word in phrases("object") if not word[0].isascii())


@functools.cache
def _ends_of_objects() -> frozenset[str]:
    return frozenset(word[-1] for word in _objects())


def _who(before: str) -> str:
    """The name or pronoun that stands right before an age."""
    if not before:
        return ""
    match = _NAME.search(_TRIM.sub("", _GAP.sub("", before)))
    if match and match[0][-1] in _AND:
        return ""  # "她和十五岁的妹妹", "7岁和9岁"
    run = _LEAD.sub("", match[0]) if match else ""
    if pronoun := _PRONOUNS.match(run):
        return pronoun[0]
    return run if 2 <= len(run) <= 4 else ""
