"""`fabula novel memory TITLE`: what a novel remembers. Knows how it is shown, not how it is told."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fabula.cli import documents, reply, screen
from fabula.cli import memory as of_chats
from fabula.cli.client import Client, segment
from fabula.cli.documents import WhichArgument
from fabula.cli.memory import (
    AttachOption,
    EmbedderOption,
    FindOption,
    RecallOption,
    SummaryOption,
    WordsOption,
)
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say

EditOption = Annotated[
    tuple[int, str] | None,
    typer.Option("--edit", metavar="NUMBER TEXT", help=say("cli.novel.memory.edit"), show_default=False),
]
ForgetOption = Annotated[
    list[str] | None,
    typer.Option("--forget", metavar="ID", help=say("cli.novel.memory.forget"), show_default=False),
]
NowOption = Annotated[
    int,
    typer.Option("--sum-up", metavar="NUMBER", help=say("cli.novel.memory.sum_up"), show_default=False),
]


def memory(
    which: WhichArgument,
    attach: AttachOption = None,
    forget: ForgetOption = None,
    edit: EditOption = None,
    sum_up: NowOption = 0,
    summary: SummaryOption = None,
    words: WordsOption = None,
    recall: RecallOption = None,
    embedder: EmbedderOption = None,
    find: FindOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Without options what is remembered is shown; with some it is changed first."""
    given = {"summary": summary, "words": words, "recall": recall, "embedder": embedder}
    with connect(home) as studio:
        novel = documents.found(studio, "novels", which)
        path = f"/novels/{segment(novel['id'])}"
        for file in attach or ():
            studio.post(f"{path}/memory/documents", {"name": file.name, "text": of_chats.text_of(file)})
        for id in forget or ():
            studio.delete(f"{path}/memory/documents/{segment(id)}")
        if changes := {name: value for name, value in given.items() if value is not None}:
            novel = studio.patch(path, {"revision": novel["revision"], "settings": changes})
        _summaries(studio, novel, edit, sum_up)
        if find is not None:
            of_chats.show_passages(studio.get(f"{path}/memory/passages", q=find)["passages"], json)
            return
        _show(studio.get(f"{path}/memory"), json)


def _summaries(studio: Client, novel: dict[str, Any], edit: tuple[int, str] | None, sum_up: int) -> None:
    path = f"/novels/{segment(novel['id'])}"
    if edit:
        at = f"{path}/chapters/{segment(documents.chapter(novel, edit[0])['id'])}"
        novel = studio.patch(at, {"revision": novel["revision"], "summary": edit[1]})
    if sum_up:
        at = f"{path}/chapters/{segment(documents.chapter(novel, sum_up)['id'])}/summary"
        with screen.spinner(say("cli.memory.summing")):
            studio.post(at, {"revision": novel["revision"]})


def _show(now: dict[str, Any], json: bool) -> None:
    if json:
        screen.json_lines([now])
        return
    rows = [
        ("", say("cli.memory.kinds.summaries"), _told(row["title"], row["text"]), _state(row))
        for row in now["summaries"]
    ]
    rows += [
        (
            row["id"],
            say("cli.memory.kinds.documents"),
            reply.printable(row["name"]),
            say("cli.memory.characters", count=row["size"]),
        )
        for row in now["documents"]
    ]
    of_chats.show_rows(rows)
    of_chats.show_settings(now)


def _told(title: str, text: str) -> str:
    told = of_chats.shortened(text)
    return f"{reply.printable(title)}: {told}" if title else told


def _state(row: dict[str, Any]) -> str:
    return say("cli.novel.memory.stale" if row["stale"] else "cli.novel.memory.covers", count=row["covers"])
