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
        titles = ("name", "memory", "context", "process", "state")
        sides: dict[str, screen.Side] = {"memory": "right", "context": "right", "process": "right"}
        screen.table(
            [(say(f"cli.columns.{title}"), sides.get(title, "left")) for title in titles],
            [row(model, time.time()) for model in loaded],
        )
    else:
        screen.note(say("cli.ps.none" if studio else "cli.ps.no_studio"))


def row(running: dict[str, Any], now: float) -> tuple[str, ...]:
    return (
        running["model"],
        as_bytes(running["memory"]),
        f"{running['plan']['context']:,}",
        str(running["pid"]),
        state(running, now),
    )


def state(running: dict[str, Any], now: float) -> str:
    if running["busy"]:
        return say("cli.list.writing")
    if running["expires_at"]:
        return say("cli.ps.unloads", time=as_duration(max(running["expires_at"] - now, 0)))
    return say("cli.ps.stays")
