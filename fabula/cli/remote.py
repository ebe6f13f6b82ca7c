"""`fabula remote …`. Knows how servers are added and shown, not what they speak."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from fabula.cli import screen, verbs
from fabula.cli.client import segment
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say

MOST_NAMED = 12  # models that are listed by name

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=say("cli.remote.name"), show_default=False)]
UrlArgument = Annotated[str, typer.Argument(metavar="URL", help=say("cli.remote.url"), show_default=False)]
KindOption = Annotated[
    str, typer.Option("--kind", metavar="KIND", help=say("cli.remote.kind"), show_default=False)
]
KeyOption = Annotated[bool, typer.Option("--key", help=say("cli.remote.key_option"))]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="PATTERN", help=say("cli.remote.models"), show_default=False),
]
AtATimeOption = Annotated[
    int, typer.Option("--at-a-time", metavar="N", help=say("cli.remote.at_a_time"), show_default=False)
]


def group() -> Any:
    return verbs.group("remote", (("add", add), ("list", list_), ("check", check), ("key", key), ("rm", rm)))


def add(
    name: NameArgument,
    url: UrlArgument,
    kind: KindOption = "",
    key: KeyOption = False,
    model: ModelsOption = None,
    at_a_time: AtATimeOption = 0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    asked = {"name": name, "url": url, "kind": kind, "models": model or [], "at_a_time": at_a_time}
    asked["key"] = secret() if key else ""
    with connect(home) as studio:
        remote = studio.post("/remotes", asked)
    told(remote, json=json)


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        rows = studio.get("/remotes")["remotes"]
    if json:
        screen.json_lines(rows)
    elif rows:
        titles = ("name", "kind", "address", "models", "state")
        screen.table(
            [(say(f"cli.columns.{title}"), "right" if title == "models" else "left") for title in titles],
            [row(remote) for remote in rows],
        )
    else:
        screen.note(say("cli.remote.none"))


def check(name: NameArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        remote = studio.post(f"/remotes/{segment(name)}/check")
    told(remote, json=json)


def key(name: NameArgument, home: HomeOption = None) -> None:
    typed = secret()
    with connect(home) as studio:
        studio.put(f"/remotes/{segment(name)}/key", {"key": typed})
    screen.note(say("cli.remote.key_set" if typed else "cli.remote.key_gone", name=name))


def rm(name: NameArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        studio.delete(f"/remotes/{segment(name)}")
    screen.note(say("cli.remote.removed", name=name))


def secret() -> str:
    """Typed unseen, or the first line of stdin. Never an argument: other users can read those."""
    if sys.stdin.isatty():
        return str(
            typer.prompt(say("cli.remote.key_prompt"), default="", hide_input=True, show_default=False)
        )
    return sys.stdin.readline().strip()


def told(remote: dict[str, Any], *, json: bool) -> None:
    if json:
        screen.json_lines([remote])
        return
    models = remote["models"]
    shown = ", ".join(models[:MOST_NAMED]) + (" …" if len(models) > MOST_NAMED else "")
    label, name = remote["label"], remote["name"]
    screen.note(say("cli.remote.added", name=name, kind=label, count=len(models), models=shown or "–"))
    screen.note(say(f"models.elsewhere.{remote['reach']}", host=remote["host"]))
    if remote["has_key"] and not remote["is_encrypted"] and remote["reach"] == "internet":
        screen.note(say("cli.remote.open_key", host=remote["host"]))


def row(remote: dict[str, Any]) -> tuple[str, ...]:
    state = say(f"cli.remote.reach.{remote['reach']}")
    return (remote["name"], remote["label"], remote["url"], f"{len(remote['models'])}", state)
