"""`fabula vector …`. Knows how control vectors are listed, not what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import screen, verbs
from fabula.cli.client import segment
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=say("cli.vector.name"), show_default=False)]
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help=say("cli.vector.file"), show_default=False)
]


def group() -> Any:
    return verbs.group("vector", (("list", list_), ("add", add), ("rm", rm)))


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        vectors = studio.get("/vectors")["vectors"]
    if json:
        screen.json_lines(vectors)
    elif vectors:
        titles = [(say(f"cli.columns.{title}"), "left") for title in ("name", "layers", "width")]
        rows = [(row["name"], _layers(row["layers"]), f"{row['width']}") for row in vectors]
        screen.table(titles, rows)  # type: ignore[arg-type]
    else:
        screen.note(say("cli.vector.none"))


def add(name: NameArgument, file: FileArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        made = studio.post("/vectors", {"name": name, "path": str(file.expanduser().absolute())})
    if json:
        screen.json_lines([made])
    else:
        screen.note(say("cli.vector.added", name=made["name"], layers=_layers(made["layers"])))


def rm(name: NameArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        studio.delete(f"/vectors/{segment(name)}")
    screen.note(say("cli.vector.removed", name=name))


def _layers(layers: list[int]) -> str:
    """Runs as such: 1–12, 14."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], layer]
        else:
            runs.append([layer])
    return ", ".join("–".join(f"{end}" for end in run) for run in runs)
