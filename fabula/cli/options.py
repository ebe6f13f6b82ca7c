"""Options that several verbs share. Knows no verb."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fabula.cli.words import say

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help=say("cli.options.home"), show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help=say("cli.options.json"))]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help=say("cli.options.yes"))]
ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help=say("cli.options.model"), show_default=False)
]
