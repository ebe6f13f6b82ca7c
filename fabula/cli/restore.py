"""`fabula restore FILE`. Knows no file format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fabula.cli import screen
from fabula.cli.client import Client, segment
from fabula.cli.options import HomeOption, YesOption
from fabula.cli.studio import connect_running, locate
from fabula.cli.words import say
from fabula.core.errors import BackupInvalid
from fabula.store.backup_list import ASIDE
from fabula.store.home import Home

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help=say("cli.restore.file"), show_default=False)
]


def restore(file: FileArgument, yes: YesOption = False, home: HomeOption = None) -> None:
    """A running studio puts back what lies in its own `backups`; else the home has to be free, and with a
    studio running StudioRunning is raised."""
    place = locate(home)
    if not yes and sys.stdin.isatty():
        typer.confirm(say("cli.restore.ask", file=file, home=place.path), abort=True, err=True)
    with connect_running(place.path) as studio:
        kept = _live(studio, file) if studio and is_kept(place, file) else _alone(place, file)
    screen.note(say("cli.restore.done", file=file))
    screen.note(say("cli.restore.kept", file=kept))


def is_kept(home: Home, file: Path) -> bool:
    """Whether a path, or a plain name, is that of a backup of the home itself, or of what was put aside."""
    own = home.backups / file.name
    is_ours = own.is_dir() if own.name.startswith(ASIDE) else own.is_file()
    return is_ours and (file == Path(file.name) or file.resolve() == own.resolve())


def _live(studio: Client, file: Path) -> str:
    """The studio closes and opens again; what is asked in between waits."""
    studio.post(f"/backups/{segment(file.name)}/restore")
    ended = studio.get("/backups")["restored"]
    if ended["error"]:
        raise BackupInvalid(str(file), ended["error"])
    return str(ended["kept"])


def _alone(home: Home, file: Path) -> Path:
    from fabula.store import backup

    return backup.restore(home, home.backups / file if is_kept(home, file) and not file.exists() else file)
