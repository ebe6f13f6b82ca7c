"""`fabula key …`. Knows how keys are shown, not what they open."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer

from fabula.cli import screen, verbs
from fabula.cli.client import segment
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect, connect_running
from fabula.cli.words import say
from fabula.core.errors import ListensHereOnly, NoStudioRuns

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=say("cli.key.name"), show_default=False)]
ScopeOption = Annotated[
    str, typer.Option("--scope", metavar="SCOPES", help=say("cli.key.scope"), show_default=False)
]
LimitOption = Annotated[
    str, typer.Option("--limit", metavar="RATE", help=say("cli.key.limit"), show_default=False)
]
TokensOption = Annotated[
    str, typer.Option("--tokens", metavar="RATE", help=say("cli.key.tokens"), show_default=False)
]
ExpiresOption = Annotated[
    str, typer.Option("--expires", metavar="TIME", help=say("cli.key.expires"), show_default=False)
]


def group() -> Any:
    return verbs.group("key", (("add", add), ("list", list_), ("rm", rm), ("show-qr", show_qr)))


def add(
    name: NameArgument,
    scope: ScopeOption = "chat",
    limit: LimitOption = "",
    tokens: TokensOption = "",
    expires: ExpiresOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    asked = {
        "name": name,
        "scopes": [part.strip() for part in scope.split(",") if part.strip()],
        "requests": limit,
        "tokens": tokens,
        "expires_in": expires,
    }
    with connect(home) as studio:
        made = studio.post("/keys", asked)
    if json:
        screen.json_lines([made])
        return
    screen.note(say("cli.key.once", name=name, scopes=", ".join(made["key"]["scopes"])))
    screen.line(made["secret"])


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        keys = studio.get("/keys")["keys"]
    if json:
        screen.json_lines(keys)
    elif keys:
        titles = ("name", "key", "scopes", "limit", "expires", "used")
        screen.table([(say(f"cli.columns.{title}"), "left") for title in titles], map(row, keys))
    else:
        screen.note(say("cli.key.none"))


def rm(name: NameArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        studio.delete(f"/keys/{segment(name)}")
    screen.note(say("cli.key.removed", name=name))


def show_qr(name: NameArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect_running(home) as studio:
        if studio is None:
            raise NoStudioRuns
        made = studio.post(f"/keys/{segment(name)}/link")
    if json:
        screen.json_lines([made])
        return
    if not made["links"]:
        raise ListensHereOnly
    first, *others = made["links"]
    draw(first)
    screen.line(first)
    screen.note(say("cli.key.scan", name=name, seconds=made["seconds"]))
    if others:
        screen.note(say("cli.key.other_addresses"))
        for link in others:
            screen.note(link)


def draw(link: str) -> None:
    import segno

    segno.make(link, micro=False).terminal(sys.stdout, compact=True)


def row(key: dict[str, Any]) -> tuple[str, ...]:
    limits = ", ".join(filter(None, (key["requests"], key["tokens"] and f"{key['tokens']} tokens"))) or "–"
    return (
        key["name"],
        f"{key['beginning']}…",
        ", ".join(key["scopes"]),
        limits,
        day(key["expires_at"]) or "–",
        day(key["used_at"]) or say("cli.key.never"),
    )


def day(moment: float) -> str:
    """In this machine's time zone; "" for never."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment)) if moment else ""
