"""`fabula scan [PLACE]`: models that other programs keep on this disk. Knows how they are listed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say

PlaceArgument = Annotated[
    str, typer.Argument(metavar="[PLACE]", help=say("cli.scan.place"), show_default=False)
]
ForgetOption = Annotated[bool, typer.Option("--forget", help=say("cli.scan.forget"))]


def scan(
    place: PlaceArgument = "", forget: ForgetOption = False, home: HomeOption = None, json: JsonOption = False
) -> None:
    folder = Path(place).expanduser()
    wanted = str(folder.absolute()) if place and folder.is_dir() else place
    with connect(home) as studio:
        if wanted:
            told = studio.post("/places/forget" if forget else "/places", {"place": wanted})
        else:
            told = studio.get("/places")
    rows = [row for row in told["places"] if not wanted or row["place"] == wanted]
    if json:
        screen.json_lines(rows)
    else:
        show(rows, wanted, forgotten=forget)


def show(rows: list[dict[str, Any]], wanted: str, *, forgotten: bool) -> None:
    if wanted and forgotten:
        return screen.note(say("cli.scan.forgotten", place=wanted))
    if not rows:
        return screen.note(say("cli.scan.none"))
    titles: list[tuple[str, screen.Side]] = [
        ("place", "left"),
        ("models", "right"),
        ("state", "left"),
        ("folder", "left"),
    ]
    screen.table(
        [(say(f"cli.columns.{title}"), side) for title, side in titles], [row(each) for each in rows]
    )
    if wanted:
        for name in rows[0]["models"]:
            screen.line(f"  {name}")
        return screen.note(say("cli.scan.done", count=len(rows[0]["models"])))
    return screen.note(say("cli.scan.how"))


def row(each: dict[str, Any]) -> tuple[str, ...]:
    state = say("cli.scan.used" if each["used"] else "cli.scan.unused")
    folders = ", ".join(each["folders"])
    return (each["place"], str(len(each["models"])), state, folders)
