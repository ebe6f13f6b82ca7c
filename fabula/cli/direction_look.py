"""`fabula direction models`, `check` and `write --look`: what would be, before anything begins. Knows no
weights."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.client import Client, segment
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.quantize import place
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.texts import as_bytes

DirectionArgument = Annotated[
    str, typer.Argument(metavar="[DIRECTION]", help=say("cli.direction.models.direction"), show_default=False)
]
FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help=say("cli.direction.check.file"), show_default=False)
]
ColumnOption = Annotated[
    str, typer.Option("--column", metavar="NAME", help=say("cli.direction.column"), show_default=False)
]
WORDS = ("learn", "try", "write", "add")


def models(direction: DirectionArgument = "", home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        rows = studio.get("/directions/models", direction=direction)["models"]
    if json:
        screen.json_lines(rows)
        return
    asked = [word for word in WORDS if rows and word in rows[0]]
    titles: list[tuple[str, screen.Side]] = [(say("cli.columns.name"), "left")]
    titles += [(say(f"cli.direction.models.{word}"), "left") for word in asked]
    screen.table(titles, [(row["name"], *(answer(row[word]) for word in asked)) for row in rows])


def answer(reason: str) -> str:
    """Why not, where there is a reason."""
    return reason or say("cli.direction.models.can")


def check(
    file: FileArgument, column: ColumnOption = "", home: HomeOption = None, json: JsonOption = False
) -> None:
    with connect(home) as studio:
        found = studio.post("/directions/prompts", {"path": place(file), "column": column})
    if json:
        screen.json_lines([found])
        return
    counts = {name: found[name] for name in ("prompts", "different", "learned", "held_out")}
    screen.line(say("cli.direction.check.found", **counts))
    for example in found["examples"]:
        screen.note(f"  {example}")


def foresee(studio: Client, direction: str, asked: dict[str, Any], *, json: bool) -> None:
    """What writing would touch."""
    found = studio.post(f"/directions/{segment(direction)}/write/look", asked)
    if json:
        screen.json_lines([found])
        return
    parts = ", ".join(
        f"{say(f'cli.direction.parts.{name}')}: {count}" for name, count in found["parts"].items()
    )
    layers = "–".join(f"{layer}" for layer in dict.fromkeys(found["layers"])) or "–"
    told = {"name": found["name"], "count": found["tensors"], "numbers": found["numbers"], "parts": parts}
    screen.line(say("cli.direction.write.foreseen", **told, layers=layers, size=as_bytes(found["size"])))
