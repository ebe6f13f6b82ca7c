"""What `fabula novel` and `fabula notebook` share: finding one, writing on it, what was written."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fabula.cli import reply, screen
from fabula.cli.client import Client, error_of, segment
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BadParameter, NovelNotFound
from fabula.core.texts import phrase

Room = Literal["novels", "notebooks"]
PAGE = 500

WhichArgument = Annotated[
    str, typer.Argument(metavar="TITLE", help=say("cli.novel.which"), show_default=False)
]
TitleArgument = Annotated[
    str, typer.Argument(metavar="TITLE", help=say("cli.novel.title"), show_default=False)
]
InstructionArgument = Annotated[
    str, typer.Argument(metavar="[INSTRUCTION]", help=say("cli.novel.instruction"), show_default=False)
]
NumberArgument = Annotated[
    int, typer.Argument(metavar="NUMBER", help=say("cli.novel.number"), min=1, show_default=False)
]
ModelOption = Annotated[str, typer.Option("--model", "-m", metavar="NAME", help=say("cli.novel.model"))]
CountOption = Annotated[
    int, typer.Option("--count", metavar="COUNT", help=say("cli.novel.count"), min=1, max=16)
]
TrashedOption = Annotated[bool, typer.Option("--trashed", help=say("cli.novel.trashed"))]
AgainOption = Annotated[bool, typer.Option("--again", help=say("cli.novel.again"))]
MaxTokensOption = Annotated[
    int,
    typer.Option(
        "--max-tokens", metavar="COUNT", help=say("cli.novel.max_tokens"), min=0, show_default=False
    ),
]


def found(studio: Client, room: Room, which: str) -> dict[str, Any]:
    """By id, or by a title that only one has. Raises NovelNotFound."""
    try:
        return studio.get(f"/{room}/{segment(which)}")
    except NovelNotFound:
        rows = studio.get(f"/{room}", words=which, limit=PAGE)[room]
    named = [row["id"] for row in rows if row["title"].casefold() == which.casefold()]
    if len(named) > 1:
        raise BadParameter("TITLE", which, phrase("expected.one_of", names=", ".join(named)))
    if not named:
        raise NovelNotFound(which)
    return studio.get(f"/{room}/{segment(named[0])}")


def chapter(novel: dict[str, Any], number: int) -> dict[str, Any]:
    """By its number from 1. Raises BadParameter."""
    if not 1 <= number <= len(novel["chapters"]):
        expected = phrase("expected.whole_range", low=1, high=len(novel["chapters"]))
        raise BadParameter("--chapter", f"{number}", expected)
    return dict(novel["chapters"][number - 1])


def text(studio: Client, novel: dict[str, Any], chapter_id: str) -> str:
    return str(studio.get(f"/novels/{segment(novel['id'])}/chapters/{segment(chapter_id)}")["text"])


def wish(count: int, model: str, max_tokens: int) -> dict[str, Any]:
    return {"count": count, "model": model, "sampling": {"max_tokens": max_tokens} if max_tokens else {}}


def show_list(home: Path | None, room: Room, *, json: bool, trashed: bool = False) -> None:
    with connect(home) as studio:
        rows = studio.get(f"/{room}", limit=PAGE, trashed=trashed)[room]
    if json:
        screen.json_lines(rows)
        return
    sides: tuple[tuple[str, Literal["left", "right"]], ...] = (
        ("id", "left"),
        ("title", "left"),
        ("words", "right"),
        ("changed", "left"),
    )
    shown = [(row["id"], row["title"], f"{row['words']}", _time(row["updated_at"])) for row in rows]
    screen.table([(say(f"cli.columns.{title}"), side) for title, side in sides], shown)


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def run(studio: Client, room: Room, novel: dict[str, Any], body: dict[str, Any], *, json: bool) -> None:
    """Write, and show what comes; of several, all when they are there, to choose from."""
    path = f"/{room}/{segment(novel['id'])}/turns"
    events = studio.stream("POST", path, {"revision": novel["revision"], **body})
    if json or body["count"] > 1:
        done = _silently(events)
        told = studio.get(f"/{room}/{segment(novel['id'])}/passages", turn_id=done["turn_id"])["passages"]
        if json:
            screen.json_lines([done | {"passages": told}])
        else:
            _tell(told)
            screen.note(say("cli.novel.to_choose"))
    else:
        done = reply.show(events)
    if not json:
        reply.tell_facts(done)


def _silently(events: Any) -> dict[str, Any]:
    turn_id = ""
    for event in events:
        if event.kind == "start":
            turn_id = event.data["turn_id"]
        elif event.kind == "error":
            raise error_of(event.data)
        elif event.kind == "done":
            return dict(event.data) | {"turn_id": turn_id}
    return {"turn_id": turn_id}


def show_passages(home: Path | None, room: Room, which: str, *, json: bool) -> None:
    with connect(home) as studio:
        novel = found(studio, room, which)
        rows = studio.get(f"/{room}/{segment(novel['id'])}/passages", limit=PAGE)["passages"]
    if json:
        screen.json_lines(rows)
    else:
        _tell(rows)


def _tell(rows: list[dict[str, Any]]) -> None:
    for number, row in enumerate(rows, 1):
        mark = "*" if row["stands"] else " "
        screen.line(f"{mark}{number}. {' '.join(reply.printable(row['text']).split())}")


def choose(home: Path | None, room: Room, which: str, number: int) -> None:
    with connect(home) as studio:
        novel = found(studio, room, which)
        path = f"/{room}/{segment(novel['id'])}"
        rows = studio.get(f"{path}/passages", limit=PAGE)["passages"]
        if number > len(rows):
            expected = phrase("expected.whole_range", low=1, high=len(rows))
            raise BadParameter("NUMBER", f"{number}", expected)
        body = {"revision": novel["revision"], "passage_id": rows[number - 1]["id"]}
        studio.post(f"{path}/choose", body)
    screen.note(say("cli.novel.chosen", number=number))


def back(home: Path | None, room: Room, which: str, way: Literal["undo", "redo"]) -> None:
    with connect(home) as studio:
        novel = found(studio, room, which)
        studio.post(f"/{room}/{segment(novel['id'])}/{way}", {"revision": novel["revision"]})


def remove(home: Path | None, room: Room, which: str, *, forever: bool) -> None:
    with connect(home) as studio:
        novel = found(studio, room, which)
        studio.delete(f"/{room}/{segment(novel['id'])}" + ("?forever=true" if forever else ""))
    screen.note(say("cli.chat.removed_forever" if forever else "cli.chat.removed", title=novel["title"]))


def restore(home: Path | None, room: Room, which: str) -> None:
    """Out of the trash, by id or by a title that only one there has."""
    with connect(home) as studio:
        rows = studio.get(f"/{room}", trashed=True, limit=PAGE)[room]
        named = [row for row in rows if which in (row["id"], row["title"])]
        if len(named) > 1:
            ids = ", ".join(row["id"] for row in named)
            raise BadParameter("TITLE", which, phrase("expected.one_of", names=ids))
        if not named:
            raise NovelNotFound(which)
        studio.post(f"/{room}/{segment(named[0]['id'])}/restore")
    screen.note(say("cli.novel.restored", title=named[0]["title"]))


def last_passage(studio: Client, room: Room, novel: dict[str, Any]) -> dict[str, Any]:
    """The one that was written last, of those that go on and stand in the text. Raises BadParameter."""
    rows = studio.get(f"/{room}/{segment(novel['id'])}/passages", limit=PAGE)["passages"]
    for row in rows:
        if row["kind"] == "continue" and row["stands"]:
            return dict(row)
    raise BadParameter("--again", "", phrase("expected.standing_passage"))


def again(studio: Client, room: Room, novel: dict[str, Any], instruction: str) -> dict[str, Any]:
    """Another try at that passage: where it stands, and what was told for it."""
    row = last_passage(studio, room, novel)
    place = {"chapter_id": row["chapter_id"], "at": row["start"], "end": row["start"] + len(row["text"])}
    return place | {"instruction": instruction or row["instruction"]}
