"""Ages that a sentence states in Spanish, French and German: the plain forms. Knows no scene."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fabula.guard.ages import Age
from fabula.guard.cues import SIGNS
from fabula.guard.forms import compiled

_DATA: dict[str, dict[str, str | list[str]]] = json.loads(
    (Path(__file__).parent / "ages_more.json").read_text(encoding="utf-8")
)


@dataclass(frozen=True, slots=True)
class Language:
    needs: int  # the signs without which no age is told
    values: tuple[tuple[re.Pattern[str], int], ...]  # what a number in words is worth
    pattern: re.Pattern[str]
    void: re.Pattern[str]  # before a number: of a dog, a bottle, a time that passed


@functools.cache
def languages() -> tuple[Language, ...]:
    return tuple(_language(row, needs) for row, needs in zip(_DATA.values(), _NEEDS, strict=True))


def _language(row: dict[str, str | list[str]], needs: int) -> Language:
    small, tens = str(row["numbers"]).split(), str(row["tens"]).split()
    one = "|".join(sorted("|".join(small).split("|"), key=len, reverse=True))
    number = rf"(?:\d{{1,3}}|(?:{'|'.join(tens)})(?:[ -](?:{row['and']} )?(?:{one}))?\b|(?:{one})\b)"
    values = [(re.compile(words), 20 + 10 * place) for place, words in enumerate(tens)]
    values += [(re.compile(words), place) for place, words in enumerate(small, 1)]
    return Language(
        needs,
        tuple(values),
        compiled(row["pattern"], {"N": number}),
        re.compile(str(row["not"])),
    )


def _words_of(row: dict[str, str | list[str]]) -> frozenset[str]:
    words = "|".join([*str(row["numbers"]).split(), str(row["unit"])]).split("|")
    return frozenset(word for word in words if word.isalpha())


def _needs_of(row: dict[str, str | list[str]]) -> int:
    """A word of its forms, one that stands beside the number, and a number."""
    numbers = re.findall("[a-z]{3,}|un", f"{row['numbers']} {row['tens']}")
    number = " ".join(["#", *(f"*{word}*" for word in numbers)])
    return SIGNS.need(" ".join(sorted(_words_of(row))), str(row["beside"]), number)


_NEEDS = [_needs_of(row) for row in _DATA.values()]
NUMBER_WORDS = frozenset().union(*(_words_of(row) for row in _DATA.values()))


def more_ages(text: str, signs: int) -> Iterator[Age]:
    for language in languages():
        if language.needs & signs == language.needs:
            for match in language.pattern.finditer(text):
                if age := _age(language, match):
                    yield age


def _age(language: Language, match: re.Match[str]) -> Age | None:
    groups = match.groupdict()
    name = next(name for name in ("n", "n2", "n3", "n4") if groups.get(name))
    if language.void.search(match.string[: match.start(name)]):
        return None
    years = _value(language, groups[name]) - bool(groups.get("cut"))
    return Age(years, "", match.start(name), match.end())


def _value(language: Language, text: str) -> int:
    if text.isdigit():
        return int(text)
    return next((value for words, value in language.values if words.match(text)), 0)
