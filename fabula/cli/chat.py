"""`fabula chat …`: chats as things to keep. Knows how they are shown, not how they are kept."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fabula.cli import character as characters
from fabula.cli import marking, outside, screen, verbs
from fabula.cli.client import Client, segment
from fabula.cli.marking import (
    FavouriteOption,
    FolderOption,
    InFolderOption,
    TaggedOption,
    TagOption,
    TrashOption,
    UntagOption,
    WordsOption,
)
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.outside import AllowOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BadParameter, ChatNotFound
from fabula.core.texts import phrase

PAGE = 500

WhichArgument = Annotated[str, typer.Argument(metavar="CHAT", help=say("cli.chat.which"), show_default=False)]
SoughtArgument = Annotated[
    str, typer.Argument(metavar="WORDS", help=say("cli.chat.words"), show_default=False)
]
TitleArgument = Annotated[
    str, typer.Argument(metavar="[WORDS]", help=say("cli.chat.title"), show_default=False)
]
BranchArgument = Annotated[
    str, typer.Argument(metavar="BRANCH", help=say("cli.chat.branch"), show_default=False)
]
OtherArgument = Annotated[
    str, typer.Argument(metavar="[BRANCH]", help=say("cli.chat.other"), show_default=False)
]
NumberArgument = Annotated[
    int, typer.Argument(metavar="NUMBER", help=say("cli.chat.number"), min=1, show_default=False)
]
LanguageArgument = Annotated[
    str, typer.Argument(metavar="LANGUAGE", help=say("cli.chat.language"), show_default=False)
]
TranslatorOption = Annotated[
    str, typer.Option("--model", "-m", metavar="NAME", help=say("cli.chat.translator"), show_default=False)
]
NameArgument = Annotated[str, typer.Argument(metavar="[NAME]", help=say("cli.chat.name"), show_default=False)]
InOption = Annotated[str, typer.Option("--in", metavar="CHAT", help=say("cli.chat.in"), show_default=False)]
InFolderOnlyOption = Annotated[
    str | None, typer.Option("--folder", metavar="FOLDER", help=say("cli.marking.in"), show_default=False)
]
TaggedOnlyOption = Annotated[
    str, typer.Option("--tagged", metavar="TAG", help=say("cli.chat.tagged"), show_default=False)
]
WithOption = Annotated[
    str, typer.Option("--with", metavar="CHARACTER", help=say("cli.chat.with"), show_default=False)
]
Day = datetime.datetime
DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M"]
SinceOption = Annotated[
    Day | None,
    typer.Option("--since", metavar="DAY", formats=DAYS, help=say("cli.chat.since"), show_default=False),
]
UntilOption = Annotated[
    Day | None,
    typer.Option("--until", metavar="DAY", formats=DAYS, help=say("cli.chat.until"), show_default=False),
]
LimitOption = Annotated[int, typer.Option("--limit", metavar="COUNT", help=say("cli.chat.limit"), min=1)]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help=say("cli.chat.out"), show_default=False)
]
FormatOption = Annotated[
    Literal["jsonl", "text", "markdown", "html"], typer.Option("--format", help=say("cli.chat.format"))
]
CharactersArgument = Annotated[
    list[str], typer.Argument(metavar="CHARACTER…", help=say("cli.chat.characters"), show_default=False)
]
ORDERS = ("natural", "list", "manual", "pooled")
OrderOption = Annotated[
    Literal["natural", "list", "manual", "pooled"], typer.Option("--order", help=say("cli.chat.order"))
]
ChatTitleOption = Annotated[
    str, typer.Option("--title", metavar="TEXT", help=say("cli.chat.title_option"), show_default=False)
]
ChatModelOption = Annotated[
    str, typer.Option("--model", "-m", metavar="NAME", help=say("cli.chat.model_option"), show_default=False)
]
ForeverOption = Annotated[bool, typer.Option("--forever", help=say("cli.chat.forever"))]


def group() -> Any:
    from fabula.cli import judging  # it finds its chats as these commands do

    functions = (
        ("new", new),
        ("list", list_),
        ("show", show),
        ("search", search),
        ("export", export),
        ("branches", branches),
        ("open", open_),
        ("compare", compare),
        ("merge", merge),
        ("checkpoint", checkpoint),
        ("translate", translate),
        ("pictures", pictures),
        ("undo", undo),
        ("redo", redo),
        ("mark", mark),
        ("why", judging.why),
        ("distribution", judging.distribution),
        ("rm", rm),
    )
    return verbs.group("chat", functions)


def new(
    names: CharactersArgument,
    order: OrderOption = "natural",
    title: ChatTitleOption = "",
    model: ChatModelOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Begins a chat with a character, or a group chat with several."""
    with connect(home) as studio:
        ids = [characters.found(studio, name)["id"] for name in names]
        body: dict[str, Any] = {"title": title, "model": model}
        if len(ids) == 1:
            body["character_id"] = ids[0]
        else:
            members = [{"character_id": id} for id in ids]
            body["story"] = {"group": {"members": members, "order": ORDERS.index(order)}}
        made = studio.post("/chats", body)
    screen.json_lines([made]) if json else screen.line(
        say("cli.chat.begun", title=made["title"], id=made["id"])
    )


def list_(
    words: TitleArgument = "",
    folder: InFolderOption = None,
    tagged: TaggedOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    query: dict[str, Any] = {"words": words} if words else {}
    query |= {} if folder is None else {"folder": folder}
    query |= {"tag": tagged} if tagged else {}
    with connect(home) as studio:
        rows = list(_all(studio, query))
    if json:
        screen.json_lines(rows)
        return
    columns = (
        ("id", "left"),
        ("title", "left"),
        ("messages", "right"),
        ("changed", "left"),
        ("last", "left"),
    )
    titles = [(say(f"cli.columns.{title}"), side) for title, side in columns]
    screen.table(titles, [_row(row) for row in rows])  # type: ignore[arg-type]


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    return row["id"], row["title"], f"{row['message_count']}", _time(row["updated_at"]), _line(row["preview"])


def show(which: WhichArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    """The shown path, to read; as JSON its messages."""
    with connect(home) as studio:
        id = found(studio, which)["id"]
        if json:
            screen.json_lines(_path(studio, id))
            return
        screen.line(studio.fetch(f"/chats/{segment(id)}/export", format="text").decode().rstrip("\n"))


def search(
    words: SoughtArgument,
    in_: InOption = "",
    folder: InFolderOnlyOption = None,
    tag: TaggedOnlyOption = "",
    with_: WithOption = "",
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 20,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    within: dict[str, Any] = {"folder": folder, "tag": tag}
    within |= {"since": since and since.timestamp(), "until": until and until.timestamp()}
    with connect(home) as studio:
        within["chat_id"] = found(studio, in_)["id"] if in_ else ""
        within["character_id"] = characters.found(studio, with_)["id"] if with_ else ""
        given = {name: value for name, value in within.items() if value not in ("", None)}
        hits = studio.get("/chats/search", words=words, limit=min(limit, 200), **given)["hits"]
    if json:
        screen.json_lines(hits)
        return
    for hit in hits:
        place = say(
            "cli.chat.place", title=hit["chat_title"] or hit["chat_id"], author=hit["author"] or hit["role"]
        )
        screen.line(f"{place} · {_time(hit['created_at'])}")
        screen.line(f"  {_line(hit['excerpt'])}")
    if not hits:
        screen.note(say("cli.chat.nothing"))


def export(
    which: WhichArgument, format: FormatOption = "jsonl", out: OutOption = None, home: HomeOption = None
) -> None:
    with connect(home) as studio:
        chat = found(studio, which)
        content = studio.fetch(f"/chats/{segment(chat['id'])}/export", format=format)
    if out is None:
        sys.stdout.buffer.write(content)
        return
    if out.exists():
        raise BadParameter("--out", str(out), phrase("expected.new_file"))
    out.write_bytes(content)
    screen.note(say("cli.chat.exported", title=chat["title"], file=str(out)))
    if content.startswith(b"PK\x03\x04"):
        screen.note(say("cli.chat.packed"))


def branches(which: WhichArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        id = found(studio, which)["id"]
        rows = studio.get(f"/chats/{segment(id)}/branches")["branches"]
        named = studio.get(f"/chats/{segment(id)}/checkpoints")["checkpoints"]
    if json:
        screen.json_lines([*rows, *named])
        return
    columns = (
        ("branch", "left"),
        ("messages", "right"),
        ("own", "right"),
        ("changed", "left"),
        ("last", "left"),
    )
    titles = [(say(f"cli.columns.{title}"), side) for title, side in columns]
    shown = [
        (row["id"], f"{row['messages']}", f"{row['own']}", _time(row["updated_at"]), _line(row["preview"]))
        for row in rows
    ]
    screen.table(titles, shown)  # type: ignore[arg-type]
    for one in named:
        screen.line(say("cli.chat.named", number=one["number"], name=one["name"], id=one["id"]))


def open_(which: WhichArgument, branch: BranchArgument, home: HomeOption = None) -> None:
    """Shows the path through a message: of another branch, or of a checkpoint."""
    with connect(home) as studio:
        chat = found(studio, which)
        _change(studio, chat, "/head", message_id=branch)


def compare(
    which: WhichArgument,
    branch: BranchArgument,
    other: OtherArgument = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    with connect(home) as studio:
        chat = found(studio, which)
        ends = {"left": branch, "right": other or chat["head_id"]}
        compared = studio.get(f"/chats/{segment(chat['id'])}/compare", **ends)
    if json:
        screen.json_lines([compared])
        return
    screen.note(say("cli.chat.common", count=compared["common"]))
    for sign, side in (("-", "left"), ("+", "right")):
        for message in compared[side]:
            screen.line(f"{sign} {message['author'] or message['role']}: {_line(message['text'])}")


def merge(which: WhichArgument, branch: BranchArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        chat = found(studio, which)
        change = _change(studio, chat, "/merge", message_id=branch)
    screen.note(say("cli.chat.merged", count=change["chat"]["message_count"] - chat["message_count"]))


def checkpoint(
    which: WhichArgument, number: NumberArgument, name: NameArgument = "", home: HomeOption = None
) -> None:
    with connect(home) as studio:
        chat = found(studio, which)
        message = _numbered(studio, chat, number)
        path = f"/chats/{segment(chat['id'])}/messages/{segment(message['id'])}/checkpoint"
        studio.put(path, {"revision": chat["revision"], "name": name})


def translate(
    which: WhichArgument,
    number: NumberArgument,
    language: LanguageArgument,
    model: TranslatorOption = "",
    home: HomeOption = None,
) -> None:
    with connect(home) as studio:
        chat = found(studio, which)
        message = _numbered(studio, chat, number)
        path = f"/chats/{segment(chat['id'])}/messages/{segment(message['id'])}/translate"
        screen.line(studio.post(path, {"to": language, "model": model})["text"])


def pictures(
    which: WhichArgument, allow: AllowOption = None, home: HomeOption = None, json: JsonOption = False
) -> None:
    with connect(home) as studio:
        outside.choose(studio, "chat", found(studio, which)["id"], allow, json)


def undo(which: WhichArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        _change(studio, found(studio, which), "/undo")


def redo(which: WhichArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        _change(studio, found(studio, which), "/redo")


def mark(
    words: WordsOption = "",
    in_: InFolderOption = None,
    tagged: TaggedOption = None,
    folder: FolderOption = None,
    favourite: FavouriteOption = None,
    tag: TagOption = None,
    untag: UntagOption = None,
    trash: TrashOption = None,
    home: HomeOption = None,
) -> None:
    query = marking.wanted(words, in_, tagged, trash is False)
    changes = marking.marks(folder, favourite, tag, untag, trash)
    with connect(home) as studio:
        marking.mark(studio, "chats", studio.get("/chats/ids", **query)["ids"], changes)


def rm(which: WhichArgument, forever: ForeverOption = False, home: HomeOption = None) -> None:
    with connect(home) as studio:
        chat = found(studio, which)
        studio.delete(f"/chats/{segment(chat['id'])}" + ("?forever=true" if forever else ""))
    screen.note(say("cli.chat.removed_forever" if forever else "cli.chat.removed", title=chat["title"]))


def found(studio: Client, which: str) -> dict[str, Any]:
    """By id, or by a title that only one has."""
    try:
        return studio.get(f"/chats/{segment(which)}")
    except ChatNotFound:
        named = [row for row in _all(studio, {"words": which}) if row["title"].casefold() == which.casefold()]
    if len(named) > 1:
        raise BadParameter(
            "CHAT", which, phrase("expected.one_of", names=", ".join(row["id"] for row in named))
        )
    if not named:
        raise ChatNotFound(which)
    return studio.get(f"/chats/{segment(named[0]['id'])}")


def _all(studio: Client, query: dict[str, Any]) -> Any:
    offset, total = 0, 1
    while offset < total:
        page = studio.get("/chats", offset=offset, limit=PAGE, **query)
        offset, total = offset + PAGE, page["total"]
        yield from page["chats"]


def _path(studio: Client, id: str) -> Any:
    offset, total = 0, 1
    while offset < total:
        page = studio.get(f"/chats/{segment(id)}/messages", offset=offset, limit=PAGE)
        offset, total = offset + PAGE, page["total"]
        yield from page["messages"]


def _numbered(studio: Client, chat: dict[str, Any], number: int) -> dict[str, Any]:
    """The number-th message of the shown path. Raises BadParameter."""
    page = studio.get(f"/chats/{segment(chat['id'])}/messages", offset=number - 1, limit=1)["messages"]
    if not page:
        raise BadParameter(
            "NUMBER", f"{number}", phrase("expected.whole_range", low=1, high=chat["message_count"])
        )
    return dict(page[0])


def _change(studio: Client, chat: dict[str, Any], path: str, **body: Any) -> dict[str, Any]:
    return studio.post(f"/chats/{segment(chat['id'])}{path}", {"revision": chat["revision"], **body})


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def _line(written: str) -> str:
    return " ".join(written.split())
