"""Marks of many chats or characters at once. Knows which options there are, not what they are put on."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.client import Client
from fabula.cli.mistakes import WrongUsage
from fabula.cli.words import say

WordsOption = Annotated[
    str, typer.Option("--words", metavar="WORDS", help=say("cli.marking.words"), show_default=False)
]
InFolderOption = Annotated[
    str | None, typer.Option("--in", metavar="FOLDER", help=say("cli.marking.in"), show_default=False)
]
TaggedOption = Annotated[
    list[str] | None,
    typer.Option("--tagged", metavar="TAG", help=say("cli.marking.tagged"), show_default=False),
]
FolderOption = Annotated[
    str | None, typer.Option("--folder", metavar="FOLDER", help=say("cli.marking.folder"), show_default=False)
]
FavouriteOption = Annotated[
    bool | None,
    typer.Option("--favourite/--no-favourite", help=say("cli.marking.favourite"), show_default=False),
]
TagOption = Annotated[
    list[str] | None, typer.Option("--tag", metavar="TAG", help=say("cli.marking.tag"), show_default=False)
]
UntagOption = Annotated[
    list[str] | None,
    typer.Option("--untag", metavar="TAG", help=say("cli.marking.untag"), show_default=False),
]
TrashOption = Annotated[
    bool | None, typer.Option("--trash/--restore", help=say("cli.marking.trash"), show_default=False)
]


def wanted(words: str, folder: str | None, tagged: list[str] | None, trashed: bool) -> dict[str, Any]:
    """A filter as the API takes it. Raises WrongUsage without one: all of them is never meant by silence."""
    found: dict[str, Any] = {"words": words} if words else {}
    found |= {} if folder is None else {"folder": folder}
    found |= {"tag": tagged} if tagged else {}
    if not found:
        raise WrongUsage(say("cli.marking.which"))
    return found | ({"trashed": True} if trashed else {})


def marks(
    folder: str | None,
    favourite: bool | None,
    tag: list[str] | None,
    untag: list[str] | None,
    trash: bool | None,
) -> dict[str, Any]:
    """What is to be changed, as the API takes it. Raises WrongUsage where that is nothing."""
    given: dict[str, Any] = {"folder": folder, "favourite": favourite, "trashed": trash}
    made = {name: value for name, value in given.items() if value is not None}
    made |= {"add_tags": tag} if tag else {}
    made |= {"remove_tags": untag} if untag else {}
    if not made:
        raise WrongUsage(say("cli.marking.what"))
    return made


def mark(studio: Client, kind: str, ids: list[str], changes: dict[str, Any]) -> None:
    """`kind` is the API's: "chats" or "characters"."""
    changed = studio.post(f"/{kind}/mark", {"ids": ids, **changes})["changed"]
    screen.note(say("cli.marking.changed", count=changed))
