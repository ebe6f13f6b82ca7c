"""`fabula backup`. Knows no file format."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.texts import as_bytes

ListOption = Annotated[bool, typer.Option("--list", help=say("cli.backup.list"))]


def backup(list_: ListOption = False, home: HomeOption = None, json: JsonOption = False) -> None:
    if list_:
        _list(home, json)
        return
    with connect(home) as studio:
        written = studio.post("/backup")
    if json:
        screen.json_lines([written])
    else:
        screen.line(written["path"])
        screen.note(say("cli.backup.done", size=written["size"]))


def _list(home: Any, json: bool) -> None:
    with connect(home) as studio:
        told = studio.get("/backups")
    if json:
        screen.json_lines([told])
        return
    rows = [*told["backups"], *told["replaced"]]
    if not rows:
        screen.note(say("cli.backup.none", folder=told["folder"]))
        return
    titles = [
        (say("cli.columns.name"), "left"),
        (say("cli.columns.made"), "left"),
        (say("cli.columns.size"), "right"),
    ]
    screen.table(titles, [(row["name"], day(row["created_at"]), as_bytes(row["size"])) for row in rows])  # type: ignore[arg-type]
    screen.note(told["folder"])


def day(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
