"""`fabula prompt CHAT`: what the prompt is made of. Knows how it is shown, not how it is made."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fabula.cli import reply, screen
from fabula.cli.client import Client, segment
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BadParameter, ChatNotFound
from fabula.core.texts import phrase

ChatArgument = Annotated[str, typer.Argument(metavar="CHAT", help=say("cli.prompt.chat"), show_default=False)]
TraceOption = Annotated[bool, typer.Option("--trace", help=say("cli.prompt.trace"))]


def prompt(
    chat: ChatArgument, trace: TraceOption = False, home: HomeOption = None, json: JsonOption = False
) -> None:
    with connect(home) as studio:
        looked = studio.get(f"/chats/{segment(found(studio, chat))}/prompt")
    if json:
        screen.json_lines([looked])
        return
    tell(looked, trace=trace)


def tell(looked: dict[str, Any], *, trace: bool) -> None:
    """The parts of a prompt, their sum, and what broke it; with `trace` its lore and its text."""
    _parts(looked)
    screen.note(_sum(looked))
    if looked["broke"]:
        screen.note(reply.broken(looked["broke"]))
    if looked["fixed"]:
        screen.note(say("story.prompt.fixed", parts=", ".join(looked["fixed"])))
    if trace:
        _lore(looked["lore"])
        screen.line("")
        screen.line(reply.printable(looked["text"]))


def found(studio: Client, which: str) -> str:
    """By id, or by a title that only one of the newest chats has."""
    try:
        return str(studio.get(f"/chats/{segment(which)}")["id"])
    except ChatNotFound:
        listed = studio.get("/chats", limit=1000)["chats"]
    named = [row["id"] for row in listed if row["title"].casefold() == which.casefold()]
    if len(named) > 1:
        raise BadParameter("CHAT", which, phrase("expected.one_of", names=", ".join(named)))
    if not named:
        raise ChatNotFound(which)
    return str(named[0])


def _parts(looked: dict[str, Any]) -> None:
    columns = (("part", "left"), ("tokens", "right"), ("reason", "left"))
    titles = [(say(f"cli.columns.{title}"), side) for title, side in columns]
    screen.table(titles, [_part(one) for one in looked["segments"]])  # type: ignore[arg-type]


def _part(one: dict[str, Any]) -> tuple[str, str, str]:
    """A part that is out says so instead of its reason."""
    name = f"{one['source']}: {one['label']}" if one["label"] else one["source"]
    reason = one["reason"] or "message"
    return name, f"{one['tokens']}", say(f"story.reasons.{reason if one['included'] else 'cut'}")


def _sum(looked: dict[str, Any]) -> str:
    names = ("tokens", "context", "reply_room", "model")
    told = say("story.prompt.sum", **{name: looked[name] for name in names})
    return f"{told} {say('story.prompt.estimated')}" if looked["estimated"] else told


def _lore(entries: list[dict[str, Any]]) -> None:
    """Every entry of the lorebook, and why it is told or not."""
    if not entries:
        return
    titles = [(say(f"cli.columns.{title}"), "left") for title in ("entry", "told", "reason")]
    rows = [
        (one["label"], say(f"story.prompt.{'told' if one['told'] else 'left_out'}"), _why(one))
        for one in entries
    ]
    screen.line("")
    screen.table(titles, rows)  # type: ignore[arg-type]


def _why(one: dict[str, Any]) -> str:
    told = say(f"story.lore_reasons.{one['reason']}")
    return f"{told}: {one['key']}" if one["key"] else told
