"""`fabula pull SOURCE`. Knows how a download is watched, not how it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fabula.cli import screen
from fabula.cli.jobs import follow
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say

SourceArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", help=say("cli.pull.source"), show_default=False)
]


def pull(source: SourceArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        job = studio.post("/models/pull", {"source": absolute(source)})
        job = follow(studio, job, json=json)
    if not json:
        screen.note(say("cli.pull.done", name=job["result"].get("name", source)))


def absolute(source: str) -> str:
    """A file of this folder with its whole path: the studio may run in another one."""
    file = Path(source).expanduser()
    return str(file.absolute()) if file.is_file() else source
