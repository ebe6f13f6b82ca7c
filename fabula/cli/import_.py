"""`fabula import FILE|DIR|ADDRESS…`: what other programs keep. Knows where each kind goes, and no format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.client import Client, Told
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import language, say
from fabula.core.errors import BadParameter, FabulaError
from fabula.core.texts import phrase

ADDRESSES = ("http://", "https://")
CARDS = (".png", ".apng", ".charx", ".byaf", ".yaml", ".yml", ".jpg", ".jpeg")
WAYS = ("/chats/import", "/characters/import", "/lorebooks/import", "/replies/import")
"""Where a JSON file may go, in the order in which it is tried; each of them tells its own files."""

FilesArgument = Annotated[
    list[str], typer.Argument(metavar="FILE|DIR|ADDRESS…", help=say("cli.import.files"), show_default=False)
]

DryOption = Annotated[bool, typer.Option("--dry-run", help=say("cli.import.dry_run"))]


def import_(
    files: FilesArgument, dry_run: DryOption = False, home: HomeOption = None, json: JsonOption = False
) -> None:
    """Folders are SillyTavern's data folders; of files, those that cannot be read make the command fail."""
    if dry_run and not all(Path(name).is_dir() for name in files):
        raise BadParameter("--dry-run", ", ".join(files)[:80], phrase("expected.folders"))
    refused = 0
    with connect(home) as studio:
        for name in files:
            file = Path(name)
            if name.startswith(ADDRESSES):
                refused += _address(studio, name, json)
            elif file.is_dir():
                refused += _folder(studio, file, json, "/import/rehearse" if dry_run else "/import")
            elif file.suffix.lower() == ".zip":
                refused += _archive(studio, file, json)
            else:
                refused += _file(studio, file, json)
    if refused:
        raise typer.Exit(1)


def _address(studio: Client, address: str, json: bool) -> int:
    try:
        report = studio.post("/take/address", {"address": address})
    except (Told, BadParameter) as wrong:
        screen.note(wrong.sentence(language()))
        return 1
    if json:
        screen.json_lines([report])
    for one in report["taken"] if not json else ():
        screen.line(say("cli.import.taken", name=one["name"]))
    for one in report["refused"]:
        screen.note(say("cli.import.refused", file=one["file"], reason=one["reason"]))
    return len(report["refused"])


def _folder(studio: Client, folder: Path, json: bool, way: str) -> int:
    report = studio.post(way, {"folder": str(folder.resolve())})
    if json:
        screen.json_lines([report])
    else:
        _tell(report)
    return sum(len(kind["refused"]) for kind in report["kinds"])


def _tell(report: dict[str, Any]) -> None:
    titles = [(say("cli.columns.kind"), "left")]
    titles += [(say(f"cli.columns.{title}"), "right") for title in ("taken", "already", "refused")]
    rows = [
        (
            say(f"cli.import.kinds.{kind['kind']}"),
            f"{kind['taken']}",
            f"{kind['already']}",
            f"{len(kind['refused'])}",
        )
        for kind in report["kinds"]
    ]
    screen.table(titles, rows)  # type: ignore[arg-type]
    for kind in report["kinds"]:
        for one in kind["refused"]:
            screen.note(say("cli.import.refused", file=one["file"], reason=one["reason"]))
    for name, count in report["left"].items():
        screen.note(f"{say('cli.import.left', name=name, count=count)} {report['left_reasons'][name]}")
    for one in report["not_run"]:
        screen.note(say("cli.import.not_run", file=one["file"], replies=one["replies"]))


def _archive(studio: Client, file: Path, json: bool) -> int:
    """All that a ZIP file holds; answers how many of its files nothing could read."""
    try:
        report = studio.send("/take", _content(file), name=file.name)
    except (Told, BadParameter) as wrong:
        screen.note(wrong.sentence(language()))
        return 1
    if json:
        screen.json_lines([report])
    else:
        for one in report["taken"]:
            screen.line(say(_told(one), name=one["name"]))
    for one in report["refused"]:
        screen.note(say("cli.import.refused", file=one["file"], reason=one["reason"]))
    return len(report["refused"])


def _file(studio: Client, file: Path, json: bool) -> int:
    """0, or 1 where nothing could read it."""
    ways = ("/characters/import",) if file.suffix.lower() in CARDS else WAYS
    try:
        taken = _first(studio, file, _content(file), ways)
    except (Told, BadParameter) as wrong:
        screen.note(wrong.sentence(language()))
        return 1
    if json:
        screen.json_lines([taken])
    for chat in taken.get("chats", ()):
        if not json:
            screen.line(
                say(
                    "cli.import.chat",
                    title=chat["chat"]["title"],
                    count=chat["messages"],
                    program=chat["program"],
                )
            )
        if chat["bad"]:
            screen.note(say("cli.import.bad", count=chat["bad"], file=file.name))
    if not json and "chats" not in taken:
        screen.line(say(_told(taken), name=taken["name"]))
    return 0


def _told(taken: dict[str, Any]) -> str:
    """Characters that were here already are not taken twice."""
    return "cli.import.already" if taken.get("already") else "cli.import.taken"


def _first(studio: Client, file: Path, content: bytes, ways: Sequence[str]) -> dict[str, Any]:
    """What the first of some routes that takes the file made of it; else the first's refusal."""
    refusals: list[FabulaError] = []
    for way in ways:
        try:
            return studio.send(way, content, name=file.name)
        except (Told, BadParameter) as wrong:
            refusals.append(wrong)
    raise refusals[0]


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as wrong:
        expected = phrase("expected.readable_file", reason=f"{wrong.strerror}")
        raise BadParameter("FILE", str(file), expected) from wrong
