"""The trials of a search as a plot: data for a page, no picture. Knows no model and no screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fabula.core.plots import Axis, Plot, Point, Series
from fabula.core.texts import phrase
from fabula.lab.directions.search.recipe import Goal
from fabula.lab.directions.search.trials import Trial

PERCENT = 100
DIGITS = 5


def of(goal: Goal, trials: Sequence[Trial], best: Sequence[int]) -> list[dict[str, Any]]:
    """What it costs by how much of the trait there is; those that nothing beats carry their numbers. A trial
    that changed nothing has no place on a scale of logarithms."""
    heard = [one for one in trials if not one.is_silent and one.kl > 0]
    if not heard:
        return []
    points = tuple(_point(one, one.number in best) for one in sorted(heard, key=lambda one: one.kl))
    plot = Plot(
        kind="pareto",
        title=phrase("lab.directions.search.plots.title"),
        about=phrase(f"lab.directions.search.plots.about_{goal}"),
        x=Axis(
            label=phrase("lab.directions.search.plots.cost"),
            unit=phrase("plots.units.nats"),
            scale="log",
            best="low",
        ),
        y=Axis(
            label=phrase("lab.directions.search.plots.trait"),
            unit="%",
            best="low" if goal == "remove" else "high",
        ),
        series=(Series(name=phrase("lab.directions.search.plots.trials"), points=points),),
    )
    return [plot.kept()]


def _point(trial: Trial, is_best: bool) -> Point:
    label = f"{trial.number}" if is_best else ""
    return Point(x=round(trial.kl, DIGITS), y=round(trial.trait * PERCENT, 2), label=label)
