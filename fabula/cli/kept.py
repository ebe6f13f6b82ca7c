"""Things that stories are told with, by id or by name. Knows no verb and how nothing is shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import character as characters
from fabula.cli import screen
from fabula.cli.client import Client
from fabula.cli.words import say
from fabula.core.errors import BadParameter, FabulaError
from fabula.core.texts import phrase

EverywhereOption = Annotated[
    bool | None, typer.Option("--everywhere/--not-everywhere", help=say("cli.kept.everywhere"))
]
CharacterOption = Annotated[
    list[str] | None,
    typer.Option("--character", metavar="CHARACTER", help=say("cli.kept.character"), show_default=False),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help=say("cli.character.out"), show_default=False)
]


def found(
    rows: Sequence[Mapping[str, Any]], which: str, missing: Callable[[str], FabulaError]
) -> dict[str, Any]:
    """By id, or by a name that only one has."""
    named = [row for row in rows if which in (row["id"], row["name"])]
    named = named or [row for row in rows if row["name"].casefold() == which.casefold()]
    if len(named) > 1:
        ids = ", ".join(str(row["id"]) for row in named)
        raise BadParameter("NAME", which, phrase("expected.one_of", names=ids))
    if not named:
        raise missing(which)
    return dict(named[0])


def links(
    studio: Client,
    before: Mapping[str, Any],
    everywhere: bool | None,
    named: Sequence[str] | None,
    personas: Sequence[str] = (),
) -> dict[str, Any]:
    """Where something holds from now on: what was said, over what held before."""
    after = dict(before)
    if everywhere is not None:
        after["everywhere"] = everywhere
    if named:
        ids = [characters.found(studio, name)["id"] for name in named]
        after["characters"] = list(dict.fromkeys([*before.get("characters", ()), *ids]))
    if personas:
        after["personas"] = list(dict.fromkeys([*before.get("personas", ()), *personas]))
    return after


def where(row: Mapping[str, Any]) -> str:
    """Where it holds, in a word or two."""
    held = row["links"]
    words = [say("cli.kept.in_all")] if held["everywhere"] else []
    if held["characters"]:
        words.append(say("cli.kept.in_characters", count=len(held["characters"])))
    if held["personas"]:
        words.append(say("cli.kept.in_personas", count=len(held["personas"])))
    return ", ".join(words) or say("cli.kept.in_none")


def content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as wrong:
        expected = phrase("expected.readable_file", reason=f"{wrong.strerror}")
        raise BadParameter("FILE", str(file), expected) from wrong


def write(text: str, out: Path | None, name: str) -> None:
    """To a new file, or to the standard output."""
    if out is None:
        sys.stdout.write(text)
        return
    if out.exists():
        raise BadParameter("--out", str(out), phrase("expected.new_file"))
    out.write_text(text, encoding="utf-8")
    screen.note(say("cli.character.exported", name=name, file=str(out)))
