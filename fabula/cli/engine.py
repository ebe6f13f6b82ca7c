"""`fabula engine …`. Knows how builds of the engine are shown and chosen, not how they are installed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import screen, tune, verbs
from fabula.cli.client import segment
from fabula.cli.jobs import follow
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say

DEFAULT = "default"

KindArgument = Annotated[str, typer.Argument(metavar="KIND", help=say("cli.engine.kind"), show_default=False)]
BuildArgument = Annotated[
    str, typer.Argument(metavar="BUILD", help=say("cli.engine.build"), show_default=False)
]


def group() -> Any:
    builds = (("list", list_), ("install", install), ("use", use), ("remove", remove))
    return verbs.group("engine", (*builds, ("tune", tune.tune)))


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        found = studio.get("/engines")
    if json:
        screen.json_lines(found["builds"])
        return
    titles = [(say(f"cli.columns.{title}"), "left") for title in ("name", "version", "state", "devices")]
    screen.table(titles, [row(build) for build in found["builds"]])  # type: ignore[arg-type]


def install(kind: KindArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        job = follow(studio, studio.post("/engines/install", {"kind": kind}), json=json)
        studio.post("/engines/use", {"name": kind})
    if not json:
        devices = ", ".join(job["result"].get("devices", []))
        screen.note(say("cli.engine.installed", kind=kind, devices=devices or "–"))


def use(build: BuildArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        studio.post("/engines/use", {"name": named(build)})
    screen.note(say("cli.engine.used", build=build))


def remove(build: BuildArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        studio.delete(f"/engines/{segment(named(build))}")
    screen.note(say("cli.engine.removed", build=build))


def named(build: str) -> str:
    """A program of this folder with its whole path: the studio may run in another one."""
    if build == DEFAULT:
        return ""
    file = Path(build).expanduser()
    return str(file.absolute()) if file.is_file() else build


def row(build: dict[str, Any]) -> tuple[str, ...]:
    state = "used" if build["in_use"] else "here" if build["installed"] else "absent"
    name = build["name"] or DEFAULT
    return (name, build["version"], say(f"cli.engine.states.{state}"), ", ".join(build["devices"]))
