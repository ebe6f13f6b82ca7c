"""`fabula quantize MODEL TYPE`. Knows how the work is asked for and shown, not how weights are packed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.client import Client, segment
from fabula.cli.jobs import follow
from fabula.cli.options import HomeOption, JsonOption, ModelArgument
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BadParameter
from fabula.core.texts import as_bytes, as_duration, phrase

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
MeasureOption = Annotated[
    str, typer.Option("--measure", metavar="FILE", help=say("cli.quantize.measure"), show_default=False)
]

COLUMNS: tuple[tuple[str, screen.Side], ...] = (
    ("cli.columns.quantization", "left"),
    ("cli.columns.size", "right"),
    ("cli.quantize.bits", "right"),
    ("cli.engine.tune.columns.remark", "left"),
)


def quantize(
    model: ModelArgument,
    type_: TypeArgument = "",
    name: NameOption = "",
    threads: ThreadsOption = 0,
    imatrix: ImatrixOption = "",
    measure: MeasureOption = "",
    force: ForceOption = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    text = read_text(measure) if measure else ""
    importance = str(Path(imatrix).expanduser().absolute()) if imatrix else ""
    with connect(home) as studio:
        place = f"/models/{segment(model)}"
        if not type_:
            list_types(studio.get(f"{place}/quantize")["types"], json=json)
            return
        asked = {"type": type_, "name": name, "threads": threads, "force": force, "imatrix": importance}
        job = follow(studio, studio.post(f"{place}/quantize", asked), json=json)
        made = job["result"]
        compared = compare(studio, made, text) if text and made else None
    if json:
        screen.json_lines([compared] if compared else [])
    elif made:
        show(made, compared)


def read_text(file: str) -> str:
    """Raises BadParameter."""
    try:
        return Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadParameter("measure", file, phrase("expected.text_file")) from error


def list_types(rows: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        screen.json_lines(rows)
    else:
        screen.table([(say(title), side) for title, side in COLUMNS], [row(each) for each in rows])


def row(offer: dict[str, Any]) -> tuple[str, ...]:
    remark = say("cli.quantize.needs") if offer["needs_importance"] else ""
    return offer["type"], as_bytes(offer["size"]), f"{offer['bits']:.2f}", remark


def compare(studio: Client, made: dict[str, Any], text: str) -> dict[str, Any]:
    """The source against the new model over one text."""
    screen.note(say("cli.quantize.measuring"))
    asked = {"other": made["name"], "text": text, "swap": True}
    return dict(studio.post(f"/models/{segment(made['source'])}/compare", asked))


def show(made: dict[str, Any], compared: dict[str, Any] | None) -> None:
    told = {**made, "bits": f"{made['bits']:.2f}", "source_bits": f"{made['source_bits']:.2f}"}
    screen.line(say("cli.quantize.done", **told))
    if made["from_quantized"]:
        screen.note(say("cli.quantize.warned", name=made["source"], quantization=made["from_quantized"]))
    if made["narrow"]:
        screen.note(say("cli.quantize.narrow", count=made["narrow"]))
    rows = [
        (say("cli.columns.types"), ", ".join(f"{count} × {name}" for name, count in made["types"].items())),
        (say("cli.quantize.took"), as_duration(made["seconds"])),
    ]
    screen.pairs([*rows, *(measured(compared) if compared else [])])


def measured(found: dict[str, Any]) -> list[tuple[str, str]]:
    perplexity = {"found": f"{found['other_perplexity']:.3f}", "source": f"{found['perplexity']:.3f}"}
    over = say("cli.quantize.over", tokens=found["tokens"], largest=f"{found['largest_kl']:.3f}")
    return [
        (say("cli.quantize.perplexity"), say("cli.quantize.against", **perplexity)),
        (say("cli.quantize.kl"), f"{found['kl']:.4f} ({over})"),
        (say("cli.quantize.same_top"), f"{found['same_top']:.1%}"),
    ]
