"""`fabula adapter …`. Knows how adapters are shown and attached, not what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import screen, verbs
from fabula.cli.client import segment
from fabula.cli.jobs import follow
from fabula.cli.options import HomeOption, JsonOption, ModelArgument
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.texts import as_bytes

NameArgument = Annotated[
    str, typer.Argument(metavar="ADAPTER", help=say("cli.adapter.name"), show_default=False)
]
SourceArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", help=say("cli.adapter.source"), show_default=False)
]
ForOption = Annotated[
    str, typer.Option("--for", metavar="MODEL", help=say("cli.adapter.for"), show_default=False)
]
ScaleOption = Annotated[float, typer.Option("--scale", metavar="SCALE", help=say("cli.adapter.scale"))]
CalledOption = Annotated[
    str, typer.Option("--name", metavar="NAME", help=say("cli.adapter.called"), show_default=False)
]


def group() -> Any:
    below = (("list", list_), ("add", add), ("attach", attach), ("detach", detach), ("rm", rm))
    return verbs.group("adapter", below)


def list_(model: ForOption = "", home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        path = f"/models/{segment(model)}/adapters" if model else "/adapters"
        rows = studio.get(path)["adapters"]
    if json:
        screen.json_lines(rows)
    elif rows:
        titles = ("name", "architecture", "rank", "size", "state")
        sides: dict[str, screen.Side] = {"rank": "right", "size": "right"}
        screen.table(
            [(say(f"cli.columns.{title}"), sides.get(title, "left")) for title in titles],
            [row(adapter) for adapter in rows],
        )
    else:
        screen.note(say("cli.adapter.none"))


def add(
    source: SourceArgument,
    model: ModelArgument,
    name: CalledOption = "",
    scale: ScaleOption = 1.0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    with connect(home) as studio:
        asked = {"source": absolute(source), "model": model, "name": name}
        job = follow(studio, studio.post("/adapters", asked), json=json)
        made = job["result"]["name"]
        path = f"/models/{segment(model)}/adapters/attach"
        answer = studio.post(path, {"adapter": made, "scale": scale})
    if not json:
        told(answer, say("cli.adapter.added", name=made, model=answer["model"], scale=f"{scale:g}"))


def attach(
    adapter: NameArgument, model: ModelArgument, scale: ScaleOption = 1.0, home: HomeOption = None
) -> None:
    with connect(home) as studio:
        path = f"/models/{segment(model)}/adapters/attach"
        answer = studio.post(path, {"adapter": adapter, "scale": scale})
    told(answer, say("cli.adapter.attached", name=adapter, model=answer["model"], scale=f"{scale:g}"))


def detach(adapter: NameArgument, model: ModelArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        answer = studio.post(f"/models/{segment(model)}/adapters/detach", {"adapter": adapter})
    told(answer, say("cli.adapter.detached", name=adapter, model=answer["model"]))


def rm(adapter: NameArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        studio.delete(f"/adapters/{segment(adapter)}")
    screen.note(say("cli.adapter.removed", name=adapter))


def told(answer: dict[str, Any], sentence: str) -> None:
    for line in (sentence, *answer["notes"]):
        screen.note(line)


def absolute(source: str) -> str:
    """A file or folder of this folder with its whole path: the studio may run in another one."""
    place = Path(source).expanduser()
    return str(place.absolute()) if place.exists() else source


def row(adapter: dict[str, Any]) -> tuple[str, ...]:
    return (
        adapter["name"],
        adapter.get("architecture", ""),
        f"{adapter.get('rank') or ''}",
        as_bytes(adapter["size"]) if "size" in adapter else "",
        state(adapter),
    )


def state(adapter: dict[str, Any]) -> str:
    """What is wrong with it, else where it is attached."""
    if problem := adapter["problem"] or adapter.get("misfit", ""):
        return str(problem)
    if adapter.get("attached_to"):
        return say("cli.adapter.used", models=", ".join(adapter["attached_to"]))
    return say("cli.adapter.at", scale=f"{adapter['scale']:g}") if adapter.get("attached") else ""
