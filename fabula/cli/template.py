"""`fabula template …`: how prompts of the faithful layouts are worded. Knows no wording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import kept, screen, verbs
from fabula.cli.client import segment
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import TemplateNotFound

FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help=say("cli.template.files"), show_default=False)
]
WhichArgument = Annotated[
    str, typer.Argument(metavar="TEMPLATE", help=say("cli.template.which"), show_default=False)
]


def group() -> Any:
    return verbs.group("template", (("list", list_), ("import", import_), ("rm", rm)))


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        told = studio.get("/templates")
    if json:
        screen.json_lines(told["templates"])
        return
    rows = [(row["form"], row["name"], say("cli.template.own")) for row in told["templates"]]
    rows += [(form, name, "") for form, names in told["built_in"].items() for name in names]
    names = ("cli.template.form", "cli.columns.name", "cli.template.whose")
    screen.table([(say(name), "left") for name in names], sorted(rows))


def import_(files: FilesArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        taken = [
            row
            for file in files
            for row in studio.send("/templates/import", kept.content(file), name=file.name)["templates"]
        ]
    if json:
        screen.json_lines(taken)
        return
    for row in taken:
        screen.line(say("cli.template.imported", name=row["name"], form=row["form"]))


def rm(which: WhichArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        own = studio.get("/templates")["templates"]
        known = ", ".join(row["name"] for row in own) or "–"
        template = kept.found(own, which, lambda name: TemplateNotFound(name, known))
        studio.delete(f"/templates/{segment(template['id'])}")
    screen.note(say("cli.kept.removed", name=template["name"]))
