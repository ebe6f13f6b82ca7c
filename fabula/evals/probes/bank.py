"""The probes, as they are written down: one file per language, each probe with its group. Knows no model.

A probe is asked in one of two ways. The model *chooses*: which of several endings of a text does it find the
likeliest; or it *replies* as in a chat, and rules read the reply. All of them were written for Fabula.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

Group = Literal["facts", "sums", "reading", "instructions", "language", "loops", "harmless"]
GROUPS: tuple[Group, ...] = get_args(Group)
LANGUAGES = ("en", "zh-Hant", "zh-Hans")
BLANK = {"en": " "}  # what stands between a text and its ending; Chinese needs nothing
TOKENS = {"reading": 24, "instructions": 48, "open": 96, "harmless": 32}
"""Of a reply, at most: enough to see what is asked for."""

Checks = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosing:
    """`endings[0]` is the right one; all of them are of one kind and about one length."""

    id: str
    language: str
    group: Group
    ask: str
    endings: tuple[str, ...]

    @property
    def groups(self) -> tuple[Group, ...]:
        return (self.group,)

    @property
    def expected(self) -> str:
        return self.endings[0].strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replying:
    """A reply of up to `tokens` tokens, with the rules that it has to keep in each group."""

    id: str
    language: str
    ask: str
    rules: Mapping[Group, Checks]
    tokens: int

    @property
    def groups(self) -> tuple[Group, ...]:
        return tuple(self.rules)

    @property
    def expected(self) -> str:
        """What a reply should hold, where that is a word; "" where it is a form."""
        return " / ".join(word for checks in self.rules.values() for word in checks.get("has", ()))


Probe = Choosing | Replying


@functools.cache
def probes() -> tuple[Probe, ...]:
    """All of them, mixed by their names, so that a part of them takes about its share of the time."""
    found = [probe for language in LANGUAGES for probe in _read(language)]
    return tuple(sorted(found, key=lambda probe: hashlib.sha256(probe.id.encode()).digest()))


def chosen(language: str = "") -> tuple[Probe, ...]:
    """Those of one language, or all."""
    return tuple(probe for probe in probes() if language in ("", probe.language))


@functools.cache
def by_id() -> Mapping[str, Probe]:
    return {probe.id: probe for probe in probes()}


@functools.cache
def digest() -> str:
    """Of all texts and rules: results of two banks are not to be compared."""
    whole = hashlib.sha256()
    for language in LANGUAGES:
        whole.update(_file(language).read_bytes())
    return whole.hexdigest()[:12]


def chance(group: Group, among: Sequence[Probe]) -> float | None:
    """The share that guessing gets right in a group of choices; None where nothing is chosen."""
    shares = [
        1 / len(probe.endings) for probe in among if isinstance(probe, Choosing) and group == probe.group
    ]
    return sum(shares) / len(shares) if shares else None


def _file(language: str) -> Path:
    return Path(__file__).with_name(f"{language}.json")


def _read(language: str) -> list[Probe]:
    told = json.loads(_file(language).read_text(encoding="utf-8"))
    return [_probe(language, kind, row) for kind, rows in told.items() for row in rows]


def _probe(language: str, kind: str, row: Mapping[str, Any]) -> Probe:
    id = f"{language}/{kind}/{row['id']}"
    if "right" in row:
        endings = tuple(BLANK.get(language, "") + ending for ending in (row["right"], *row["wrong"]))
        group: Group = "facts" if kind == "facts" else "sums"
        return Choosing(id=id, language=language, group=group, ask=row["ask"], endings=endings)
    rules = _rules(language, kind, row)
    return Replying(id=id, language=language, ask=row["ask"], rules=rules, tokens=TOKENS[kind])


def _rules(language: str, kind: str, row: Mapping[str, Any]) -> dict[Group, Checks]:
    """What a kind of probes asks of a reply."""
    if kind == "reading":
        return {"reading": {"has": row["has"], "lacks": row["lacks"]}}
    if kind == "instructions":
        return {"instructions": row["checks"]}
    if kind == "harmless":
        return {"harmless": {"helps": True}}
    return {"language": {"speaks": language}, "loops": {"moves": True}}


def listed() -> list[dict[str, Any]]:
    """All of them as a person reads them."""
    return [_shown(probe) for probe in sorted(probes(), key=lambda probe: place(probe.id))]


def place(name: str) -> tuple[int, int, str]:
    """Where a probe stands among the others: by language and group."""
    probe = by_id()[name]
    return LANGUAGES.index(probe.language), GROUPS.index(probe.groups[0]), name


def _shown(probe: Probe) -> dict[str, Any]:
    told = {"probe": probe.id, "language": probe.language, "groups": list(probe.groups), "ask": probe.ask}
    if isinstance(probe, Choosing):
        return told | {"endings": [ending.strip() for ending in probe.endings], "expected": probe.expected}
    return told | {"tokens": probe.tokens, "expected": probe.expected, "rules": dict(probe.rules)}
