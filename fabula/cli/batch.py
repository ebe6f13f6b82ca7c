"""`fabula batch TEMPLATE ROWS OUT`. Knows rows, files and the screen, not how an answer is made.

The rows and their journal are this command's; the studio answers one row after the other. So the command may
end at any moment, by Ctrl-C or `kill -9`, and the same command goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.batches import output
from fabula.cli import asking_rows, screen
from fabula.cli.getting import here
from fabula.cli.options import HomeOption, JsonOption, YesOption
from fabula.cli.run import (
    MaxTokensOption,
    SeedOption,
    SetOption,
    StopOption,
    TemperatureOption,
    check,
    read_setting,
)
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BatchRunning

EXAMPLE = "{title}"
TemplateArgument = Annotated[
    str,
    typer.Argument(metavar="TEMPLATE", help=say("cli.batch.template", example=EXAMPLE), show_default=False),
]
RowsArgument = Annotated[Path, typer.Argument(metavar="ROWS", help=say("cli.batch.rows"), show_default=False)]
OutArgument = Annotated[Path, typer.Argument(metavar="OUT", help=say("cli.batch.out"), show_default=False)]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", metavar="MODEL", help=say("cli.batch.model"), show_default=False)
]
PresetOption = Annotated[
    str, typer.Option("--preset", metavar="NAME", help=say("cli.batch.preset"), show_default=False)
]
SchemaOption = Annotated[
    str, typer.Option("--schema", metavar="SCHEMA", help=say("cli.batch.schema"), show_default=False)
]
SystemOption = Annotated[
    str, typer.Option("--system", "-s", metavar="FILE", help=say("cli.batch.system"), show_default=False)
]
ParallelOption = Annotated[
    int,
    typer.Option(
        "--parallel", "-p", metavar="N", help=say("cli.batch.parallel"), show_default=False, min=0, max=256
    ),
]
RetriesOption = Annotated[
    int, typer.Option("--retries", metavar="N", help=say("cli.batch.retries"), min=0, max=20)
]
EncodingOption = Annotated[
    str, typer.Option("--encoding", metavar="NAME", help=say("cli.batch.encoding"), show_default=False)
]
AgainOption = Annotated[bool, typer.Option("--again", help=say("cli.batch.again"))]

LONGEST_NAME = 4096  # bytes of a path; a longer text is none


def batch(
    template: TemplateArgument,
    rows: RowsArgument,
    out: OutArgument,
    schema: SchemaOption = "",
    model: ModelOption = "",
    preset: PresetOption = "",
    system: SystemOption = "",
    parallel: ParallelOption = 0,
    retries: RetriesOption = 2,
    temperature: TemperatureOption = None,
    max_tokens: MaxTokensOption = None,
    seed: SeedOption = None,
    stop: StopOption = None,
    sets: SetOption = None,
    encoding: EncodingOption = "",
    again: AgainOption = False,
    yes: YesOption = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    given: dict[str, Any] = {"temperature": temperature, "max_tokens": max_tokens, "seed": seed, "stop": stop}
    sampling = {name: value for name, value in given.items() if value not in (None, [])}
    sampling |= dict(read_setting(*text.partition("=")[::2]) for text in sets or [])
    check(sampling)
    sampling |= {"json_schema": text_of(schema)} if schema else {}
    sampling |= {"preset": preset} if preset else {}
    work = asking_rows.prepared(text_of(template), text_of(system), rows, out, encoding)
    with _alone(work.journal), connect(home) as studio:
        name = here(studio, model, yes=yes) if model else ""
        checked = studio.post("/batches/check", {"model": name, "sampling": sampling})
        asking = asking_rows.Asking(checked["model"], checked["sampling"], retries, parallel)
        made = asking_rows.ask(studio, work, asking, again=again)
    if json:
        screen.json_lines([made])
    else:
        show(work, made)


def show(work: asking_rows.Work, made: dict[str, Any]) -> None:
    screen.line(say("cli.batch.done", path=made["path"], total=made["rows"], took=made["seconds"]))
    screen.line(" · ".join(asking_rows.counted(made["counts"])))
    if count := made["counts"]["looks_refused"]:
        column = output.names(work.table.columns)["looks_refused"]
        screen.note(say("cli.batch.refusals", count=count, column=column))


def text_of(given: str) -> str:
    """What a file of that name holds, else the text itself."""
    if given and "\n" not in given and len(given.encode()) < LONGEST_NAME:
        path = Path(given).expanduser()
        if path.is_file():
            return path.read_text(encoding="utf-8-sig")
    return given


@contextmanager
def _alone(journal: Path) -> Iterator[None]:
    """Raises BatchRunning where another command works on the same output."""
    from fabula.store.locks import lock_file

    lock = journal.with_name(f"{journal.name}.lock")
    with ExitStack() as held:
        try:
            held.enter_context(lock_file(lock))
        except BlockingIOError as other:
            raise BatchRunning(str(journal)) from other
        held.callback(lock.unlink, missing_ok=True)
        yield
