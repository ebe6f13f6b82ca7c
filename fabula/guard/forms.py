"""Forms of speech that stand in no list because a number or a name is part of them. Knows no sentence.

A form is a pattern with its meaning, a category of the word lists; `forms_<language>.json` holds them.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fabula.guard.cues import Cues
from fabula.guard.lexicon import LANGUAGES, LATIN, Hit
from fabula.guard.numerals import CHINESE, ENGLISH, ORDINAL


@dataclass(frozen=True, slots=True)
class Form:
    means: frozenset[str]
    cue: str  # the atoms of which it needs one
    pattern: re.Pattern[str]
    ends: tuple[str, ...] = ()  # for what is sexual: the words, or last characters, that can complete it


@functools.cache
def _some(languages: tuple[str, ...], only: frozenset[str]) -> tuple[tuple[Form, ...], Cues]:
    """The forms of some languages (and categories), and what tells which of them can be there."""
    forms = tuple(
        form for language in languages for form in forms_of(language) if not only or form.means & only
    )
    return forms, Cues(form.cue for form in forms)


@functools.cache
def forms_of(language: str) -> tuple[Form, ...]:
    data = json.loads((Path(__file__).parent / f"forms_{language}.json").read_text(encoding="utf-8"))
    parts = {name: "".join(part) for name, part in data["parts"].items()}
    parts |= {"N": ENGLISH if language in LATIN else CHINESE, "ORDINAL": ORDINAL}
    return tuple(
        Form(
            frozenset({row["means"]}),
            row["cue"],
            compiled(row["pattern"], parts),
            tuple(row.get("ends", ())),
        )
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


def find_forms(text: str, atoms: Iterable[str], only: frozenset[str] = frozenset()) -> list[Hit]:
    """Every form (of the categories `only`) in a text as `normalise` leaves it, of which `atoms` are all
    atoms. Those of Latin letters are looked for in any text."""
    forms, cues = _some(LATIN if text.isascii() else LANGUAGES, only)
    return [
        Hit(match[0], form.means, *match.span())
        for form in [forms[number] for number in cues.possible(atoms)]
        for match in form.pattern.finditer(text)
    ]


@functools.cache
def endings_of_forms() -> frozenset[str]:
    return frozenset(ending for language in LANGUAGES for form in forms_of(language) for ending in form.ends)
