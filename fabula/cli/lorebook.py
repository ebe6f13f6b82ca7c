"""`fabula lorebook …`. Knows how lorebooks are shown, and no file format."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fabula.cli import character as characters
from fabula.cli import kept, screen, verbs
from fabula.cli import persona as personas
from fabula.cli.character import CounterOption
from fabula.cli.client import Client, segment
from fabula.cli.kept import CharacterOption, EverywhereOption, OutOption
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BadParameter, LorebookNotFound
from fabula.core.texts import phrase

BookArgument = Annotated[
    str, typer.Argument(metavar="LOREBOOK", help=say("cli.lorebook.which"), show_default=False)
]
FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help=say("cli.lorebook.files"), show_default=False)
]
EntryArgument = Annotated[
    str, typer.Argument(metavar="[ENTRY]", help=say("cli.lorebook.entry"), show_default=False)
]
CutArgument = Annotated[
    str, typer.Argument(metavar="ENTRY", help=say("cli.lorebook.uid"), show_default=False)
]
PersonaOption = Annotated[
    list[str] | None,
    typer.Option("--persona", metavar="PERSONA", help=say("cli.lorebook.persona"), show_default=False),
]
KeyOption = Annotated[
    list[str] | None, typer.Option("--key", metavar="KEY", help=say("cli.lorebook.key"), show_default=False)
]
ContentOption = Annotated[
    str | None,
    typer.Option("--content", metavar="TEXT", help=say("cli.lorebook.content"), show_default=False),
]
FieldOption = Annotated[
    list[str] | None,
    typer.Option("--field", metavar="NAME=VALUE", help=say("cli.lorebook.field"), show_default=False),
]
EntriesArgument = Annotated[
    list[str], typer.Argument(metavar="ENTRY…", help=say("cli.lorebook.uids"), show_default=False)
]
TextArgument = Annotated[
    str, typer.Argument(metavar="[TEXT]", help=say("cli.lorebook.said"), show_default=False)
]
ChatOption = Annotated[
    str, typer.Option("--chat", metavar="CHAT", help=say("cli.lorebook.chat"), show_default=False)
]
TalkingOption = Annotated[
    str, typer.Option("--character", metavar="CHARACTER", help=say("cli.lorebook.to"), show_default=False)
]
ContextOption = Annotated[
    int, typer.Option("--ctx", metavar="N", min=0, help=say("cli.lorebook.context"), show_default=False)
]
AllOption = Annotated[bool, typer.Option("--all", help=say("cli.lorebook.all"), show_default=False)]
FormatOption = Annotated[Literal["world", "v3"], typer.Option("--format", help=say("cli.lorebook.format"))]


def group() -> Any:
    functions = (
        *(("list", list_), ("show", show), ("import", import_), ("link", link), ("set", set_)),
        *(("cut", cut), ("sort", sort), ("test", probe), ("export", export), ("rm", rm)),
    )
    return verbs.group("lorebook", functions)


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        books = studio.get("/lorebooks")["lorebooks"]
    if json:
        screen.json_lines(books)
        return
    titles = [
        (say("cli.columns.name"), "left"),
        (say("cli.kept.entries"), "right"),
        (say("cli.kept.where"), "left"),
    ]
    screen.table(titles, [(row["name"], f"{row['size']}", kept.where(row)) for row in books])  # type: ignore[arg-type]


def show(which: BookArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        book = _found(studio, which)
    if json:
        screen.json_lines(book["entries"])
        return
    titles = [("ID", "left"), (say("cli.columns.entry"), "left"), (say("cli.kept.keys"), "left")]
    titles.append((say("cli.kept.content"), "left"))
    screen.table(titles, [_row(row) for row in book["entries"]])  # type: ignore[arg-type]


def import_(
    files: FilesArgument,
    everywhere: EverywhereOption = None,
    character: CharacterOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    with connect(home) as studio:
        for file in files:
            taken = studio.send("/lorebooks/import", kept.content(file), name=file.name)
            if everywhere or character:
                taken |= _link(studio, taken, everywhere, character, ())
            if json:
                screen.json_lines([taken])
            else:
                screen.line(say("cli.lorebook.imported", name=taken["name"], count=taken["size"]))


def link(
    which: BookArgument,
    everywhere: EverywhereOption = None,
    character: CharacterOption = None,
    persona: PersonaOption = None,
    home: HomeOption = None,
) -> None:
    """Adds to where it holds; `--not-everywhere` takes that away."""
    with connect(home) as studio:
        ids = [personas.found(studio, name)["id"] for name in persona or ()]
        linked = _link(studio, _found(studio, which), everywhere, character, ids)
    screen.line(say("cli.lorebook.linked", name=linked["name"], where=kept.where(linked)))


def set_(
    which: BookArgument,
    entry: EntryArgument = "",
    key: KeyOption = None,
    content: ContentOption = None,
    field: FieldOption = None,
    home: HomeOption = None,
) -> None:
    """Without an entry a new one is made."""
    fields: dict[str, Any] = {} if key is None else {"key": key}
    fields |= {} if content is None else {"content": content}
    fields |= dict(_field(said) for said in field or ())
    with connect(home) as studio:
        book = _found(studio, which)
        path = f"/lorebooks/{segment(book['id'])}/entries"
        body = {"revision": book["revision"], "fields": fields}
        done = studio.patch(f"{path}/{segment(entry)}", body) if entry else studio.post(path, body)
    screen.line(say("cli.lorebook.kept", name=done["name"], entry=done["entry"]))


def cut(which: BookArgument, entry: CutArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        book = _found(studio, which)
        path = f"/lorebooks/{segment(book['id'])}/entries/{segment(entry)}"
        studio.delete(f"{path}?revision={book['revision']}")
    screen.note(say("cli.lorebook.cut_done", name=book["name"], entry=entry))


def sort(which: BookArgument, entries: EntriesArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        book = _found(studio, which)
        body = {"revision": book["revision"], "uids": entries}
        studio.put(f"/lorebooks/{segment(book['id'])}/order", body)
    screen.note(say("cli.lorebook.sorted", name=book["name"]))


def probe(
    which: BookArgument,
    text: TextArgument = "",
    chat: ChatOption = "",
    character: TalkingOption = "",
    model: CounterOption = "",
    context: ContextOption = 0,
    all_: AllOption = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Every entry that comes in, and why; with `--all` the others too."""
    body: dict[str, Any] = {"text": text, "chat_id": chat, "model": model, "context": context}
    with connect(home) as studio:
        book = named(studio, which)
        if character:
            body["character_id"] = characters.found(studio, character)["id"]
        tested = studio.post(f"/lorebooks/{segment(book['id'])}/test", body)
    if json:
        screen.json_lines([tested])
        return
    rows = [row for row in tested["entries"] if row["told"] or all_]
    titles = [(say("cli.columns.entry"), "left"), (say("cli.columns.tokens"), "right")]
    titles.append((say("cli.columns.reason"), "left"))
    screen.table(titles, [(row["label"], f"{row['tokens']}", _why(row)) for row in rows])  # type: ignore[arg-type]
    screen.note(say("cli.lorebook.budget", tokens=tested["tokens"], budget=tested["budget"]))
    screen.note(say("cli.counted", model=tested["model"]) if tested["model"] else say("cli.guessed"))


def _why(row: dict[str, Any]) -> str:
    reason = say(f"story.lore_reasons.{row['reason']}")
    reason += f": {row['key']}" if row["key"] else ""
    by = row["brought_by"]
    return reason + (" " + say("cli.lorebook.brought_by", entry=by) if by not in ("", "chat") else "")


def export(
    which: BookArgument, format: FormatOption = "world", out: OutOption = None, home: HomeOption = None
) -> None:
    with connect(home) as studio:
        book = _found(studio, which)
        found = studio.get(f"/lorebooks/{segment(book['id'])}/file", format=format)
    kept.write(json_text.dumps(found, ensure_ascii=False, indent=1) + "\n", out, book["name"])


def rm(which: BookArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        book = _found(studio, which)
        studio.delete(f"/lorebooks/{segment(book['id'])}")
    screen.note(say("cli.kept.removed", name=book["name"]))


def named(studio: Client, which: str) -> dict[str, Any]:
    """By id or name, without its entries."""
    return kept.found(studio.get("/lorebooks")["lorebooks"], which, LorebookNotFound)


def _found(studio: Client, which: str) -> dict[str, Any]:
    return studio.get(f"/lorebooks/{segment(named(studio, which)['id'])}")


def _link(
    studio: Client, book: dict[str, Any], everywhere: bool | None, names: list[str] | None, ids: Any
) -> dict[str, Any]:
    body = {"revision": book["revision"]}
    body["links"] = kept.links(studio, book["links"], everywhere, names, ids)
    return studio.patch(f"/lorebooks/{segment(book['id'])}", body)


def _row(row: dict[str, Any]) -> tuple[str, str, str, str]:
    keys = say("cli.kept.always") if row.get("constant") else ", ".join(map(str, row.get("key") or ()))
    off = say("cli.kept.off") if row.get("disable") else ""
    name = " ".join(filter(None, (str(row.get("comment") or ""), off)))
    return str(row.get("uid", "")), name, keys, " ".join(str(row.get("content") or "").split())


def _field(said: str) -> tuple[str, Any]:
    """`order=5` as JSON where it is some, else as text."""
    name, found, value = said.partition("=")
    if not found or not name:
        raise BadParameter("--field", said, phrase("expected.name_and_value"))
    try:
        return name, json_text.loads(value)
    except ValueError:
        return name, value
