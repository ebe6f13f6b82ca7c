"""What people read, in three languages. Knows nothing of who reads it or on what screen.

One JSON file per language holds every sentence of the command line, the errors and the web app, under
dotted keys (`errors.model_not_found`). Placeholders are `{name}` or `{name:format}` with the formats of
`FORMATS`; the web app's `texts.js` implements the same ones. A key that is missing in a language falls
back to English, and `make test` fails on it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "zh-Hant", "zh-Hans")
FOLDER = Path(__file__).parent

_PLACEHOLDER = re.compile(r"\{(\w+)(?::(\w+))?\}")


def as_bytes(value: float) -> str:
    """Binary units with one decimal: 9771050598 → "9.1 GiB"."""
    size = float(value)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def as_number(value: float) -> str:
    """Whole numbers with separators, others as short as they are: 1000000 → "1,000,000", 0.05 → "0.05"."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"


def as_duration(seconds: float) -> str:
    """Seconds as a short span: 0.4 → "0.4 s", 75 → "1:15", 3700 → "1:01:40"."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


FORMATS: dict[str, Callable[[Any], str]] = {
    "bytes": as_bytes,
    "number": lambda value: f"{value:,}",
    "decimal": lambda value: f"{value:,.1f}",
    "percent": lambda value: f"{value:.0%}",
    "duration": as_duration,
}


@functools.cache
def catalogue(language: str) -> dict[str, str]:
    """All sentences of one language, by dotted key.

    Raises KeyError for a language that is not in `LANGUAGES`.
    """
    if language not in LANGUAGES:
        raise KeyError(language)
    tree = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return dict(_flatten(tree))


def _flatten(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in tree.items():
        key = f"{prefix}{name}"
        rows += _flatten(value, f"{key}.") if isinstance(value, dict) else [(key, value)]
    return rows


@dataclass(frozen=True, slots=True)
class Phrase:
    """A part of a sentence that has its own key, so that it is said in the sentence's language."""

    key: str
    fields: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def say(self, language: str = "en") -> str:
        return say(self.key, language, **self.fields)

    def __str__(self) -> str:
        return self.say()

    def kept(self) -> dict[str, Any]:
        """As JSON."""
        fields = {
            name: value.kept() if isinstance(value, Phrase) else value for name, value in self.fields.items()
        }
        return {"key": self.key, "fields": fields}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Phrase:
        """What `kept` gave. Raises KeyError or TypeError for anything else."""
        fields = {
            name: cls.of(value) if isinstance(value, dict) else value
            for name, value in kept["fields"].items()
        }
        return cls(kept["key"], fields)


def phrase(key: str, /, **fields: Any) -> Phrase:
    return Phrase(key, fields)


def placeholders(sentence: str) -> set[str]:
    """The names that a sentence expects."""
    return {match[1] for match in _PLACEHOLDER.finditer(sentence)}


def say(key: str, language: str = "en", /, **fields: Any) -> str:
    """The sentence for `key`, filled in. An unknown key is shown as itself: no error may hide another."""
    sentence = catalogue(language).get(key) or catalogue("en").get(key, key)

    def fill(match: re.Match[str]) -> str:
        name, style = match[1], match[2]
        if name not in fields:
            return match[0]
        value = fields[name]
        if isinstance(value, Phrase):
            return value.say(language)
        return FORMATS[style](value) if style else str(value)

    return _PLACEHOLDER.sub(fill, sentence)


def choose_language(wanted: str) -> str:
    """The best of `LANGUAGES` for an Accept-Language header or a locale name ("zh_TW.UTF-8").

    Chinese is told apart by script, then by region: TW, HK and MO read Traditional.
    """
    for tag in re.split(r"[,;:]", wanted):
        parts = re.split(r"[-_.]", tag.strip().lower())
        if parts[0] == "zh":
            traditional = {"hant", "tw", "hk", "mo"} & set(parts)
            return "zh-Hant" if traditional else "zh-Hans"
        if parts[0] == "en":
            return "en"
    return "en"
