"""`fabula quantize MODEL TYPE`. Knows how the work is asked for and shown, not how weights are packed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.beside import only, refuse
from fabula.cli.client import error_of, segment
from fabula.cli.jobs import follow
from fabula.cli.options import HomeOption, JsonOption, ModelArgument
from fabula.cli.probes import show_probes
from fabula.cli.studio import connect
from fabula.cli.words import language, say
from fabula.core.texts import as_bytes, as_duration

TypeArgument = Annotated[
    str, typer.Argument(metavar="[TYPE]", help=say("cli.quantize.type"), show_default=False)
]
NameOption = Annotated[
    str, typer.Option("--name", metavar="NAME", help=say("cli.quantize.name"), show_default=False)
]
ThreadsOption = Annotated[
    int, typer.Option("--threads", metavar="N", help=say("cli.quantize.threads"), show_default=False, min=0)
]
ForceOption = Annotated[bool, typer.Option("--force", help=say("cli.quantize.force"))]
ImatrixOption = Annotated[
    str, typer.Option("--imatrix", metavar="FILE", help=say("cli.quantize.imatrix"), show_default=False)
]
ImatrixFromOption = Annotated[
    str,
    typer.Option("--imatrix-from", metavar="TEXT", help=say("cli.quantize.imatrix_from"), show_default=False),
]
MeasureOption = Annotated[
    str, typer.Option("--measure", metavar="FILE", help=say("cli.quantize.measure"), show_default=False)
]
NoMeasureOption = Annotated[bool, typer.Option("--no-measure", help=say("cli.quantize.no_measure"))]
NoProbesOption = Annotated[bool, typer.Option("--no-probes", help=say("cli.eval.no_probes"))]
SplitOption = Annotated[
    str, typer.Option("--split", metavar="SIZE", help=say("cli.quantize.split"), show_default=False)
]

COLUMNS: tuple[tuple[str, screen.Side], ...] = (
    ("cli.columns.quantization", "left"),
    ("cli.columns.size", "right"),
    ("cli.quantize.bits", "right"),
    ("cli.engine.tune.columns.remark", "left"),
)
TEXTS: tuple[tuple[str, screen.Side], ...] = (
    ("cli.quantize.columns.text", "left"),
    ("cli.quantize.columns.tokens", "right"),
    ("cli.quantize.perplexity", "right"),
    ("cli.quantize.columns.source", "right"),
    ("cli.quantize.kl", "right"),
    ("cli.quantize.same_top", "right"),
)


def quantize(
    context: typer.Context,
    model: ModelArgument,
    type_: TypeArgument = "",
    name: NameOption = "",
    threads: ThreadsOption = 0,
    imatrix: ImatrixOption = "",
    imatrix_from: ImatrixFromOption = "",
    measure: MeasureOption = "",
    no_measure: NoMeasureOption = False,
    no_probes: NoProbesOption = False,
    split: SplitOption = "",
    force: ForceOption = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    from fabula.models.fit.asking import bytes_of

    if no_measure:
        refuse(context, "no_measure", ("measure",))
    if not type_:
        only(context, "model", ())
    asked = {"type": type_, "name": name, "threads": threads, "force": force, "measure": not no_measure}
    asked |= {"imatrix": place(imatrix), "imatrix_from": place(imatrix_from), "text": place(measure)}
    asked |= {"split": bytes_of("split", split) if split else 0, "probes": not no_probes}
    with connect(home) as studio:
        route = f"/models/{segment(model)}/quantize"
        if not type_:
            list_types(studio.get(route)["types"], json=json)
            return
        made = follow(studio, studio.post(route, asked), json=json)["result"]
        if made and not json:
            show(made)
            show_probes(studio, made.get("measured") or {})


def place(file: str) -> str:
    """A file of this machine, as the studio finds it from wherever it runs."""
    return str(Path(file).expanduser().absolute()) if file else ""


def list_types(rows: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        screen.json_lines(rows)
    else:
        screen.table([(say(title), side) for title, side in COLUMNS], [row(each) for each in rows])


def row(offer: dict[str, Any]) -> tuple[str, ...]:
    remark = say("cli.quantize.needs") if offer["needs_importance"] else ""
    return offer["type"], as_bytes(offer["size"]), f"{offer['bits']:.2f}", remark


def show(made: dict[str, Any]) -> None:
    told = {**made, "bits": f"{made['bits']:.2f}", "source_bits": f"{made['source_bits']:.2f}"}
    screen.line(say("cli.quantize.done", **told))
    if made.get("again"):
        screen.note(say("cli.direction.write.again"))
    if made["from_quantized"]:
        screen.note(say("cli.quantize.warned", name=made["source"], quantization=made["from_quantized"]))
    if made["narrow"]:
        screen.note(say("cli.quantize.narrow", count=made["narrow"]))
    rows = [
        (say("cli.columns.types"), ", ".join(f"{count} × {name}" for name, count in made["types"].items())),
        (say("cli.quantize.took"), as_duration(made["seconds"])),
    ]
    screen.pairs(rows)
    if measured := made.get("measured"):
        show_measured(measured)


def show_measured(found: dict[str, Any]) -> None:
    """A row for each text and one for all; or why there are none."""
    if "error" in found:
        screen.note(say("cli.quantize.not_measured", reason=error_of(found["error"]).sentence(language())))
        return
    rows = [text_row(text["text"], text) for text in found["texts"]]
    if len(rows) > 1:
        rows.append(text_row(say("cli.quantize.all"), found))
    screen.table([(say(title), side) for title, side in TEXTS], rows)


def text_row(name: str, found: dict[str, Any]) -> tuple[str, ...]:
    perplexities = (f"{found[which]:.3f}" for which in ("perplexity", "source_perplexity"))
    return name, f"{found['tokens']:,}", *perplexities, f"{found['kl']:.4f}", f"{found['same_top']:.1%}"
