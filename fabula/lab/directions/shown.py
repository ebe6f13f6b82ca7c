"""How a direction is shown: what its file tells of it, and what it lacks. Knows no model and no weights.

Files come from elsewhere too: one that lacks some of its metadata, or has something else in its place, is
shown with what is missing, and hides no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fabula.lab.directions import maths, plots

FIGURES = ("accuracy", "separation", "component", "distance", "massive")  # of a layer
EMPTY: dict[str, Any] = {
    "model": {"name": ""},
    "recipe": {"positive": "", "negative": "", "column": "", "limit": 0, "template": True, "project": ""},
    "recipe_hash": "",
    "prompts": {"learned": [], "held_out": [], "hash": ""},
    "versions": {},
    "layers": [],
    "plots": [],
}
"""The metadata, where a file has none of it."""


def summary(name: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """The result of the job, and how a direction is listed. What its file lacks is named in `missing` and
    empty here."""
    missing = [
        part for part, empty in EMPTY.items() if not _IS_WHOLE.get(part, _is_like)(told.get(part), empty)
    ]
    if "layers" not in missing and told["best"] >= len(told["layers"]):
        missing.append("layers")
    told = {**told, **{part: EMPTY[part] for part in missing}}
    row = told["layers"][told["best"]] if told["layers"] else {"accuracy": 0.0, "separation": 0.0}
    massive = [layer for layer, each in enumerate(told["layers"]) if each["massive"] > maths.MASSIVE]
    return {
        "name": name,
        "model": told["model"]["name"],
        "positive": told["recipe"]["positive"],
        "negative": told["recipe"]["negative"],
        "best": told["best"],
        "band": told["band"],
        "accuracy": row["accuracy"],
        "separation": row["separation"],
        "massive": massive,
        "layers": told["layers"],
        "learned": told["prompts"]["learned"],
        "held_out": told["prompts"]["held_out"],
        "recipe": told["recipe"],
        "recipe_hash": told["recipe_hash"],
        "provenance": {key: told[key] for key in ("model", "prompts", "versions")},
        "plots": told["plots"],
        "missing": missing,
    }


def _is_like(value: Any, empty: Any) -> bool:
    """Whether it is of the same kind, with all that an object must have, and nothing deeper beside."""
    if not isinstance(empty, dict):
        return type(value) is type(empty)
    if not isinstance(value, dict) or not all(_is_like(value.get(name), one) for name, one in empty.items()):
        return False
    return all(isinstance(one, str | int | float) for name, one in value.items() if name not in empty)


def _are_prompts(value: Any, empty: Any) -> bool:
    """Each with how many there were of both sides."""
    if not _is_like(value, empty):
        return False
    counts = [value["learned"], value["held_out"]]
    return all(len(sides) == 2 and all(type(side) is int for side in sides) for sides in counts)


def _are_layers(value: Any, _: Any) -> bool:
    """Whether every layer has its figures; the last one has no next."""
    return isinstance(value, list) and all(
        isinstance(row, dict)
        and all(plots.is_figure(row.get(name)) for name in FIGURES)
        and "next" in row
        and (row["next"] is None or plots.is_figure(row["next"]))
        for row in value
    )


def _are_plots(value: Any, _: Any) -> bool:
    return isinstance(value, list) and all(map(plots.is_one, value))


_IS_WHOLE = {"prompts": _are_prompts, "layers": _are_layers, "plots": _are_plots}
