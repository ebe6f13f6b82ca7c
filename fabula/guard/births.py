"""Ages that follow from a year of birth and the year of the story. Knows whole messages, and no scene."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

from fabula.guard.ages import ADULT
from fabula.guard.forms import pattern
from fabula.guard.normalise import fold
from fabula.guard.numerals import chinese, english
from fabula.guard.young import Minor

_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_REPUBLIC = pattern("births.republic")  # years counted from 1912
_IN_HAN = pattern("births.year_in_han")
_NOW_SHORT = pattern("births.now_short")
_OF_AGE = pattern("births.of_age")
_BORN = pattern("births.born")
_DECADE = pattern("births.decade")
_NOW = pattern("births.now")
_PARENT_THEN = pattern("births.parent_then")
_PARENT_NOW = pattern("births.parent_now")
_DIGITS = str.maketrans("零一二三四五六七八九", "0123456789")


@functools.cache
def _events() -> list[tuple[re.Pattern[str], str]]:
    """Years that are told by what happened in them."""
    data = json.loads((Path(__file__).parent / "events.json").read_text(encoding="utf-8"))
    return [(re.compile(pattern), year) for pattern, year in data.items()]


_CUE = pattern("births.cue")


def tells_births(text: str) -> bool:
    """Whether a closer look may find something."""
    return _CUE.search(text) is not None


@functools.lru_cache(maxsize=1024)
def minors_by_birth(message: str) -> tuple[Minor, ...]:
    """Who is under 18 in the year of the story. What is reckoned with may stand far apart in a message."""
    text = fold(message)
    dated = _dated(text)
    years = [*_by_year(dated), *_by_coming_of_age(dated), *_by_parent(text)]
    return tuple(Minor(3, "", age, 0, 0) for age in years if 0 <= age < ADULT)


def _by_year(text: str) -> list[int]:
    births = {_full(next(filter(None, match.groups()))) for match in _BORN.finditer(text)}
    births |= {_decade(match["n"]) for match in _DECADE.finditer(text)}
    now = [int(match["n"]) for match in _NOW.finditer(text)]
    now = now or [_full(match["n"]) for match in _NOW_SHORT.finditer(text)]
    others = now or [int(match[0]) for match in _YEAR.finditer(text) if int(match[0]) not in births]
    return [max(others) - birth for birth in births] if births and others else []


def _by_coming_of_age(text: str) -> list[int]:
    """ "She comes of age in 2027; it is 2023"."""
    grown = [int(next(filter(None, match.groups()))) for match in _OF_AGE.finditer(text)]
    now = [int(match["n"]) for match in _NOW.finditer(text)]
    return [ADULT - (then - now[0]) for then in grown if now and then > now[0]]


def _full(year: str) -> int:
    """ "2011", "11" → 2011."""
    return int(year) if len(year) == 4 else _decade(year)


def _by_parent(text: str) -> list[int]:
    """The age of a parent at the birth and now."""
    then, now = _PARENT_THEN.search(text), _PARENT_NOW.findall(text)
    if not then or not now:
        return []
    at_birth = _number(then["a"] or then["b"] or then["c"])
    return [_number(next(filter(None, found))) - at_birth for found in now]


def _number(text: str) -> int:
    return chinese(text) if not text.isascii() or text.isdigit() else english(text.replace("-", " "))


def _dated(text: str) -> str:
    """With every year as four digits."""
    text = _IN_HAN.sub(lambda match: match[0].translate(_DIGITS), text.replace("〇", "零").replace("○", "零"))
    text = _REPUBLIC.sub(lambda match: f"{chinese(match['n']) + 1911}年", text)
    for event, year in _events():
        text = event.sub(f" {year} ", text)
    return text


def _decade(name: str) -> int:
    years = int(name.translate(_DIGITS))
    return 2000 + years if years < 30 else 1900 + years
