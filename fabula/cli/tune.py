"""`fabula engine tune`. Knows how a measurement is shown, not how it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.client import segment
from fabula.cli.jobs import follow
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.texts import as_duration

if TYPE_CHECKING:
    from rich.text import Text

COLUMNS: tuple[tuple[str, screen.Side], ...] = (
    ("tried", "left"),
    ("reads", "right"),
    ("writes", "right"),
    ("turn", "right"),
    ("change", "right"),
    ("load", "right"),
    ("remark", "left"),
)

CHANGE = 4  # the column of what was gained
PLAIN = 0.03  # less is no news

ModelArgument = Annotated[
    str, typer.Argument(metavar="[MODEL]", help=say("cli.engine.tune.model"), show_default=False)
]
BudgetOption = Annotated[
    float, typer.Option("--budget", metavar="SECONDS", help=say("cli.engine.tune.budget"), min=5, max=3600)
]
KvOption = Annotated[bool, typer.Option("--kv-types", help=say("cli.engine.tune.kv_types"))]
CoresOption = Annotated[bool, typer.Option("--all-cores", help=say("cli.engine.tune.all_cores"))]
AnywayOption = Annotated[bool, typer.Option("--anyway", help=say("cli.engine.tune.anyway"))]
ShowOption = Annotated[bool, typer.Option("--show", help=say("cli.engine.tune.show"))]
ForgetOption = Annotated[bool, typer.Option("--forget", help=say("cli.engine.tune.forget"))]


def tune(
    model: ModelArgument = "",
    budget: BudgetOption = 60.0,
    kv_types: KvOption = False,
    all_cores: CoresOption = False,
    anyway: AnywayOption = False,
    show_: ShowOption = False,
    forget: ForgetOption = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    wishes = {"budget": budget, "kv_types": kv_types, "all_cores": all_cores, "anyway": anyway}
    with connect(home) as studio:
        name = model or default_model(studio)
        place = f"/models/{segment(name)}/tune"
        if forget:
            known = studio.get(place)["tuning"]
            studio.delete(place)
            screen.note(say(f"cli.engine.tune.{'forgotten' if known else 'none'}", model=name))
            return
        if show_:
            told = studio.get(place)["tuning"]
            report = told and told["report"]
        else:
            report = follow(studio, studio.post(place, wishes), json=json)["result"]
    if report is None:
        screen.note(say("cli.engine.tune.none", model=name))
    elif not json:
        show(report)
    elif show_:
        screen.json_lines([report])


def default_model(studio: Any) -> str:
    """The one that a request without a name gets."""
    return str(studio.get("/models/")["name"])


def show(report: dict[str, Any]) -> None:
    """The table, and under it what follows from it. A cancelled measurement has found nothing."""
    if not report:
        return
    screen.line(heading(report))
    screen.line()
    titles = [(say(f"cli.engine.tune.columns.{name}"), side) for name, side in COLUMNS]
    rows = [first_row(report), *(row(cell) for cell in report["cells"])]
    styles = ["", *(style(cell) for cell in report["cells"])]
    screen.table(titles, [coloured(row, style) for row, style in zip(rows, styles, strict=True)])
    screen.out().print(say("cli.engine.tune.legend"), style="dim")
    screen.line()
    for sentence in conclusions(report):
        screen.out().print(sentence)


def heading(report: dict[str, Any]) -> str:
    parts = [report["model"], report["gpu"] or report["processor"]]
    return " · ".join([*parts, say("cli.engine.tune.cores", count=report["cores"])])


def first_row(report: dict[str, Any]) -> tuple[str, ...]:
    start = report["start"]
    return (
        say("cli.engine.tune.start", threads=start["setup"]["threads"]),
        *figures(start),
        "–",
        load(start),
        "",
    )


def row(cell: dict[str, Any]) -> tuple[str, ...]:
    return (tried(cell), *figures(cell), change(cell["ratio"]), load(cell), remark(cell))


def style(cell: dict[str, Any]) -> str:
    """Of the row's time: pale if it was measured under load, coloured if it is plainly better or worse."""
    if cell["noisy"]:
        return screen.STYLES["soft"]
    if abs(cell["ratio"] - 1) < PLAIN:
        return ""
    return screen.STYLES["ok" if cell["ratio"] < 1 else "bad"]


def coloured(row: Sequence[str], style: str) -> list[Text]:
    """A pale row is pale all over; a colour is only on what was gained or lost."""
    from rich.text import Text

    everywhere = style == screen.STYLES["soft"]
    return [
        Text(cell, style=style if everywhere or place == CHANGE else "") for place, cell in enumerate(row)
    ]


def tried(cell: dict[str, Any]) -> str:
    """What was changed: one value, or all that was found better before the comparison at the end."""
    if cell["axis"] == "confirm":
        return say("cli.engine.tune.together")
    axis = cell["axis"]
    return f"{say(f'cli.engine.tune.axes.{axis}')} {cell['setup'][axis]}"


def figures(cell: dict[str, Any]) -> tuple[str, str, str]:
    return f"{cell['read']:.0f}", f"{cell['written']:.1f}", as_duration(cell["turn"])


def change(ratio: float) -> str:
    """ "−12 %" is that much less time."""
    percent = round((ratio - 1) * 100)
    return f"{'−' if percent < 0 else '+' if percent > 0 else '±'}{abs(percent)} %"


def load(cell: dict[str, Any]) -> str:
    return f"{cell['load'] * 100:.0f} %"


def remark(cell: dict[str, Any]) -> str:
    if cell["noisy"]:
        return say("cli.engine.tune.noisy")
    if cell["axis"] != "speculation":
        return ""
    if not cell["same_text"]:
        return say("cli.engine.tune.other_text")
    return say("cli.engine.tune.repeating", times=1 / cell["repeating"])


def conclusions(report: dict[str, Any]) -> list[str]:
    """What is used from now on, what a person may want, and what was not stored."""
    if report["busy"]:
        return [say("cli.engine.tune.busy", load=report_load(report), model=report["model"])]
    chosen = ", ".join(f"{name} = {value}" for name, value in report["options"].items())
    if chosen:
        found = [say("cli.engine.tune.chosen", options=chosen, change=change(report["ratio"]))]
    else:  # of what was compared
        found = [say("cli.engine.tune.nothing")] if report["cells"] else []
    names = ", ".join(say(f"jobs.tune.{axis}") for axis in dict.fromkeys(report["skipped"]))
    late = [say("cli.engine.tune.skipped", names=names, budget=round(report["budget"] * 2))] if names else []
    return [*found, *(offered(offer) for offer in report["offers"]), *late]


def offered(offer: dict[str, Any]) -> str:
    told = {"name": offer["name"], "value": offer["value"], "change": change(offer["ratio"])}
    return say(f"cli.engine.tune.offers.{offer['why']}", **told)


def report_load(report: dict[str, Any]) -> float:
    loads = sorted(cell["load"] for cell in [report["start"], *report["cells"]])
    return float(loads[len(loads) // 2])
