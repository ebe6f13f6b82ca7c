"""Forms of speech that stand in no list because a number or a name is part of them. Knows no sentence.

A form is a pattern with its meaning, a category of the word lists; `forms_<language>.json` holds them.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.guard.categories import BITS, HEAT, YOUNG, bits
from fabula.guard.cues import SIGNS, Cues
from fabula.guard.lexicon import LANGUAGES, LATIN, Hit
from fabula.guard.numerals import CHINESE, ENGLISH, ORDINAL


@dataclass(frozen=True, slots=True)
class Form:
    means: int
    pattern: re.Pattern[str]
    ends: tuple[str, ...] = ()  # for what is sexual: the words, or last characters, that can complete it


def _data(language: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(
        (Path(__file__).parent / f"forms_{language}.json").read_text(encoding="utf-8")
    )
    return data


EVERY = -1  # category
_DATA = {language: _data(language) for language in LANGUAGES}


def cues_of(rows: list[dict[str, Any]]) -> Cues:
    """What rows of a JSON file cannot do without: one atom of `cue`, one of each group in `also`, and right
    `before` and `after` a number one of those."""
    beside = [SIGNS.need_beside(row.get("before", ""), row.get("after", "")) for row in rows]
    return Cues([[row["cue"], *row.get("also", ())] for row in rows], beside)


class Forms:
    """The forms of some languages (and categories), of which those that can be there are looked for."""

    def __init__(self, languages: tuple[str, ...], only: int = EVERY):
        self._languages = languages
        self._only = only
        rows = [row for language in languages for row in _DATA[language]["forms"]]
        self._cues = cues_of([row for row in rows if BITS[row["means"]] & only])

    @functools.cached_property
    def _forms(self) -> list[Form]:
        told = [form for language in self._languages for form in forms_of(language)]
        return [form for form in told if form.means & self._only]

    def find(self, text: str, signs: int) -> list[Hit]:
        found: list[Hit] = []
        for number in self._cues.possible(signs):
            form = self._forms[number]
            if form.pattern.search(text):  # most are not there
                found += [Hit(match[0], form.means, *match.span()) for match in form.pattern.finditer(text)]
        return found

    def any(self, text: str, signs: int) -> bool:
        """Whether one of them is there."""
        return any(self._forms[number].pattern.search(text) for number in self._cues.possible(signs))


# Made before any text is looked at: `cues.SIGNS` must know all groups by then.
_ALL, _OF_LATIN = Forms(LANGUAGES), Forms(LATIN)
_HOT, _HOT_OF_LATIN = Forms(LANGUAGES, HEAT), Forms(LATIN, HEAT)


def find_forms(text: str, signs: int, *, hot: bool = False) -> list[Hit]:
    """Every form (`hot`: of what makes sexual) in a text as `normalise` leaves it, whose signs are given.
    Those of Latin letters are looked for in any text."""
    if text.isascii():
        return (_HOT_OF_LATIN if hot else _OF_LATIN).find(text, signs)
    return (_HOT if hot else _ALL).find(text, signs)


_TURNING, _TURNING_OF_LATIN = (Forms(of, HEAT | bits("void later")) for of in (LANGUAGES, LATIN))


def turns_in(text: str, signs: int) -> list[Hit]:
    """The forms that make sexual, let time pass, or take a meaning away."""
    return (_TURNING_OF_LATIN if text.isascii() else _TURNING).find(text, signs)


@functools.cache
def forms_of(language: str) -> tuple[Form, ...]:
    data = _DATA[language]
    parts = {name: "".join(part) for name, part in data["parts"].items()}
    parts |= {"N": ENGLISH if language in LATIN else CHINESE, "ORDINAL": ORDINAL}
    return tuple(
        Form(BITS[row["means"]], compiled(row["pattern"], parts), tuple(row.get("ends", ())))
        for row in data["forms"]
    )


def compiled(pattern: str | list[str], parts: dict[str, str]) -> re.Pattern[str]:
    """A pattern of a JSON file, whose `<NAME>`s stand for the file's parts."""
    return re.compile(re.sub(r"<([A-Z]+)>", lambda match: parts[match[1]], "".join(pattern)))


@functools.cache
def _patterns() -> dict[str, str | list[str]]:
    patterns: dict[str, str | list[str]] = json.loads(
        (Path(__file__).parent / "patterns.json").read_text("utf-8")
    )
    return patterns


def pattern(name: str) -> re.Pattern[str]:
    """What a rule looks for that is no form by itself, by its name in `patterns.json`."""
    return compiled(_patterns()[name], {"EN": ENGLISH, "ZH": CHINESE, "ORDINAL": ORDINAL})


def listed(name: str) -> str:
    """What `patterns.json` says as it stands there."""
    return "".join(_patterns()[name])


TELLING = YOUNG | bits("asks asks_license")  # of someone young, or asking for an age
FORMS_THAT_TELL = Forms(LANGUAGES, TELLING)


@functools.cache
def endings_of_forms() -> frozenset[str]:
    return frozenset(ending for language in LANGUAGES for form in forms_of(language) for ending in form.ends)
