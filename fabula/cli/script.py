"""`fabula script …`: regex scripts. Knows how they are shown, and no expression."""

from __future__ import annotations

import json as json_text
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import kept, screen, verbs
from fabula.cli.client import Client, segment
from fabula.cli.kept import CharacterOption, EverywhereOption, OutOption
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import ScriptNotFound

PLACEMENTS = {1: "user", 2: "reply", 3: "command", 5: "lore", 6: "reasoning"}
WhichArgument = Annotated[
    str, typer.Argument(metavar="SCRIPT", help=say("cli.script.which"), show_default=False)
]
FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help=say("cli.script.files"), show_default=False)
]
OnOption = Annotated[bool | None, typer.Option("--on/--off", help=say("cli.script.on"))]
PositionOption = Annotated[
    int | None,
    typer.Option("--position", metavar="N", min=0, help=say("cli.script.position"), show_default=False),
]


def group() -> Any:
    functions = (
        *(("list", list_), ("import", import_), ("set", set_), ("try", try_)),
        *(("export", export), ("rm", rm)),
    )
    return verbs.group("script", functions)


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        scripts = studio.get("/scripts")["scripts"]
    if json:
        screen.json_lines(scripts)
        return
    names = ("cli.columns.name", "cli.script.finds", "cli.script.acts_on", "cli.kept.where")
    screen.table([(say(name), "left") for name in names], [_row(row) for row in scripts])


def import_(files: FilesArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        taken = [
            row for file in files for row in studio.send("/scripts/import", kept.content(file))["scripts"]
        ]
    if json:
        screen.json_lines(taken)
        return
    for row in taken:
        screen.line(say("cli.script.imported", name=row["name"]))


def set_(
    which: WhichArgument,
    on: OnOption = None,
    position: PositionOption = None,
    everywhere: EverywhereOption = None,
    character: CharacterOption = None,
    home: HomeOption = None,
) -> None:
    with connect(home) as studio:
        script = _found(studio, which)
        body: dict[str, Any] = {"revision": script["revision"]}
        body |= {} if on is None else {"fields": {"disabled": not on}}
        body |= {} if position is None else {"position": position}
        if everywhere is not None or character:
            body["links"] = kept.links(studio, script["links"], everywhere, character)
        studio.patch(f"/scripts/{segment(script['id'])}", body)
    screen.line(say("cli.script.kept", name=script["name"]))


def try_(which: WhichArgument, home: HomeOption = None) -> None:
    """The text comes from the standard input."""
    text = sys.stdin.read()
    with connect(home) as studio:
        script = _found(studio, which)
        told = studio.post("/scripts/try", {"fields": script["fields"], "text": text})
    sys.stdout.write(told["text"])


def export(which: WhichArgument, out: OutOption = None, home: HomeOption = None) -> None:
    with connect(home) as studio:
        script = _found(studio, which)
    kept.write(json_text.dumps(script["fields"], ensure_ascii=False, indent=1) + "\n", out, script["name"])


def rm(which: WhichArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        script = _found(studio, which)
        studio.delete(f"/scripts/{segment(script['id'])}")
    screen.note(say("cli.kept.removed", name=script["name"]))


def _found(studio: Client, which: str) -> dict[str, Any]:
    return kept.found(studio.get("/scripts")["scripts"], which, ScriptNotFound)


def _row(row: dict[str, Any]) -> tuple[str, str, str, str]:
    fields = row["fields"]
    acts = [say(f"cli.script.on_{PLACEMENTS[one]}") for one in fields["placement"] if one in PLACEMENTS]
    when = [name for name, flag in (("shown", "markdownOnly"), ("sent", "promptOnly")) if fields[flag]]
    told = ", ".join(say(f"cli.script.{name}") for name in when or ("stored",))
    off = f" {say('cli.kept.off')}" if fields["disabled"] else ""
    return row["name"] + off, fields["findRegex"], f"{', '.join(acts)}: {told}", kept.where(row)
