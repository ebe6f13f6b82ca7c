"""`fabula rm MODEL`. Knows no file."""

from __future__ import annotations

import sys

import typer

from fabula.cli import screen
from fabula.cli.client import segment
from fabula.cli.options import HomeOption, ModelArgument, YesOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import NeedsYes


def _ask(name: str, size: int) -> None:
    """Raises NeedsYes where nobody sits at a terminal to be asked."""
    if not sys.stdin.isatty():
        raise NeedsYes(name, size)
    typer.confirm(say("cli.rm.ask", name=name, size=size), abort=True, err=True)


def rm(model: ModelArgument, yes: YesOption = False, home: HomeOption = None) -> None:
    with connect(home) as studio:
        found = studio.get(f"/models/{segment(model)}")
        for use in found["uses"]:
            screen.note(use)
        if not yes and not (found["place"] or found.get("base")):  # else no file goes
            _ask(found["name"], found["size"])
        studio.delete(f"/models/{segment(found['name'])}")
    if found.get("base"):
        screen.note(say("cli.rm.gone", name=found["name"]))
    elif found["place"]:
        screen.note(say("cli.scan.forgotten", place=found["name"]))
    elif found["uses"]:  # whether room is free again has just been said
        screen.note(say("cli.rm.gone", name=found["name"]))
    else:
        screen.note(say("cli.rm.done", name=found["name"], size=found["size"]))
