"""`fabula novel …`: write a novel with a model. Knows no prompt and no table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fabula.cli import documents, reply, screen, verbs
from fabula.cli.client import Client, segment
from fabula.cli.documents import (
    AgainOption,
    CountOption,
    InstructionArgument,
    MaxTokensOption,
    ModelOption,
    NumberArgument,
    Room,
    TitleArgument,
    TrashedOption,
    WhichArgument,
)
from fabula.cli.kept import content
from fabula.cli.novel_memory import memory
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.prompt import tell
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

ROOM: Room = "novels"
TextArgument = Annotated[
    str, typer.Argument(metavar="TEXT", help=say("cli.novel.passage"), show_default=False)
]
FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help=say("cli.novel.files"), show_default=False)
]
FormatOption = Annotated[
    Literal["text", "markdown", "html"], typer.Option("--format", help=say("cli.chat.format"))
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help=say("cli.chat.out"), show_default=False)
]
TraceOption = Annotated[bool, typer.Option("--trace", help=say("cli.novel.trace"))]
LanguageOption = Annotated[
    Literal["en", "zh-Hant", "zh-Hans"], typer.Option("--language", help=say("cli.novel.language"))
]
PackOption = Annotated[
    str, typer.Option("--pack", metavar="NAME", help=say("cli.novel.pack"), show_default=False)
]
ChapterOption = Annotated[
    int, typer.Option("--chapter", metavar="NUMBER", help=say("cli.novel.chapter_number"), show_default=False)
]
SetOptions = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME=VALUE…", help=say("cli.novel.settings"), show_default=False),
]
ForeverOption = Annotated[bool, typer.Option("--forever", help=say("cli.chat.forever"))]
OF_SETTINGS = ("language", "form", "pack", "prompt", "outline", "notes", "user")
LISTS = ("facts", "lorebooks")
OF_NOVELS = ("title", "model")


def group() -> Any:
    functions = (
        ("new", new),
        ("list", list_),
        ("show", show),
        ("write", write),
        ("rewrite", rewrite),
        ("expand", expand),
        ("passages", passages),
        ("choose", choose),
        ("set", set_),
        ("chapter", chapter),
        ("memory", memory),
        ("undo", undo),
        ("redo", redo),
        ("import", import_),
        ("export", export),
        ("rm", rm),
        ("restore", restore),
    )
    return verbs.group("novel", functions)


def new(
    title: TitleArgument,
    model: ModelOption = "",
    language: LanguageOption = "en",
    pack: PackOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    settings = {"language": language} | ({"pack": pack} if pack else {})
    with connect(home) as studio:
        made = studio.post("/novels", {"title": title, "model": model, "settings": settings})
    screen.json_lines([made]) if json else screen.line(say("cli.novel.made", title=title, id=made["id"]))


def list_(trashed: TrashedOption = False, home: HomeOption = None, json: JsonOption = False) -> None:
    documents.show_list(home, ROOM, json=json, trashed=trashed)


def show(
    which: WhichArgument,
    trace: TraceOption = False,
    chapter: ChapterOption = 0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """The text; with --trace the prompt that it would go on from."""
    with connect(home) as studio:
        novel = documents.found(studio, ROOM, which)
        if trace:
            at = {"chapter_id": documents.chapter(novel, chapter)["id"]} if chapter else {}
            looked = studio.post(f"/novels/{segment(novel['id'])}/prompt", at)
        else:
            wanted = [documents.chapter(novel, chapter)] if chapter else novel["chapters"]
            texts = [(one, documents.text(studio, novel, one["id"])) for one in wanted]
    if trace:
        screen.json_lines([looked]) if json else tell(looked, trace=True)
    elif json:
        screen.json_lines([novel | {"chapters": [one | {"text": text} for one, text in texts]}])
    else:
        _read(novel, texts)


def _read(novel: dict[str, Any], texts: list[tuple[dict[str, Any], str]]) -> None:
    for one, text in texts:
        if one["title"]:
            screen.line(f"## {one['title']}\n")
        screen.line(reply.printable(text).rstrip("\n") + "\n")
    names = ("words", "characters", "revision")
    screen.note(
        say("cli.novel.size", chapters=len(novel["chapters"]), **{name: novel[name] for name in names})
    )


def write(
    which: WhichArgument,
    instruction: InstructionArgument = "",
    count: CountOption = 1,
    chapter: ChapterOption = 0,
    again: AgainOption = False,
    model: ModelOption = "",
    max_tokens: MaxTokensOption = 0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    body = documents.wish(count, model, max_tokens) | {"instruction": instruction}
    with connect(home) as studio:
        novel = documents.found(studio, ROOM, which)
        at = {"chapter_id": documents.chapter(novel, chapter)["id"]} if chapter else {}
        at = documents.again(studio, ROOM, novel, instruction) if again else at
        documents.run(studio, ROOM, novel, body | at, json=json)


def rewrite(
    which: WhichArgument,
    passage: TextArgument,
    instruction: InstructionArgument = "",
    count: CountOption = 1,
    model: ModelOption = "",
    max_tokens: MaxTokensOption = 0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """What stands there once, word for word."""
    body = documents.wish(count, model, max_tokens) | {"instruction": instruction, "kind": "rewrite"}
    _anew(which, passage, body, home, json)


def expand(
    which: WhichArgument,
    passage: TextArgument,
    instruction: InstructionArgument = "",
    count: CountOption = 1,
    model: ModelOption = "",
    max_tokens: MaxTokensOption = 0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """The same, told at more length."""
    body = documents.wish(count, model, max_tokens) | {"instruction": instruction, "kind": "expand"}
    _anew(which, passage, body, home, json)


def _anew(which: str, passage: str, body: dict[str, Any], home: Path | None, json: bool) -> None:
    with connect(home) as studio:
        novel = documents.found(studio, ROOM, which)
        documents.run(studio, ROOM, novel, body | _place(studio, novel, passage), json=json)


def _place(studio: Client, novel: dict[str, Any], passage: str) -> dict[str, Any]:
    """Where a text stands. Raises BadParameter where it is not there, or more than once."""
    found = []
    for one in novel["chapters"]:
        text = documents.text(studio, novel, one["id"])
        at = text.find(passage) if passage else -1
        while at >= 0:
            found.append({"chapter_id": one["id"], "at": at, "end": at + len(passage)})
            at = text.find(passage, at + 1)
    if len(found) != 1:
        raise BadParameter("TEXT", passage[:60], phrase("expected.text_that_stands_once", count=len(found)))
    return found[0]


def passages(which: WhichArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    documents.show_passages(home, ROOM, which, json=json)


def choose(which: WhichArgument, number: NumberArgument, home: HomeOption = None) -> None:
    """By its number in the list of passages."""
    documents.choose(home, ROOM, which, number)


def set_(
    which: WhichArgument, values: SetOptions = None, home: HomeOption = None, json: JsonOption = False
) -> None:
    """Shows what a novel is told with; with NAME=VALUE sets it. Lists are split at line breaks."""
    with connect(home) as studio:
        novel = documents.found(studio, ROOM, which)
        if values:
            body = {"revision": novel["revision"], **_changes(values)}
            novel = studio.patch(f"/novels/{segment(novel['id'])}", body)
    if json:
        screen.json_lines([novel])
        return
    told = {name: novel[name] for name in OF_NOVELS} | novel["settings"]
    for name in (*OF_NOVELS, *OF_SETTINGS, *LISTS):
        value = told[name]
        screen.line(f"{name}: {' | '.join(value) if isinstance(value, list) else value}")


def _changes(values: list[str]) -> dict[str, Any]:
    """Raises BadParameter for a name that is none."""
    changes: dict[str, Any] = {"settings": {}}
    for one in values:
        name, _, value = one.partition("=")
        if name in OF_NOVELS:
            changes[name] = value
        elif name in OF_SETTINGS:
            changes["settings"][name] = value
        elif name in LISTS:
            changes["settings"][name] = [line for line in value.splitlines() if line.strip()]
        else:
            known = ", ".join((*OF_NOVELS, *OF_SETTINGS, *LISTS))
            raise BadParameter("NAME", name, phrase("expected.one_of", names=known))
    return changes


def chapter(
    which: WhichArgument,
    title: Annotated[str, typer.Argument(metavar="[TITLE]", help=say("cli.novel.title"))] = "",
    number: Annotated[
        int, typer.Option("--number", metavar="N", help=say("cli.novel.chapter_changed"), show_default=False)
    ] = 0,
    at: Annotated[
        int, typer.Option("--at", metavar="N", help=say("cli.novel.chapter_at"), min=0, show_default=False)
    ] = 0,
    outline: Annotated[str, typer.Option("--outline", metavar="TEXT", help=say("cli.novel.outline"))] = "",
    notes: Annotated[str, typer.Option("--notes", metavar="TEXT", help=say("cli.novel.chapter_notes"))] = "",
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help=say("cli.novel.chapter_file"), show_default=False),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help=say("cli.novel.chapter_remove"))] = False,
    home: HomeOption = None,
) -> None:
    """Begins a new one; with --number changes, moves or removes one that is there."""
    given = {"title": title, "outline": outline, "notes": notes} | ({"at": at - 1} if at else {})
    given = {name: value for name, value in given.items() if value != ""}
    text = content(file).decode() if file else None
    with connect(home) as studio:
        novel = documents.found(studio, ROOM, which)
        path = f"/novels/{segment(novel['id'])}/chapters"
        if not number:
            made = studio.post(path, {"revision": novel["revision"], **given, "text": text or ""})
            place = at or len(made["chapters"])
            screen.note(say("cli.novel.chapter_made", title=title, number=place))
            return
        path = f"{path}/{segment(documents.chapter(novel, number)['id'])}"
        if remove:
            studio.post(f"{path}/remove", {"revision": novel["revision"]})
            return
        if text is not None:
            novel = studio.put(f"{path}/text", {"revision": novel["revision"], "text": text})["novel"]
        if given:
            studio.patch(path, {"revision": novel["revision"], **given})


def restore(which: WhichArgument, home: HomeOption = None) -> None:
    documents.restore(home, ROOM, which)


def undo(which: WhichArgument, home: HomeOption = None) -> None:
    documents.back(home, ROOM, which, "undo")


def redo(which: WhichArgument, home: HomeOption = None) -> None:
    documents.back(home, ROOM, which, "redo")


def import_(files: FilesArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        for file in files:
            made = studio.send("/novels/import", content(file), name=file.name)
            if json:
                screen.json_lines([made])
            else:
                screen.line(say("cli.novel.made", title=made["title"], id=made["id"]))


def export(
    which: WhichArgument, format: FormatOption = "markdown", out: OutOption = None, home: HomeOption = None
) -> None:
    with connect(home) as studio:
        novel = documents.found(studio, ROOM, which)
        found = studio.fetch(f"/novels/{segment(novel['id'])}/export", format=format)
    if out is None:
        sys.stdout.buffer.write(found)
        return
    if out.exists():
        raise BadParameter("--out", str(out), phrase("expected.new_file"))
    out.write_bytes(found)
    screen.note(say("cli.chat.exported", title=novel["title"], file=str(out)))


def rm(which: WhichArgument, forever: ForeverOption = False, home: HomeOption = None) -> None:
    documents.remove(home, ROOM, which, forever=forever)
