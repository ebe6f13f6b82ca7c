"""What was found, as plots: data for a page, no picture. Knows no model and no screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.core.plots import Axis, Kind, Plot, Point, Series
from fabula.core.texts import Phrase, phrase
from fabula.lab.directions import maths
from fabula.lab.directions.maths import Found

Rows = NDArray[np.float32]
Pairs = Sequence[tuple[float, float]]


def of(
    found: Sequence[Found], directions: NDArray[np.float64], best: int, positive: Rows, negative: Rows
) -> list[dict[str, Any]]:
    """By layer: accuracy, separation, cosine with the next; of the best layer: held-out prompts along the
    direction, and all prompts on their two main components."""
    return [plot.kept() for plot in _all(found, directions, best, positive, negative)]


def _all(
    found: Sequence[Found], directions: NDArray[np.float64], best: int, positive: Rows, negative: Rows
) -> list[Plot]:
    layers = Axis(label=_text("layer"))
    ours, theirs = maths.scatter(positive, negative)
    along = {
        side: [(value, place) for value in values]
        for place, (side, values) in enumerate(
            zip(("positive", "negative"), found[best].projections, strict=True)
        )
    }
    return [
        _plot(
            "accuracy",
            "lines",
            layers,
            Axis(label=_text("share"), best="high"),
            _line([f.accuracy for f in found]),
        ),
        _plot(
            "separation", "lines", layers, Axis(label="d′", best="high"), _line([f.separation for f in found])
        ),
        _plot("next", "lines", layers, Axis(label=_text("cosine")), _line(list(maths.between(directions)))),
        _plot("projections", "scatter", Axis(label=_text("along")), Axis(label=_text("side")), along, best),
        _plot(
            "components",
            "scatter",
            Axis(label=_text("first")),
            Axis(label=_text("second")),
            {"positive": _pairs(ours), "negative": _pairs(theirs)},
            best,
        ),
    ]


def _text(name: str) -> Phrase:
    return phrase(f"lab.directions.plots.{name}")


def _line(values: Sequence[float]) -> dict[str, Pairs]:
    return {"layers": [(layer, value) for layer, value in enumerate(values)]}


def _pairs(rows: NDArray[np.float64]) -> Pairs:
    return [(float(a), float(b)) for a, b in rows]


def _plot(name: str, kind: Kind, x: Axis, y: Axis, groups: Mapping[str, Pairs], best: int = 0) -> Plot:
    series = tuple(
        Series(name=_text(group), points=tuple(Point(x=_short(a), y=_short(b)) for a, b in pairs))
        for group, pairs in groups.items()
    )
    about = phrase(f"lab.directions.plots.{name}_about", layer=best)
    return Plot(kind=kind, title=_text(f"{name}_title"), about=about, x=x, y=y, series=series)


def _short(value: float) -> float:
    return round(float(value), 5)
