"""Results of jobs as plots, where their rooms only tell figures. Knows no screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fabula.core.plots import Axis, Plot, Point, Series, Words
from fabula.core.texts import phrase

Json = Mapping[str, Any]
NUMBERS = ("threads", "batch")  # what was tried along a line


# ── quantizing: what it cost ────────────────────────────────────────────────────────────────────────


def of_quantizing(result: Json) -> list[Plot]:
    """Text by text, where it was measured."""
    texts = (result.get("measured") or {}).get("texts") or []
    return [_distance(texts), _surprise(texts, result)] if texts else []


def _distance(texts: Sequence[Json]) -> Plot:
    points = tuple(Point(x=text["text"], y=text["kl"]) for text in texts)
    return Plot(
        kind="bars",
        title=phrase("plots.quantize.distance"),
        about=phrase("plots.quantize.distance_about"),
        x=Axis(label=phrase("plots.text")),
        y=Axis(
            label=phrase("plots.quantize.kl"), unit=phrase("plots.units.nats"), best="low", from_zero=True
        ),
        series=(Series(name=phrase("plots.quantize.kl"), points=points),),
    )


def _surprise(texts: Sequence[Json], result: Json) -> Plot:
    def series(name: str, figure: str) -> Series:
        return Series(name=name, points=tuple(Point(x=text["text"], y=text[figure]) for text in texts))

    return Plot(
        kind="bars",
        title=phrase("plots.quantize.perplexity"),
        about=phrase("plots.quantize.perplexity_about"),
        x=Axis(label=phrase("plots.text")),
        y=Axis(label=phrase("plots.quantize.perplexity"), best="low", from_zero=True),
        series=(series(result["source"], "source_perplexity"), series(result["name"], "perplexity")),
    )


# ── tuning: what was tried ──────────────────────────────────────────────────────────────────────────


def of_tuning(result: Json) -> list[Plot]:
    """Every setup by how fast it reads and writes; then a line for each number that was tried."""
    start = result.get("start")
    if not start:
        return []
    cells = [start, *(result.get("cells") or [])]
    if len(cells) < 2:  # nothing was tried
        return []
    lines = [_line(name, cells, start) for name in NUMBERS]
    return [_speeds(cells, start), *(line for line in lines if line)]


def _speeds(cells: Iterable[Json], start: Json) -> Plot:
    points = tuple(Point(x=cell["written"], y=cell["read"], label=_setup(cell, start)) for cell in cells)
    rate = phrase("plots.units.rate")
    return Plot(
        kind="pareto",
        title=phrase("plots.tune.speeds"),
        about=phrase("plots.tune.speeds_about"),
        x=Axis(label=phrase("plots.tune.written"), unit=rate, best="high"),
        y=Axis(label=phrase("plots.tune.read"), unit=rate, best="high"),
        series=(Series(name=phrase("plots.tune.setups"), points=points),),
    )


def _setup(cell: Json, start: Json) -> Words:
    """What it has otherwise than the start: "threads 3"."""
    before = start["setup"]
    others = ", ".join(f"{name} {value}" for name, value in cell["setup"].items() if value != before[name])
    return others or phrase("plots.tune.usual")


def _line(name: str, cells: Sequence[Json], start: Json) -> Plot | None:
    """The time of a turn, with how far its rounds scattered; None where one value alone was tried."""
    tried = {cell["setup"][name]: cell for cell in cells if cell is start or cell.get("axis") == name}
    if len(tried) < 2:
        return None
    points = (_timed(value, cell) for value, cell in sorted(tried.items()))
    return Plot(
        kind="lines",
        title=phrase(f"plots.tune.{name}"),
        x=Axis(label=phrase(f"plots.tune.{name}_axis")),
        y=Axis(
            label=phrase("plots.tune.turn"), unit=phrase("plots.units.seconds"), best="low", from_zero=True
        ),
        series=(Series(name=phrase("plots.tune.turn"), points=tuple(points)),),
    )


def _timed(value: int, cell: Json) -> Point:
    turn, spread = cell["turn"], cell.get("spread") or 0
    around = {"low": turn * (1 - spread), "high": turn * (1 + spread)} if spread else {}
    return Point(x=value, y=turn, label=f"{value}", **around)
