"""Pictures of other hosts, allowed or not, for `fabula character` and `fabula chat`. Knows no picture."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from fabula.cli import screen
from fabula.cli.client import Client
from fabula.cli.words import say

AllowOption = Annotated[
    bool | None, typer.Option("--allow/--forbid", help=say("cli.pictures.allow"), show_default=False)
]


def choose(
    studio: Client, kind: Literal["character", "chat"], id: str, allowed: bool | None, json: bool
) -> None:
    """Say what holds, after a change if one is given."""
    if allowed is None:
        told = studio.get("/pictures/allowed", **{kind: id})
    else:
        told = studio.put("/pictures/allowed", {kind: id, "allowed": allowed})
    if json:
        screen.json_lines([told])
    else:
        screen.line(say("cli.pictures.allowed" if told["allowed"] else "cli.pictures.forbidden"))
