"""`fabula stop MODEL`. Knows no engine."""

from __future__ import annotations

from fabula.cli import screen
from fabula.cli.client import segment
from fabula.cli.options import HomeOption, ModelArgument
from fabula.cli.studio import connect_running
from fabula.cli.words import say


def stop(model: ModelArgument, home: HomeOption = None) -> None:
    with connect_running(home) as studio:
        if studio is None:
            screen.note(say("cli.ps.no_studio"))
            return
        studio.post(f"/models/{segment(model)}/unload")
    screen.note(say("cli.stop.done", model=model))
