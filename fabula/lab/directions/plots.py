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
KINDS = ("lines", "scatter")
TEXTS = "lab.directions.plots."
LARGEST = 1e15  # of what is shown


def is_one(told: Any) -> bool:
    """Whether a file tells a plot such as these, that can be drawn."""
    try:
        axes = [told[axis] for axis in ("x", "y")]
        points = [point for series in told["series"] for point in series["points"]]
        words = [told["title"], told["about"], *(series["name"] for series in told["series"])]
        words += [axis[name] for axis in axes for name in ("label", "unit")]
        words += [point["label"] for point in points]
        is_drawn = told["kind"] in KINDS and bool(points) and all(axis["scale"] == "linear" for axis in axes)
        return is_drawn and all(map(_are_words, words)) and all(map(_has_place, points))
    except (KeyError, TypeError, AttributeError):
        return False


def _are_words(words: Any) -> bool:
    """Phrases of ours have numbers in them."""
    if not isinstance(words, dict) or words.keys() != {"key", "fields"}:
        return isinstance(words, str)
    is_ours = isinstance(words["key"], str) and words["key"].startswith(TEXTS)
    return is_ours and isinstance(words["fields"], dict) and all(map(is_figure, words["fields"].values()))


def _has_place(point: Any) -> bool:
    beside = [point.get(name) for name in ("low", "high", "to")]
    return is_figure(point["x"]) and is_figure(point["y"]) and beside == [None] * 3


def is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and -LARGEST < value < LARGEST


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
    return phrase(f"{TEXTS}{name}")


def _line(values: Sequence[float]) -> dict[str, Pairs]:
    return {"layers": [(layer, value) for layer, value in enumerate(values)]}


def _pairs(rows: NDArray[np.float64]) -> Pairs:
    return [(float(a), float(b)) for a, b in rows]


def _plot(name: str, kind: Kind, x: Axis, y: Axis, groups: Mapping[str, Pairs], best: int = 0) -> Plot:
    series = tuple(
        Series(name=_text(group), points=tuple(Point(x=_short(a), y=_short(b)) for a, b in pairs))
        for group, pairs in groups.items()
    )
    about = phrase(f"{TEXTS}{name}_about", layer=best)
    return Plot(kind=kind, title=_text(f"{name}_title"), about=about, x=x, y=y, series=series)


def _short(value: float) -> float:
    return round(float(value), 5)
