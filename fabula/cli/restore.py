"""`fabula restore FILE`. Knows no file format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fabula.cli import screen
from fabula.cli.options import HomeOption, YesOption
from fabula.cli.studio import locate
from fabula.cli.words import say

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help=say("cli.restore.file"), show_default=False)
]


def restore(file: FileArgument, yes: YesOption = False, home: HomeOption = None) -> None:
    """Needs the home for itself: with a studio running it raises StudioRunning."""
    from fabula.store import backup

    place = locate(home)
    if not yes and sys.stdin.isatty():
        typer.confirm(say("cli.restore.ask", file=file, home=place.path), abort=True, err=True)
    kept = backup.restore(place, file)
    screen.note(say("cli.restore.done", file=file))
    screen.note(say("cli.restore.kept", file=kept))
