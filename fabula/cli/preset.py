"""`fabula preset …`. Knows how presets are shown, not what is in them."""

from __future__ import annotations

import json as json_text
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import screen, verbs
from fabula.cli.client import segment
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.run import read_setting
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=say("cli.preset.name"), show_default=False)]
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help=say("cli.preset.file"), show_default=False)
]
AsOption = Annotated[
    str, typer.Option("--name", metavar="NAME", help=say("cli.preset.as"), show_default=False)
]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help=say("cli.run.set"))]
AboutOption = Annotated[
    str, typer.Option("--about", metavar="TEXT", help=say("cli.preset.about_option"), show_default=False)
]
ReplaceOption = Annotated[bool, typer.Option("--replace", help=say("cli.preset.replace"))]


def group() -> Any:
    functions = (
        ("list", list_),
        ("show", show),
        ("save", save),
        ("change", change),
        ("import", import_),
        ("export", export),
        ("rm", rm),
    )
    return verbs.group("preset", functions)


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        presets = studio.get("/presets")["presets"]
    if json:
        screen.json_lines(presets)
        return
    titles = [(say(f"cli.columns.{title}"), "left") for title in ("name", "title", "about")]
    screen.table(titles, [(row["name"], row["title"], row["about"]) for row in presets])  # type: ignore[arg-type]


def show(name: NameArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        preset = studio.get(f"/presets/{segment(name)}")
    if json:
        screen.json_lines([preset])
    else:
        screen.pairs(
            [(key, json_text.dumps(value, ensure_ascii=False)) for key, value in preset["sampling"].items()]
        )


def save(
    name: NameArgument,
    sets: SetOption = None,
    about: AboutOption = "",
    replace: ReplaceOption = False,
    home: HomeOption = None,
) -> None:
    """Keeps values under a name."""
    sampling = dict(read_setting(*text.partition("=")[::2]) for text in sets or [])
    with connect(home) as studio:
        studio.post("/presets", {"name": name, "sampling": sampling, "about": about, "replace": replace})
    screen.note(say("cli.preset.saved", name=name))


def change(name: NameArgument, new: AsOption = "", about: AboutOption = "", home: HomeOption = None) -> None:
    """Another name or description; chats that name it follow."""
    with connect(home) as studio:
        changed = studio.patch(f"/presets/{segment(name)}", {"name": new or None, "about": about or None})
    screen.note(say("cli.preset.changed", name=changed["name"]))


def import_(
    file: FileArgument,
    name: AsOption = "",
    replace: ReplaceOption = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    try:
        content = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as wrong:
        expected = phrase("expected.readable_file", reason=f"{wrong.strerror}")
        raise BadParameter("FILE", str(file), expected) from wrong
    with connect(home) as studio:
        body = {"content": content, "name": name or file.stem, "replace": replace}
        taken = studio.post("/presets/import", body)
    if json:
        screen.json_lines([taken])
        return
    screen.line(say("cli.preset.imported", name=taken["preset"]["name"]))
    for row in taken["left_out"]:
        screen.line(f"  {row['key']}: {row['message']}")


def export(name: NameArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        content = studio.get(f"/presets/{segment(name)}/export")
    sys.stdout.write(json_text.dumps(content, ensure_ascii=False, indent=1) + "\n")


def rm(name: NameArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        studio.delete(f"/presets/{segment(name)}")
    screen.note(say("cli.preset.removed", name=name))
