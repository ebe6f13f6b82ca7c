"""`fabula persona …`. Knows how personas are shown, not where they stand in a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fabula.cli import kept, screen, verbs
from fabula.cli.client import Client, segment
from fabula.cli.kept import CharacterOption
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import PersonaNotFound

PLACES = {"story": 0, "note-top": 2, "note-bottom": 3, "chat": 4, "nowhere": 9}
NameArgument = Annotated[
    str, typer.Argument(metavar="PERSONA", help=say("cli.persona.which"), show_default=False)
]
TextOption = Annotated[
    str | None,
    typer.Option("--description", metavar="TEXT", help=say("cli.persona.text"), show_default=False),
]
TitleOption = Annotated[
    str | None, typer.Option("--title", metavar="TEXT", help=say("cli.persona.title"), show_default=False)
]
PlaceOption = Annotated[
    Literal["story", "note-top", "note-bottom", "chat", "nowhere"] | None,
    typer.Option("--place", help=say("cli.persona.place"), show_default=False),
]
DepthOption = Annotated[
    int | None, typer.Option("--depth", metavar="N", min=0, help=say("cli.persona.depth"), show_default=False)
]
PictureOption = Annotated[
    Path | None,
    typer.Option("--picture", metavar="FILE", help=say("cli.persona.picture"), show_default=False),
]
DefaultOption = Annotated[
    bool | None, typer.Option("--default/--not-default", help=say("cli.persona.default"))
]


def group() -> Any:
    return verbs.group("persona", (("list", list_), ("set", set_), ("uses", uses), ("rm", rm)))


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        personas = studio.get("/personas")["personas"]
    if json:
        screen.json_lines(personas)
        return
    names = ("cli.columns.name", "cli.persona.usual", "cli.columns.about")
    rows = [
        (row["name"], "✓" if row["links"]["everywhere"] else "", " ".join(row["description"].split()))
        for row in personas
    ]
    screen.table([(say(name), "left") for name in names], rows)


def set_(
    which: NameArgument,
    description: TextOption = None,
    title: TitleOption = None,
    place: PlaceOption = None,
    depth: DepthOption = None,
    default: DefaultOption = None,
    character: CharacterOption = None,
    picture: PictureOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Changes the one of that name, or makes it."""
    said = {"description": description, "title": title, "depth": depth}
    fields: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    fields |= {} if place is None else {"place": PLACES[place]}
    with connect(home) as studio:
        before = _there(studio, which)
        if default is not None or character:
            fields["links"] = kept.links(studio, before.get("links", {}), default, character)
        if before:
            body = {"revision": before["revision"]} | fields
            persona = studio.patch(f"/personas/{segment(before['id'])}", body)
        else:
            persona = studio.post("/personas", {"name": which} | fields)
        if picture:
            path = f"/personas/{segment(persona['id'])}/picture"
            persona = studio.lay(path, kept.content(picture), revision=persona["revision"])
    if json:
        screen.json_lines([persona])
    else:
        screen.line(say("cli.persona.kept", name=persona["name"]))


def uses(which: NameArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        chats = studio.get(f"/personas/{segment(found(studio, which)['id'])}/uses")["chats"]
    if json:
        screen.json_lines(chats)
    else:
        screen.table(
            [("ID", "left"), (say("cli.columns.title"), "left")], [(row["id"], row["title"]) for row in chats]
        )


def rm(which: NameArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        persona = found(studio, which)
        studio.delete(f"/personas/{segment(persona['id'])}")
    screen.note(say("cli.kept.removed", name=persona["name"]))


def found(studio: Client, which: str) -> dict[str, Any]:
    return kept.found(studio.get("/personas")["personas"], which, PersonaNotFound)


def _there(studio: Client, which: str) -> dict[str, Any]:
    try:
        return found(studio, which)
    except PersonaNotFound:
        return {}
