"""`fabula show MODEL`. Knows how a model and its memory plan are shown, not how they are found."""

from __future__ import annotations

from typing import Any

from fabula.cli import screen
from fabula.cli.client import segment
from fabula.cli.list import count
from fabula.cli.options import HomeOption, JsonOption, ModelArgument
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.texts import as_bytes


def show(model: ModelArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        found = studio.get(f"/models/{segment(model)}")
    if json:
        screen.json_lines([found])
        return
    plan = found["plan"]
    screen.pairs([*about(found), ("", ""), *memory(plan)])
    for sentence in (*plan["reasons"], *plan["warnings"]):
        screen.note(sentence)


def about(model: dict[str, Any]) -> list[tuple[str, str]]:
    """What the file says of itself; what it does not say is left out."""
    rows = {
        "name": model["name"],
        "title": model["title"],
        "problem": model["problem"],
        "architecture": model["architecture"],
        "parameters": count(model["parameters"]),
        "quantization": model["quantization"],
        "size": as_bytes(model["size"]),
        "context": f"{model['trained_context']:,}" if model["trained_context"] else "",
        "template": say("cli.show.yes" if model["has_chat_template"] else "cli.show.no"),
        "languages": ", ".join(model["languages"]),
        "licence": model["licence"],
        "file": model["path"],
        "engine": model["engine"]["reason"],
        "options": ", ".join(f"{name} = {value}" for name, value in model["options"].items()),
    }
    return [(say(f"cli.columns.{name}"), value) for name, value in rows.items() if value]


def memory(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """How it would be loaded here, device by device."""
    tier = say(f"cli.tier.{plan['tier'].replace(' ', '_')}")
    verdict = say(f"cli.verdict.{plan['verdict']}")
    rows = [
        (say("cli.columns.verdict"), say("cli.show.verdict", verdict=verdict, tier=tier)),
        (say("cli.columns.context"), say("cli.show.context", tokens=plan["context"], slots=plan["slots"])),
    ]
    for device in plan["devices"]:
        parts = {name: device[name] for name in ("weights", "kv", "compute", "output", "reserve", "beside")}
        split = ", ".join(say(f"cli.show.{name}", size=size) for name, size in parts.items() if size)
        total = say("cli.show.memory", total=device["total"], available=device["available"])
        name = say("cli.columns.memory") if device["name"] == "memory" else device["name"]
        rows.append((name, f"{total} ({split})"))
    return rows
