"""`fabula list`. Knows how the list of models looks, not how it is made."""

from __future__ import annotations

from typing import Any

from fabula.cli import screen
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.texts import as_bytes

BESIDE = {"mmproj": "cli.list.projector", "adapter": "cli.list.adapter"}
"""Files that are no models, and nothing is wrong with them."""


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        models = studio.get("/models")["models"]
    if json:
        screen.json_lines(models)
    elif models:
        titles = ("name", "size", "parameters", "quantization", "context", "state")
        sides: dict[str, screen.Side] = {"size": "right", "parameters": "right", "context": "right"}
        screen.table(
            [(say(f"cli.columns.{title}"), sides.get(title, "left")) for title in titles],
            [row(model) for model in models],
        )
    else:
        screen.note(say("cli.list.none"))


def row(model: dict[str, Any]) -> tuple[str, ...]:
    return (
        model["name"],
        as_bytes(model["size"]) if model["size"] else "",
        count(model["parameters"]),
        model["quantization"],
        f"{model['trained_context']:,}" if model["trained_context"] else "",
        state(model),
    )


def state(model: dict[str, Any]) -> str:
    """In one or two words: what it is doing, or that it cannot be used."""
    if model["problem"]:
        return say(BESIDE.get(model["problem_kind"], "cli.list.broken"))
    if (elsewhere := model.get("elsewhere")) and elsewhere["reach"] != "machine":
        return say("cli.list.elsewhere", host=elsewhere["host"])
    if model["busy"]:
        return say("cli.list.writing")
    if model["loaded"]:
        return say("cli.list.loaded")
    base = model.get("base", "")
    return say("cli.list.derived", base=base) if base else str(model.get("place", ""))


def count(parameters: int) -> str:
    """Weights as people say them: 134515008 → "135M", 7248023552 → "7.2B"."""
    if parameters >= 1e9:
        return f"{parameters / 1e9:.1f}B"
    return f"{parameters / 1e6:.0f}M" if parameters else ""
