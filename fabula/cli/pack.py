"""`fabula pack …`: the library of system prompts. Knows no prompt's wording."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import character as characters
from fabula.cli import chat as chats
from fabula.cli import kept, screen, verbs
from fabula.cli.client import segment
from fabula.cli.kept import OutOption
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say

WhichArgument = Annotated[str, typer.Argument(metavar="NAME", help=say("cli.pack.which"), show_default=False)]
ChosenArgument = Annotated[
    str, typer.Argument(metavar="[NAME]", help=say("cli.pack.chosen"), show_default=False)
]
TextArgument = Annotated[str, typer.Argument(metavar="TEXT", help=say("cli.pack.text"), show_default=False)]
FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help=say("cli.pack.files"), show_default=False)
]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", metavar="NAME", help=say("cli.pack.model"), show_default=False)
]
ChatOption = Annotated[
    str, typer.Option("--chat", metavar="CHAT", help=say("cli.pack.chat"), show_default=False)
]
CharacterOption = Annotated[
    str, typer.Option("--character", metavar="CHARACTER", help=say("cli.pack.character"), show_default=False)
]


def group() -> Any:
    functions = (
        ("list", list_),
        ("show", show),
        ("use", use),
        ("add", add),
        ("import", import_),
        ("export", export),
        ("rm", rm),
    )
    return verbs.group("pack", functions)


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        rows = studio.get("/packs")["packs"]
    if json:
        screen.json_lines(rows)
        return
    titles = [(say(f"cli.columns.{title}"), "left") for title in ("id", "name", "language")]
    screen.table(titles, [(row["id"], row["name"], row["language"]) for row in rows])  # type: ignore[arg-type]


def show(which: WhichArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        pack = studio.get(f"/packs/{segment(which)}")
    screen.json_lines([pack]) if json else screen.line(pack["text"])


def use(
    which: ChosenArgument = "",
    chat: ChatOption = "",
    character: CharacterOption = "",
    model: ModelOption = "",
    home: HomeOption = None,
) -> None:
    """For a chat, a character or a model; for all where none is named. Without a name it takes it away."""
    with connect(home) as studio:
        if chat:
            found = chats.found(studio, chat)
            name = studio.get(f"/packs/{segment(which)}")["id"] if which else ""
            studio.patch(
                f"/chats/{segment(found['id'])}/story", {"revision": found["revision"], "pack": name}
            )
        elif character:
            id = characters.found(studio, character)["id"]
            studio.put("/packs/chosen", {"pack": which, "character_id": id})
        else:
            studio.put("/packs/chosen", {"pack": which, "model": model})
    screen.note(say("cli.pack.used", name=which) if which else say("cli.pack.unused"))


def add(which: WhichArgument, text: TextArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        studio.post("/packs", {"name": which, "text": text})
    screen.note(say("cli.pack.added", name=which))


def import_(files: FilesArgument, home: HomeOption = None) -> None:
    """System prompts in SillyTavern's form."""
    with connect(home) as studio:
        for file in files:
            taken = studio.send("/templates/import", kept.content(file), name=file.name)["templates"]
            for row in taken:
                screen.line(say("cli.pack.added", name=row["name"]))


def export(which: WhichArgument, out: OutOption = None, home: HomeOption = None) -> None:
    with connect(home) as studio:
        file = studio.get(f"/packs/{segment(which)}/file")
    kept.write(json_text.dumps(file, ensure_ascii=False, indent=2) + "\n", out, file["name"])


def rm(which: WhichArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        studio.delete(f"/packs/{segment(which)}")
    screen.note(say("cli.kept.removed", name=which))
