"""`fabula direction export` and `write`. Knows how the work is asked for and shown, not how weights
change."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.beside import only, refuse
from fabula.cli.client import Client, segment
from fabula.cli.direction_look import foresee
from fabula.cli.direction_search import point as point_of
from fabula.cli.jobs import follow
from fabula.cli.mistakes import WrongUsage
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.probes import show_probes
from fabula.cli.quantize import NoProbesOption, place, show_measured
from fabula.cli.reply import printable
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.texts import as_duration

DirectionArgument = Annotated[
    str, typer.Argument(metavar="[DIRECTION]", help=say("cli.direction.direction"), show_default=False)
]
ModelArgument = Annotated[
    str, typer.Argument(metavar="[MODEL]", help=say("cli.direction.model"), show_default=False)
]
AsOption = Annotated[str, typer.Option("--as", metavar="FORM", help=say("cli.direction.export.as"))]
OutOption = Annotated[
    str, typer.Option("--out", metavar="FOLDER", help=say("cli.direction.export.out"), show_default=False)
]
CalledOption = Annotated[
    str, typer.Option("--name", metavar="NAME", help=say("cli.direction.called"), show_default=False)
]
StrengthOption = Annotated[float, typer.Option("--strength", metavar="S", help=say("cli.direction.strength"))]
ScopeOption = Annotated[str, typer.Option("--scope", metavar="SCOPE", help=say("cli.direction.scope"))]
LayerOption = Annotated[
    float | None, typer.Option("--layer", metavar="N", help=say("cli.direction.layer"), show_default=False)
]
LayersOption = Annotated[
    str, typer.Option("--layers", metavar="A-B", help=say("cli.direction.layers"), show_default=False)
]
TargetsOption = Annotated[str, typer.Option("--targets", metavar="PARTS", help=say("cli.direction.targets"))]
KeepOption = Annotated[bool, typer.Option("--keep-norms", help=say("cli.direction.keep_norms"))]
NoMeasureOption = Annotated[bool, typer.Option("--no-measure", help=say("cli.direction.write.no_measure"))]
RecipeOption = Annotated[
    Path | None,
    typer.Option("--recipe", metavar="FILE", help=say("cli.direction.recipe"), show_default=False),
]
PointOption = Annotated[
    str,
    typer.Option("--point", metavar="JOB:NUMBER", help=say("cli.direction.point"), show_default=False),
]
AddOption = Annotated[
    float | None,
    typer.Option("--add", metavar="SCALE", help=say("cli.direction.write.add"), show_default=False),
]
AfterOption = Annotated[
    str, typer.Option("--after", metavar="PLACE", help=say("cli.direction.write.after_help"))
]
LookOption = Annotated[bool, typer.Option("--look", help=say("cli.direction.write.look"))]
AttachOption = Annotated[bool, typer.Option("--attach", help=say("cli.direction.export.attach"))]


OF_POINT = ("strength", "scope", "layer", "layers", "targets")  # a trial tells them
NOT_OF = {"adapter": ("out",), "vector": ("out", "attach", "targets", "point"), "peft": ("attach",)}
"""What says nothing to a form of export. A vector lies at the ends of layers, as strong at each."""


def export(
    context: typer.Context,
    direction: DirectionArgument,
    model: ModelArgument,
    form: AsOption = "adapter",
    name: CalledOption = "",
    out: OutOption = "",
    strength: StrengthOption = 1.0,
    scope: ScopeOption = "global",
    layer: LayerOption = None,
    layers: LayersOption = "",
    targets: TargetsOption = "attention,mlp",
    point: PointOption = "",
    attach: AttachOption = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    refuse(context, "form", NOT_OF.get(form, ()), form)
    if point:
        refuse(context, "point", OF_POINT)
    asked = chosen(model, name, strength, scope, layer, layers, targets)
    asked |= {"form": form, "out": place(out)}
    with connect(home) as studio:
        asked = picked(studio, point, asked, direction)
        job = follow(studio, studio.post(f"/directions/{segment(direction)}/export", asked), json=json)
        made = job["result"]
        if attach and made and form == "adapter":
            path = f"/models/{segment(made['model'])}/adapters/attach"
            studio.post(path, {"adapter": made["name"], "scale": 0.0})
    if made and not json:
        told = {"name": quote(made["name"]), "path": made.get("path", "")}
        screen.line(say(f"cli.direction.export.done_{form}", **told))
        if left := made.get("left"):
            screen.note(say("cli.direction.export.left", names=", ".join(left[:5]), count=len(left)))


def write(
    context: typer.Context,
    direction: DirectionArgument = "",
    model: ModelArgument = "",
    name: CalledOption = "",
    add: AddOption = None,
    after: AfterOption = "layer",
    strength: StrengthOption = 1.0,
    scope: ScopeOption = "global",
    layer: LayerOption = None,
    layers: LayersOption = "",
    targets: TargetsOption = "attention,mlp",
    keep_norms: KeepOption = False,
    point: PointOption = "",
    no_measure: NoMeasureOption = False,
    no_probes: NoProbesOption = False,
    look: LookOption = False,
    recipe: RecipeOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    if point:
        refuse(context, "point", OF_POINT)
    if recipe:
        only(context, "recipe", ("direction", "model", "name", "look"))
        from fabula.lab.directions.recipe import load_use

        usual, asked = load_use(recipe)
        direction = direction or usual
        asked |= {word: value for word, value in (("model", model), ("name", name)) if value}
    elif not (direction and model):
        raise WrongUsage(say("cli.direction.write.what"))
    else:
        asked = chosen(model, name, strength, scope, layer, layers, targets)
        asked |= {"keep_norms": keep_norms, "after": after, "measure": not no_measure}
        asked |= {"probes": not no_probes}
        asked |= added(add, strength, point)
    with connect(home) as studio:
        asked = picked(studio, point, asked, direction)
        if look:
            foresee(studio, direction, asked, json=json)
            return
        job = follow(studio, studio.post(f"/directions/{segment(direction)}/write", asked), json=json)
        made = job["result"]
        if made and not json:
            tell(made)
            show_probes(studio, made.get("measured") or {})


SHOWN = 5  # names of tensors
SAMPLE = ("prompt", "before", "after")


def chosen(
    model: str, name: str, strength: float, scope: str, layer: float | None, layers: str, targets: str
) -> dict[str, Any]:
    """As the studio takes it."""
    parts = {part.strip() for part in targets.split(",") if part.strip()}
    asked: dict[str, Any] = {"model": model, "name": name, "strength": strength, "scope": scope}
    asked |= {part: part in parts for part in ("attention", "mlp", "embeddings")}
    if strange := parts - {"attention", "mlp", "embeddings"}:
        raise WrongUsage(say("cli.direction.no_part", part=min(strange)))
    first, dash, last = layers.partition("-")
    if layers and not (first.isdecimal() and (last.isdecimal() or not dash)):
        raise WrongUsage(say("cli.direction.no_layers", layers=layers))
    if layers:
        asked |= {"first": int(first), "last": int(last or first)}
    return asked | ({} if layer is None else {"layer": layer})


def added(scale: float | None, strength: float, point: str) -> dict[str, Any]:
    """What adding it is asked with; nothing where it is taken out."""
    if scale is None:
        return {}
    if strength != 1.0:
        raise WrongUsage(say("cli.direction.write.no_strength"))
    if point:
        raise WrongUsage(say("cli.direction.write.no_point"))
    return {"way": "add", "strength": scale}


def picked(studio: Client, point: str, asked: dict[str, Any], direction: str) -> dict[str, Any]:
    """With the layers and strengths of a trial, where one is named; a name that was given stays."""
    if not point:
        return asked
    use = point_of(studio, point, direction)
    return asked | use | {"name": asked["name"] or use["name"]}


def tell(made: dict[str, Any]) -> None:
    told = {"name": made["name"], "count": len(made["tensors"]), "time": as_duration(made["seconds"])}
    if made.get("way") == "add":
        off = f"{made['most_off']:.1g}"
        screen.line(say("cli.direction.write.done_add", **told, scale=f"{made['scale']:g}", off=off))
    else:
        screen.line(say("cli.direction.write.done", **told, left=f"{made['most_left']:.1g}"))
    if masks := made.get("masks"):
        screen.note(say("lab.directions.masks", count=len(masks), names=", ".join(masks[:SHOWN])))
    if made.get("again"):
        screen.note(say("cli.direction.write.again"))
    if measured := made.get("measured"):
        show_measured(measured)
        if streamed := measured.get("streamed"):
            screen.note(say(f"lab.directions.streamed.{streamed['why']}", **streamed))
            screen.note(say("web.probes.streamed"))
        for sample in measured["samples"]:
            rows = [(say(f"cli.direction.write.{name}"), printable(sample[name])) for name in SAMPLE]
            screen.line()
            screen.pairs(rows)
