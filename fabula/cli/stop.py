"""`fabula stop MODEL`. Knows no engine."""

from __future__ import annotations

from fabula.cli import screen
from fabula.cli.client import Client, segment
from fabula.cli.options import HomeOption, ModelArgument
from fabula.cli.studio import connect_running
from fabula.cli.words import say


def stop(model: ModelArgument, home: HomeOption = None) -> None:
    with connect_running(home) as studio:
        if studio is None:
            screen.note(say("cli.ps.no_studio"))
            return
        before = loaded(studio)
        studio.post(f"/models/{segment(model)}/unload")
        left = loaded(studio)
    stopped = [name for name in before if name not in left]
    for name in stopped:
        screen.note(say("cli.stop.done", model=name))
    if not stopped:
        screen.note(say("cli.stop.none", model=model))


def loaded(studio: Client) -> list[str]:
    return [row["model"] for row in studio.get("/system")["running"]]
