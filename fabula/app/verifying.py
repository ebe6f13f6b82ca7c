"""The job kind `verify`: every file of a model, or of all, read and compared with what was recorded.

Gives the check its facts; knows no hash and no screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fabula.core.model import LocalModel
from fabula.models.catalog import Catalog
from fabula.models.sources.places import placed
from fabula.models.starter import STARTER
from fabula.models.verifying import Verified, files_of, verify
from fabula.store.home import Home
from fabula.store.job_child import Report

READING = "cli.verify.reading"


def run(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Raises ModelNotFound, or the job's own Cancelled."""
    catalog = Catalog(home.models)
    name = arguments.get("model", "")
    chosen = [catalog.find(name)] if name else catalog.list()
    found = _checked(chosen, home, report)
    files = [
        {"model": name, "file": row.file.name, "state": row.state, "sha256": row.sha256}
        for name, row in found
    ]
    return {"name": name, "files": files, "sound": all(row.is_sound for _, row in found)}


def _checked(models: Sequence[LocalModel], home: Home, report: Report) -> list[tuple[str, Verified]]:
    total = sum(file.stat().st_size for each in models for file in files_of(each) if file.is_file())
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        report.check()
        report.progress(done, total, "bytes", READING)

    told = {model.path: model.sha256 for model in placed(home.models) if model.sha256}
    found: list[tuple[str, Verified]] = []
    for each in models:
        known = {STARTER.file: STARTER.sha256} if each.name == STARTER.name else {}
        known |= {each.path.name: told[each.path]} if each.path in told else {}
        found += [(each.name, row) for row in verify(each, home.models, known, tell)]
    return found
