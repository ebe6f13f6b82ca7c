"""`fabula imatrix MODEL TEXT`. Knows how the work is asked for and shown, not how it is done."""

from __future__ import annotations

from typing import Annotated

import typer

from fabula.cli import screen
from fabula.cli.client import segment
from fabula.cli.jobs import follow
from fabula.cli.options import HomeOption, JsonOption, ModelArgument
from fabula.cli.quantize import place
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.texts import as_duration

TextArgument = Annotated[
    str, typer.Argument(metavar="TEXT", help=say("cli.imatrix.text"), show_default=False)
]
OutOption = Annotated[
    str, typer.Option("--out", metavar="FILE", help=say("cli.imatrix.out"), show_default=False)
]
ChunksOption = Annotated[
    int, typer.Option("--chunks", metavar="N", help=say("cli.imatrix.chunks"), show_default=False, min=0)
]
ThreadsOption = Annotated[
    int, typer.Option("--threads", metavar="N", help=say("cli.imatrix.threads"), show_default=False, min=0)
]


def imatrix(
    model: ModelArgument,
    text: TextArgument,
    out: OutOption = "",
    chunks: ChunksOption = 0,
    threads: ThreadsOption = 0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    asked = {"text": place(text), "out": place(out), "chunks": chunks, "threads": threads}
    with connect(home) as studio:
        job = follow(studio, studio.post(f"/models/{segment(model)}/imatrix", asked), json=json)
    if (made := job["result"]) and not json:
        screen.line(say("cli.imatrix.done", **made, time=as_duration(made["seconds"])))
        if made["unused"]:
            screen.note(say("cli.imatrix.unused", count=made["unused"]))
