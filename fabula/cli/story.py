"""`fabula story CHAT`: what holds in one chat's story. Knows how it is shown and set, not what it does."""

from __future__ import annotations

import json as json_text
from typing import Annotated, Any, Literal

import typer

from fabula.cli import lorebook as lorebooks
from fabula.cli import persona as personas
from fabula.cli import prompt as prompts
from fabula.cli import screen
from fabula.cli.client import Client, segment
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say

ChatArgument = Annotated[str, typer.Argument(metavar="CHAT", help=say("cli.prompt.chat"), show_default=False)]
LayoutOption = Annotated[
    Literal["steady", "text", "messages"] | None,
    typer.Option("--layout", help=say("cli.story.layout"), show_default=False),
]
NoteOption = Annotated[
    str | None, typer.Option("--note", metavar="TEXT", help=say("cli.story.note"), show_default=False)
]
DepthOption = Annotated[
    int | None,
    typer.Option("--note-depth", metavar="N", min=0, help=say("cli.story.depth"), show_default=False),
]
IntervalOption = Annotated[
    int | None,
    typer.Option("--note-every", metavar="N", min=0, help=say("cli.story.every"), show_default=False),
]
PersonaOption = Annotated[
    str | None,
    typer.Option("--persona", metavar="PERSONA", help=say("cli.story.persona"), show_default=False),
]
BooksOption = Annotated[
    list[str] | None,
    typer.Option("--lorebook", metavar="LOREBOOK", help=say("cli.story.lorebook"), show_default=False),
]
InstructOption = Annotated[
    str | None,
    typer.Option("--instruct", metavar="TEMPLATE", help=say("cli.story.instruct"), show_default=False),
]
ContextOption = Annotated[
    str | None,
    typer.Option("--context", metavar="TEMPLATE", help=say("cli.story.context"), show_default=False),
]
PromptsOption = Annotated[
    str | None,
    typer.Option("--prompts", metavar="TEMPLATE", help=say("cli.story.prompts"), show_default=False),
]
SHOWN = ("layout", "context", "instruct", "prompts", "persona_id", "lorebooks", "note", "group", "variables")


def story(
    chat: ChatArgument,
    layout: LayoutOption = None,
    note: NoteOption = None,
    note_depth: DepthOption = None,
    note_every: IntervalOption = None,
    persona: PersonaOption = None,
    lorebook: BooksOption = None,
    instruct: InstructOption = None,
    context: ContextOption = None,
    prompts_: PromptsOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Without options what holds is shown; with some they are set."""
    plain = {"layout": layout, "instruct": instruct, "context": context, "prompts": prompts_}
    changes: dict[str, Any] = {name: value for name, value in plain.items() if value is not None}
    of_note = {"text": note, "depth": note_depth, "interval": note_every}
    told = {name: value for name, value in of_note.items() if value is not None}
    changes |= {"note": told} if told else {}
    with connect(home) as studio:
        path = f"/chats/{segment(prompts.found(studio, chat))}/story"
        changes |= _named(studio, persona, lorebook)
        now = studio.get(path)
        if changes:
            studio.patch(path, {"revision": now["revision"]} | changes)
            now = studio.get(path)
    _show(now, json)


def _named(studio: Client, persona: str | None, books: list[str] | None) -> dict[str, Any]:
    """`""` takes a persona or all lorebooks away again."""
    found: dict[str, Any] = {}
    if persona is not None:
        found["persona_id"] = personas.found(studio, persona)["id"] if persona else ""
    if books is not None:
        found["lorebooks"] = [lorebooks.named(studio, book)["id"] for book in books if book]
    return found


def _show(now: dict[str, Any], json: bool) -> None:
    if json:
        screen.json_lines([now])
        return
    rows = [(name, now[name]) for name in SHOWN]
    screen.pairs([(say(f"cli.story.names.{name}"), _told(value)) for name, value in rows])


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json_text.dumps(value, ensure_ascii=False)
