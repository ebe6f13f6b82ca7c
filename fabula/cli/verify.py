"""`fabula verify [MODEL]`. Knows how findings are shown, not how files are checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabula.cli import screen
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.words import say

if TYPE_CHECKING:
    from fabula.core.model import LocalModel
    from fabula.models.verifying import Verified

Which = Annotated[str, typer.Argument(metavar="[MODEL]", help=say("cli.verify.model"), show_default=False)]


def verify(model: Which = "", home: HomeOption = None, json: JsonOption = False) -> None:
    from fabula.models.catalog import Catalog
    from fabula.store.home import Home

    catalog = Catalog(Home.locate(home).models)
    chosen = [catalog.find(model)] if model else catalog.list()
    found = checked(chosen, catalog.folder)
    if json:
        screen.json_lines(
            {"model": name, "file": str(row.file), "state": row.state, "sha256": row.sha256}
            for name, row in found
        )
    elif found:
        screen.findings(finding(name, row) for name, row in found)
    else:
        screen.note(say("cli.list.none"))
    if not all(row.is_sound for _, row in found):
        raise typer.Exit(1)


def checked(models: Sequence[LocalModel], folder: Path) -> list[tuple[str, Verified]]:
    """Every file of the models, with the name of its model."""
    from fabula.models.sources.places import placed
    from fabula.models.starter import STARTER
    from fabula.models.verifying import files_of
    from fabula.models.verifying import verify as check

    total = sum(file.stat().st_size for each in models for file in files_of(each) if file.is_file())
    done = 0
    found: list[tuple[str, Verified]] = []
    with screen.bar() as advance:

        def tell(count: int) -> None:
            nonlocal done
            done += count
            advance(done, total, "cli.verify.reading")

        told = {model.path: model.sha256 for model in placed(folder) if model.sha256}
        for each in models:
            known = {STARTER.file: STARTER.sha256} if each.name == STARTER.name else {}
            known |= {each.path.name: told[each.path]} if each.path in told else {}
            found += [(each.name, row) for row in check(each, folder, known, tell)]
    return found


def finding(name: str, row: Verified) -> tuple[str, str, str, str, str]:
    level = "ok" if row.is_sound else "bad"
    value = f"{row.file.name}: {say(f'cli.verify.states.{row.state}')}"
    advice = "" if row.is_sound else say("cli.verify.advice", model=name)
    return level, say(f"cli.doctor.levels.{level}"), name, value, advice
