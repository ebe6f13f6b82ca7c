"""`fabula backup`. Knows no file format."""

from __future__ import annotations

from fabula.cli import screen
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say


def backup(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        written = studio.post("/backup")
    if json:
        screen.json_lines([written])
    else:
        screen.line(written["path"])
        screen.note(say("cli.backup.done", size=written["size"]))
