"""`fabula memory CHAT`: what a chat remembers. Knows how it is shown, not how it is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fabula.cli import prompt as prompts
from fabula.cli import reply, screen
from fabula.cli.client import Client, segment
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

ChatArgument = Annotated[str, typer.Argument(metavar="CHAT", help=say("cli.prompt.chat"), show_default=False)]
PinOption = Annotated[
    list[str] | None,
    typer.Option("--pin", metavar="TEXT", help=say("cli.memory.pin"), show_default=False),
]
AttachOption = Annotated[
    list[Path] | None,
    typer.Option("--attach", metavar="FILE", help=say("cli.memory.attach"), show_default=False),
]
EditOption = Annotated[
    tuple[str, str] | None,
    typer.Option("--edit", metavar="ID TEXT", help=say("cli.memory.edit"), show_default=False),
]
ForgetOption = Annotated[
    list[str] | None,
    typer.Option("--forget", metavar="ID", help=say("cli.memory.forget"), show_default=False),
]
NowOption = Annotated[bool, typer.Option("--sum-up", help=say("cli.memory.sum_up"))]
SummaryOption = Annotated[
    Literal["off", "auto"] | None,
    typer.Option("--summary", help=say("cli.memory.summary"), show_default=False),
]
WordsOption = Annotated[
    int | None,
    typer.Option("--words", metavar="N", min=20, help=say("cli.memory.words"), show_default=False),
]
RecallOption = Annotated[
    int | None,
    typer.Option("--recall", metavar="N", min=0, help=say("cli.memory.recall"), show_default=False),
]
EmbedderOption = Annotated[
    str | None,
    typer.Option("--embedder", metavar="MODEL", help=say("cli.memory.embedder"), show_default=False),
]
FindOption = Annotated[
    str | None,
    typer.Option("--find", metavar="TEXT", help=say("cli.memory.find"), show_default=False),
]
SHOWN = 100  # characters of each text in the table


def memory(
    chat: ChatArgument,
    pin: PinOption = None,
    attach: AttachOption = None,
    edit: EditOption = None,
    forget: ForgetOption = None,
    sum_up: NowOption = False,
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
        path = f"/chats/{segment(prompts.found(studio, chat))}/memory"
        _change(studio, path, {name: value for name, value in given.items() if value is not None})
        _put(studio, path, pin or (), attach or (), edit, forget or ())
        if sum_up:
            with screen.spinner(say("cli.memory.summing")):
                studio.post(f"{path}/summaries")
        if find is not None:
            show_passages(studio.get(f"{path}/passages", q=find)["passages"], json)
            return
        _show(studio.get(path), json)


def _change(studio: Client, path: str, changes: dict[str, Any]) -> None:
    if changes:
        studio.patch(path, changes)


def _put(
    studio: Client,
    path: str,
    pin: Sequence[str],
    attach: Sequence[Path],
    edit: tuple[str, str] | None,
    forget: Sequence[str],
) -> None:
    for text in pin:
        studio.post(f"{path}/facts", {"text": text})
    for file in attach:
        studio.post(f"{path}/documents", {"name": file.name, "text": text_of(file)})
    if edit:
        studio.put(f"{path}/{segment(edit[0])}", {"text": edit[1]})
    for id in forget:
        studio.delete(f"{path}/{segment(id)}")


def text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadParameter("--attach", f"{file}", phrase("expected.text_file")) from error


def _show(now: dict[str, Any], json: bool) -> None:
    if json:
        screen.json_lines([now])
        return
    rows = [
        (row["id"], say(f"cli.memory.kinds.{kind}"), _told(row), _state(row))
        for kind in ("facts", "summaries", "documents")
        for row in now[kind]
    ]
    show_rows(rows)
    show_settings(now)


def show_rows(rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Ids, kinds, texts, states."""
    if rows:
        names = ("cli.memory.id", "cli.memory.kind", "cli.columns.about", "cli.memory.state")
        screen.table([(say(name), "left") for name in names], rows)


def show_settings(now: dict[str, Any]) -> None:
    """Whether summaries come by themselves, what finds passages, and what went wrong."""
    settings = now["settings"]
    screen.note(say(f"cli.memory.summary_is.{settings['summary']}", words=settings["words"]))
    screen.note(_recalls(settings["recall"], now["embedder"]))
    if now["problem"]:
        screen.note(say("cli.memory.problem", reason=now["problem"]["message"]))


def _told(row: dict[str, Any]) -> str:
    return shortened(row["name"] or row["text"])


def shortened(text: str) -> str:
    text = " ".join(text.split())
    return reply.printable(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def _state(row: dict[str, Any]) -> str:
    """Of a summary: whether it is told, and what of the chat it covers."""
    if row["kind"] == "document":
        return say("cli.memory.characters", count=row["size"])
    if row["kind"] == "fact":
        return ""
    if not row["covers"]:
        return say("cli.memory.outdated")
    return say("cli.memory.in_force" if row["in_force"] else "cli.memory.covers", count=row["covers"])


def _recalls(count: int, embedder: dict[str, Any] | None) -> str:
    if not count:
        return say("cli.memory.recalls_nothing")
    if embedder is None:
        return say("cli.memory.no_embedder")
    return say(
        "cli.memory.recalls_weakly" if embedder["weak"] else "cli.memory.recalls", count=count, **embedder
    )


def show_passages(found: list[dict[str, Any]], json: bool) -> None:
    if json:
        screen.json_lines(found)
        return
    titles = [(say("cli.memory.likeness"), "right"), (say("cli.columns.about"), "left")]
    rows = [(f"{one['likeness']:.2f}", reply.printable(" ".join(one["text"].split()))) for one in found]
    screen.table(titles, rows)  # type: ignore[arg-type]
