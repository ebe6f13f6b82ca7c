"""Pictures of results as data: what is drawn, along which axes, with which intervals. Knows no screen.

A job puts them into its result (`{"plots": [plot.kept(), …]}`); the studio says their words in the reader's
language. Words are a sentence, or a phrase that is said in the reader's language.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fabula.core.texts import Phrase

Words = str | Phrase
Kind = Literal["lines", "scatter", "bars", "pareto", "histogram"]
"""`bars` have names along x; `pareto` draws the front of a scatter by its axes' `best`; a histogram's points
go from `x` to `to`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """`unit` stands behind numbers; `best` says which end is to be wished for, where one is."""

    label: Words
    unit: Words = ""
    scale: Literal["linear", "log"] = "linear"
    best: Literal["", "low", "high"] = ""
    from_zero: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """`low` to `high` is an interval around `y`; None = nothing is known of it."""

    x: float | Words
    y: float
    low: float | None = None
    high: float | None = None
    label: Words = ""
    to: float | None = None  # the end of a histogram's column


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    name: Words
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    kind: Kind
    title: Words
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    about: Words = ""

    def kept(self) -> dict[str, Any]:
        """As JSON, with phrases as they are kept."""
        kept: dict[str, Any] = _kept(self)
        return kept


def _kept(value: Any) -> Any:
    if isinstance(value, Phrase):
        return value.kept()
    if dataclasses.is_dataclass(value):
        return {field.name: _kept(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_kept(item) for item in value]
    return value


def said(kept: Any, language: str) -> Any:
    """What `kept` gave, with its words in a language; whatever else it holds stays as it is."""
    if isinstance(kept, Mapping):
        if kept.keys() == {"key", "fields"}:
            return Phrase.of(kept).say(language)
        return {name: said(value, language) for name, value in kept.items()}
    if isinstance(kept, Sequence) and not isinstance(kept, str):
        return [said(item, language) for item in kept]
    return kept
