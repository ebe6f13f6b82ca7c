"""`fabula direction …`. Knows how the work is asked for and shown, not how a direction is found."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from fabula.cli import screen, verbs
from fabula.cli.beside import only
from fabula.cli.client import segment
from fabula.cli.direction_look import check, models
from fabula.cli.direction_search import search
from fabula.cli.direction_try import try_
from fabula.cli.direction_use import export, write
from fabula.cli.jobs import follow
from fabula.cli.mistakes import WrongUsage
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.quantize import place
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.texts import as_duration

NameArgument = Annotated[
    str, typer.Argument(metavar="DIRECTION", help=say("cli.direction.direction"), show_default=False)
]
ModelArgument = Annotated[
    str, typer.Argument(metavar="[MODEL]", help=say("cli.direction.model"), show_default=False)
]
PositiveArgument = Annotated[
    str, typer.Argument(metavar="[SET]", help=say("cli.direction.positive"), show_default=False)
]
NegativeArgument = Annotated[
    str, typer.Argument(metavar="[OTHER]", help=say("cli.direction.negative"), show_default=False)
]
CalledOption = Annotated[
    str, typer.Option("--name", metavar="NAME", help=say("cli.direction.called"), show_default=False)
]
ColumnOption = Annotated[
    str, typer.Option("--column", metavar="NAME", help=say("cli.direction.column"), show_default=False)
]
PositionOption = Annotated[
    str, typer.Option("--position", metavar="PLACE", help=say("cli.direction.position"))
]
BareOption = Annotated[bool, typer.Option("--bare", help=say("cli.direction.bare"))]
LimitOption = Annotated[
    int, typer.Option("--limit", metavar="N", help=say("cli.direction.limit"), show_default=False, min=0)
]
ProjectOption = Annotated[str, typer.Option("--project", metavar="HOW", help=say("cli.direction.project"))]
WinsorOption = Annotated[float, typer.Option("--winsor", metavar="Q", help=say("cli.direction.winsor"))]
ForceOption = Annotated[bool, typer.Option("--force", help=say("cli.direction.force"))]
ThreadsOption = Annotated[
    int, typer.Option("--threads", metavar="N", help=say("cli.direction.threads"), show_default=False, min=0)
]
RecipeOption = Annotated[
    Path | None,
    typer.Option("--recipe", metavar="FILE", help=say("cli.direction.recipe"), show_default=False),
]

COLUMNS: tuple[tuple[str, screen.Side], ...] = (
    ("cli.columns.name", "left"),
    ("cli.direction.columns.from", "left"),
    ("cli.direction.columns.sets", "left"),
    ("cli.direction.columns.best", "right"),
    ("cli.direction.columns.accuracy", "right"),
    ("cli.direction.columns.separation", "right"),
)
LAYERS: tuple[tuple[str, screen.Side], ...] = (
    ("cli.direction.columns.layer", "right"),
    ("cli.direction.columns.accuracy", "right"),
    ("cli.direction.columns.separation", "right"),
    ("cli.direction.columns.component", "right"),
    ("cli.direction.columns.next", "right"),
    ("cli.direction.columns.massive", "right"),
)


def group() -> Any:
    functions = (
        ("models", models),
        ("sets", sets),
        ("check", check),
        ("learn", learn),
        ("list", list_),
        ("show", show),
        ("try", try_),
        ("search", search),
        ("export", export),
        ("write", write),
        ("rm", rm),
    )
    return verbs.group("direction", functions, story=say("cli.direction.story"))


def sets(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        rows = studio.get("/directions/sets")["sets"]
    if json:
        screen.json_lines(rows)
        return
    titles: list[tuple[str, screen.Side]] = [
        (say("cli.columns.name"), "left"),
        (say("cli.direction.columns.one"), "left"),
        (say("cli.direction.columns.other"), "left"),
    ]
    screen.table(titles, [(row["name"], *(row["examples"][side][0] for side in SIDES)) for row in rows])


SIDES = ("positive", "negative")


def learn(
    context: typer.Context,
    model: ModelArgument = "",
    positive: PositiveArgument = "",
    negative: NegativeArgument = "",
    name: CalledOption = "",
    column: ColumnOption = "",
    position: PositionOption = "last",
    bare: BareOption = False,
    limit: LimitOption = 0,
    project: ProjectOption = "no",
    winsor: WinsorOption = 1.0,
    force: ForceOption = False,
    threads: ThreadsOption = 0,
    recipe: RecipeOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    if recipe:
        only(context, "recipe", ("model", "positive", "negative", "name"))
        from fabula.lab.directions.recipe import load

        asked = load(recipe) | {word: value for word, value in (("model", model), ("name", name)) if value}
        asked |= {"positive": own(positive), "negative": own(negative)} if positive else {}
    elif not (model and positive):
        raise WrongUsage(say("cli.direction.what"))
    else:
        asked = {"model": model, "positive": own(positive), "negative": own(negative), "name": name}
        asked |= {"column": column, "position": position, "template": not bare, "limit": limit}
        asked |= {"project": project, "winsor": winsor, "force": force, "threads": threads}
    with connect(home) as studio:
        made = follow(studio, studio.post("/directions", asked), json=json)["result"]
    if made and not json:
        tell(made)


def own(source: str) -> str:
    """A file of this machine, as the studio finds it from wherever it runs; a name stays a name."""
    return place(source) if source and Path(source).expanduser().exists() else source


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        told = studio.get("/directions")
    rows = told["directions"]
    if json:
        screen.json_lines(rows)
    elif rows:
        screen.table([(say(title), side) for title, side in COLUMNS], [row_of(row) for row in rows])
        for row in rows:
            warn_of_missing(row)
    elif not told["unreadable"]:
        screen.note(say("cli.direction.none"))
    for why in told["unreadable"]:
        screen.note(why)


def row_of(row: dict[str, Any]) -> tuple[str, ...]:
    sets = " / ".join(Path(name).name for name in (row["positive"], row["negative"]) if name)
    measured = (f"{row['accuracy']:.0%}", f"{row['separation']:.1f}")
    figures = ("–", "–") if "layers" in row["missing"] else measured
    return row["name"], row["model"] or "–", sets or "–", f"{row['best']}", *figures


def warn_of_missing(row: dict[str, Any]) -> None:
    if parts := row["missing"]:
        named = ", ".join(say(f"web.directions.origins.{part}") for part in parts)
        told = {"name": row["name"], "quoted": quote(row["name"]), "parts": named}
        screen.note(say("cli.direction.missing", **told))


def show(name: NameArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        found = studio.get(f"/directions/{segment(name)}")
    if json:
        screen.json_lines([found])
        return
    screen.table([(say(title), side) for title, side in COLUMNS], [row_of(found)])
    screen.table([(say(title), side) for title, side in LAYERS], layers(found))
    warn(found)
    warn_of_missing(found)


def layers(found: dict[str, Any]) -> list[tuple[str, ...]]:
    first, last = found["band"]
    rows: list[tuple[str, ...]] = []
    for number, row in enumerate(found["layers"]):
        mark = "*" if number == found["best"] else "·" if first <= number <= last else " "
        turn = "" if row["next"] is None else f"{row['next']:.3f}"
        shares = (f"{row['accuracy']:.0%}", f"{row['separation']:.1f}", f"{row['component']:.2f}")
        rows.append((f"{number} {mark}", *shares, turn, f"{row['massive']:.0f}"))
    return rows


def tell(made: dict[str, Any]) -> None:
    first, last = made["band"]
    told = {"accuracy": made["accuracy"], "separation": f"{made['separation']:.1f}", "first": first}
    time = as_duration(made["seconds"])
    screen.line(say("cli.direction.done", name=made["name"], best=made["best"], last=last, time=time, **told))
    if made.get("vector"):
        screen.note(say("cli.direction.try_it", name=quote(made["name"]), model=quote(made["model"])))
    warn(made)


def warn(found: dict[str, Any]) -> None:
    if layers := found["massive"]:
        screen.note(say("cli.direction.massive", layers=", ".join(map(str, layers))))


def rm(name: NameArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        studio.delete(f"/directions/{segment(name)}")
    screen.note(say("cli.direction.removed", name=name))
