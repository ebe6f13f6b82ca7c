"""`fabula direction search`, and a trial of one as a choice of layers. Knows no model and no maths."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.beside import only
from fabula.cli.client import Client, segment
from fabula.cli.jobs import follow
from fabula.cli.mistakes import WrongUsage
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.quantize import place
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.texts import as_duration

DirectionArgument = Annotated[
    str, typer.Argument(metavar="[DIRECTION]", help=say("cli.direction.direction"), show_default=False)
]
ModelArgument = Annotated[
    str, typer.Argument(metavar="[MODEL]", help=say("cli.direction.model"), show_default=False)
]
GoalOption = Annotated[str, typer.Option("--goal", metavar="GOAL", help=say("cli.direction.search.goal"))]
TrialsOption = Annotated[
    int, typer.Option("--trials", "-n", metavar="N", help=say("cli.direction.search.trials"), min=1)
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help=say("cli.direction.search.seed"), min=0)]
PromptsOption = Annotated[
    int, typer.Option("--prompts", metavar="N", help=say("cli.direction.search.prompts"), min=2)
]
TokensOption = Annotated[
    int, typer.Option("--tokens", metavar="N", help=say("cli.direction.search.tokens"), min=4)
]
HarmlessOption = Annotated[
    str,
    typer.Option("--harmless", metavar="FILE", help=say("cli.direction.search.harmless"), show_default=False),
]
TargetsOption = Annotated[
    str, typer.Option("--targets", metavar="PARTS", help=say("cli.direction.search.targets"))
]
ThreadsOption = Annotated[
    int, typer.Option("--threads", metavar="N", help=say("cli.direction.threads"), min=0, show_default=False)
]
ResumeOption = Annotated[
    str, typer.Option("--resume", metavar="JOB", help=say("cli.direction.search.resume"), show_default=False)
]
RecipeOption = Annotated[
    Path | None,
    typer.Option("--recipe", metavar="FILE", help=say("cli.direction.recipe"), show_default=False),
]
PARTS = ("attention", "mlp")
FAINT = 1.0  # d′ of the model's own replies: below, what is measured on them says little
COLUMNS: tuple[tuple[str, screen.Side], ...] = (
    ("cli.direction.search.columns.trial", "right"),
    ("cli.direction.search.columns.trait", "right"),
    ("cli.direction.search.columns.kl", "right"),
    ("cli.direction.search.columns.from", "left"),
    ("cli.direction.search.columns.attention", "left"),
    ("cli.direction.search.columns.mlp", "left"),
)


def search(
    context: typer.Context,
    direction: DirectionArgument = "",
    model: ModelArgument = "",
    goal: GoalOption = "remove",
    trials: TrialsOption = 40,
    seed: SeedOption = 1,
    prompts: PromptsOption = 8,
    tokens: TokensOption = 24,
    harmless: HarmlessOption = "",
    targets: TargetsOption = "attention,mlp",
    threads: ThreadsOption = 0,
    resume: ResumeOption = "",
    recipe: RecipeOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    asked: dict[str, Any] = {}
    if resume:
        only(context, "resume", ())
    elif recipe:
        only(context, "recipe", ("direction", "model"))
        from fabula.lab.directions.recipe import load_use

        usual, asked = load_use(recipe)
        direction = direction or usual
        asked |= {"model": model} if model else {}
    elif direction and model:
        asked = {"model": model, "goal": goal, "trials": trials, "seed": seed, "threads": threads}
        asked |= {"prompts": prompts, "tokens": tokens, "harmless": place(harmless)} | parts(targets)
    else:
        raise WrongUsage(say("cli.direction.search.what"))
    with connect(home) as studio:
        path = f"/jobs/{resume}/resume" if resume else f"/directions/{segment(direction)}/search"
        job = follow(studio, studio.post(path, None if resume else asked), json=json)
    if job["result"] and not json:
        tell(job)


def parts(targets: str) -> dict[str, bool]:
    wanted = {part.strip() for part in targets.split(",") if part.strip()}
    if strange := wanted - set(PARTS):
        raise WrongUsage(say("cli.direction.search.no_part", part=min(strange)))
    return {part: part in wanted for part in PARTS}


def tell(job: dict[str, Any]) -> None:
    made = job["result"]
    told = {"name": made["direction"], "model": made["model"]}
    screen.line(
        say("cli.direction.search.done", **told, count=len(made["trials"]), time=as_duration(made["seconds"]))
    )
    rows = {trial["number"]: trial for trial in made["trials"]}
    best = [rows[number] for number in made["front"]]
    screen.table([(say(title), side) for title, side in COLUMNS], [row_of(trial) for trial in best])
    if made["start"]["separation"] < FAINT:
        screen.note(say("cli.direction.search.faint", separation=f"{made['start']['separation']:.1f}"))
    if best:
        number = best[len(best) // 2]["number"]
        quoted = {name: quote(value) for name, value in told.items()}
        screen.note(say("cli.direction.search.next", **quoted, job=job["id"], number=number))


def row_of(trial: dict[str, Any]) -> tuple[str, ...]:
    use = trial["use"]
    source = f"{use['layer']:g}" if use["scope"] == "global" else say("cli.direction.search.each")
    ramps = (ramp(use.get(f"{part}_ramp")) for part in PARTS)
    return f"{trial['number']}", f"{trial['trait']:.0%}", f"{trial['kl']:.4f}", source, *ramps


def ramp(values: dict[str, float] | None) -> str:
    shown = {name: f"{value:.3g}" for name, value in (values or {}).items()}
    return say("cli.direction.search.ramp", **shown) if shown else "–"


def point(studio: Client, named: str, direction: str) -> dict[str, Any]:
    """How a trial puts its direction to use: the fields of an edit, and a name of its own for what is made of
    it: that of the direction is its usual adapter's. `named` is JOB:NUMBER."""
    job, _, number = named.partition(":")
    if not number.isdecimal():
        raise WrongUsage(say("cli.direction.no_point", point=named))
    made = studio.get(f"/jobs/{segment(job)}")["result"]
    found = next((trial for trial in made.get("trials") or [] if trial["number"] == int(number)), None)
    if found is None:
        raise WrongUsage(say("cli.direction.no_point", point=named))
    if made["direction"] != direction:
        raise WrongUsage(
            say("cli.direction.other_point", point=named, other=made["direction"], name=direction)
        )
    use: dict[str, Any] = found["use"]
    return use | {"name": f"{made['direction']}-{made['recipe_hash'][:4]}-{number}"}
