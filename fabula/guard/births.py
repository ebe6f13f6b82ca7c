"""Ages that follow from a year of birth and the year of the story. Knows whole messages, and no scene."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

from fabula.guard.ages import ADULT
from fabula.guard.cues import any_of
from fabula.guard.forms import listed, pattern
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
_MAY_BE_EVENT = any_of(listed("births.events").split("|"))  # each event is told with one of them
_DIGITS = str.maketrans("零一二三四五六七八九", "0123456789")


# Atoms of which a sentence without digits needs one to tell of a year; with a number, of a parent's age.
CUES_OF_YEARS = (
    "towers wall olympics crash covid pandemic euro millennium sars obama moon chernobyl diana iphone brexit "
    "queen fukushima 震 奥 典 归 冠 疫 禧 灾 莫 阳 博 舟 严 贸 世 后 民 零 〇 ○ 九"
)
CUES_OF_PARENTS = "mother mom mum father dad had bore born birth 妈 母 爸 父 娘"
_MAY_BE_PARENT = any_of(
    {
        *(f"{parent} is" for parent in ("mother", "mom", "mum", "father", "dad")),
        *(f"{bore} {them}" for bore in ("had", "bore") for them in ("her", "him", "them", "me")),
        *("born when", "gave birth", *"妈母爸父娘"),
    }
)
_MAY_BE_NOW = any_of(("now", "it is", "it's", "现在", "今年", "如今"))
OVERLAP = 40  # characters of a sentence that what is reckoned with may go on from


class Births:
    """What was said of births and years so far; sentences are added one by one."""

    known = False  # whether anything was told that ages may be reckoned from

    def __init__(self) -> None:
        self._tail = ""
        self._folded: str | None = ""
        self._births: set[int] = set()
        self._now: list[int] = []
        self._now_short: list[int] = []
        self._years: set[int] = set()
        self._grown: list[int] = []
        self._at_birth: int | None = None
        self._parents: list[int] = []

    def go_past(self, said: str, folded: str | None = None) -> None:
        """A sentence that tells nothing by itself, but what follows may go on from it. `folded`: as `fold`
        leaves it, where that is known and has as many characters."""
        self._tail, self._folded = said, folded

    def add(self, said: str, folded: str | None = None) -> None:
        if folded is None or self._folded is None:
            text = fold(self._tail[-OVERLAP:] + said)
        else:
            text = self._folded[-OVERLAP:] + folded
        self.go_past(said, folded)
        if _MAY_BE_PARENT.search(text):
            self._add_parents(text)
        dated = _dated(text)  # of 后来 there is more than of any decade
        if _DIGIT.search(dated) or "零后" in dated or "五后" in dated:
            self._add_years(dated)
        self.known = bool(self._births or self._grown or self._at_birth is not None)

    def _add_years(self, dated: str) -> None:
        if _MAY_BE_NOW.search(dated):
            self._now_short += [_full(match["n"]) for match in _NOW_SHORT.finditer(dated)]
        if not tells_year(dated):
            return
        self._births |= {_full(next(filter(None, match.groups()))) for match in _BORN.finditer(dated)}
        self._births |= {_decade(match["n"]) for match in _DECADE.finditer(dated)}
        self._now += [int(match["n"]) for match in _NOW.finditer(dated)]
        self._years |= {int(match[0]) for match in _YEAR.finditer(dated)}
        self._grown += [int(next(filter(None, match.groups()))) for match in _OF_AGE.finditer(dated)]

    def _add_parents(self, text: str) -> None:
        """The age of a parent at the birth and now."""
        then = _PARENT_THEN.search(text) if self._at_birth is None else None
        if then:
            self._at_birth = _number(then["a"] or then["b"] or then["c"])
        self._parents += [_number(next(filter(None, found))) for found in _PARENT_NOW.findall(text)]

    def minors(self) -> tuple[Minor, ...]:
        """Who is under 18 in the year of the story."""
        years = [*self._by_year(), *self._by_coming_of_age()]
        if self._at_birth is not None:
            years += [now - self._at_birth for now in self._parents]
        return tuple([Minor(3, "", age, 0, 0) for age in years if 0 <= age < ADULT]) if years else ()

    def _by_year(self) -> list[int]:
        others = self._now or self._now_short or list(self._years - self._births)
        return [max(others) - birth for birth in self._births] if self._births and others else []

    def _by_coming_of_age(self) -> list[int]:
        """ "She comes of age in 2027; it is 2023"."""
        return [ADULT - (then - self._now[0]) for then in self._grown if self._now and then > self._now[0]]


@functools.cache
def _events() -> list[tuple[re.Pattern[str], str]]:
    """Years that are told by what happened in them."""
    data = json.loads((Path(__file__).parent / "events.json").read_text(encoding="utf-8"))
    return [(re.compile(pattern), year) for pattern, year in data.items()]


_CUE = pattern("births.cue")
_OF_YEARS = ("19", "20", "年", "'", "后")  # one of which is in every year
_TELLS_YEAR = re.compile(r"(?:19|20)\d\d|\d\d年|'\d\d|(?:\d\d|[零一][零五])后")
_DIGIT = re.compile(r"\d")


def tells_year(dated: str) -> bool:
    return any(map(dated.__contains__, _OF_YEARS)) and _TELLS_YEAR.search(dated) is not None


def may_reckon(text: str) -> bool:
    """Whether a sentence tells of a year, or of the age of a parent at a birth."""
    plain = fold(text)
    return tells_year(_dated(plain)) or _PARENT_THEN.search(plain) is not None


def tells_births(text: str) -> bool:
    """Whether a closer look may find something."""
    return _CUE.search(text) is not None


@functools.lru_cache(maxsize=1024)
def minors_by_birth(message: str) -> tuple[Minor, ...]:
    """Who is under 18 by what one message says, which may stand far apart in it."""
    births = Births()
    births.add(message)
    return births.minors()


def _full(year: str) -> int:
    """ "2011", "11" → 2011."""
    return int(year) if len(year) == 4 else _decade(year)


def _number(text: str) -> int:
    return chinese(text) if not text.isascii() or text.isdigit() else english(text.replace("-", " "))


def _dated(text: str) -> str:
    """With every year as four digits."""
    if not text.isascii():
        text = text.replace("〇", "零").replace("○", "零")
        text = _IN_HAN.sub(lambda match: match[0].translate(_DIGITS), text) if "年" in text else text
        text = _REPUBLIC.sub(lambda match: f"{chinese(match['n']) + 1911}年", text)
    for event, year in _events() if _MAY_BE_EVENT.search(text) else ():
        text = event.sub(f" {year} ", text)
    return text


def _decade(name: str) -> int:
    years = int(name.translate(_DIGITS))
    return 2000 + years if years < 30 else 1900 + years
