"""`fabula ps`. Knows how loaded models are shown, not how they are kept."""

from __future__ import annotations

import time
from typing import Any

from fabula.cli import screen
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect_running
from fabula.cli.words import say
from fabula.core.texts import as_bytes, as_duration


def ps(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect_running(home) as studio:
        loaded = studio.get("/system")["running"] if studio else []
    if json:
        screen.json_lines(loaded)
    elif loaded:
        titles = ("name", "memory", "plan", "context", "slots", "process", "state")
        sides: dict[str, screen.Side] = dict.fromkeys(("context", "slots", "process"), "right")
        screen.table(
            [(say(f"cli.columns.{title}"), sides.get(title, "left")) for title in titles],
            [row(model, time.time()) for model in loaded],
        )
    else:
        screen.note(say("cli.ps.none" if studio else "cli.ps.no_studio"))


def row(running: dict[str, Any], now: float) -> tuple[str, ...]:
    return (
        running["model"],
        memory(running),
        plan(running),
        f"{running['plan']['context']:,}",
        f"{running['busy']}/{running['plan']['slots']}",
        str(running["pid"]),
        state(running, now),
    )


def memory(running: dict[str, Any]) -> str:
    """Each device with what is used there, and what was planned: "193.0 MiB (410.2 MiB)"."""
    parts = []
    for device in running["plan"]["devices"]:
        measured = running["measured"].get(device["name"], 0)
        name = "" if device["name"] == "memory" else f"{device['name']}: "
        parts.append(f"{name}{as_bytes(measured) if measured else '–'} ({as_bytes(device['total'])})")
    return ", ".join(parts)


def plan(running: dict[str, Any]) -> str:
    """How far the plan of each device was from what the engine took: "+0.1 %"."""
    return ", ".join(f"{off:+.1%}" for off in running["off"].values()) or "–"


def state(running: dict[str, Any], now: float) -> str:
    if running["waiting"]:
        return say("cli.ps.waiting", count=running["waiting"])
    if running["busy"]:
        return say("cli.list.writing")
    if running["expires_at"]:
        return say("cli.ps.unloads", time=as_duration(max(running["expires_at"] - now, 0)))
    return say("cli.ps.stays")
