"""The job kind `probes`: a model is asked Fabula's probes, or two are and are compared.

Gives the probes their models and engines; asks nothing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fabula.app.shelf import require_here
from fabula.core.errors import WritesNoText
from fabula.core.model import LocalModel
from fabula.models.catalog import Catalog
from fabula.models.formats.folders import FORMAT as FOLDER
from fabula.store.home import Home
from fabula.store.job_child import Report
from fabula.store.jobs import Job

if TYPE_CHECKING:
    from fabula.app.studio import Studio
    from fabula.evals.probes.job import Wishes
    from fabula.lab.quantize.exact import Copies


async def begin(studio: Studio, wishes: Wishes) -> Job:
    """Raises ModelNotFound, RunsElsewhere or WritesNoText."""
    from fabula.evals.probes.job import KIND

    first = _writing(studio, wishes.model)
    second = _writing(studio, wishes.against) if wishes.against else None
    asked = replace(wishes, model=first.name, against=second.name if second else "")
    await studio.measuring.make_way(first)
    title = f"{first.name} → {second.name}" if second else first.name
    return await studio.start_job(KIND, title, asked.arguments())


def _writing(studio: Studio, name: str) -> LocalModel:
    model = studio.shelf.weights(name)
    require_here(model)
    if model.pooling:
        raise WritesNoText(model.name)
    return model


def run(home: Home, arguments: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Raises ModelNotFound, TemplateRefused, NoRoom, an EngineFailure, or the job's own Cancelled."""
    from fabula.evals.probes.job import Wishes
    from fabula.lab.quantize.exact import until_cancelled

    wishes, catalog = Wishes(**arguments), Catalog(home.models)
    models = [catalog.find(name) for name in (wishes.model, wishes.against) if name]
    report.progress(0, 0, "probes", "lab.quantize.loading")
    return asyncio.run(until_cancelled(_asked(home, wishes, models, report), report))


async def _asked(home: Home, wishes: Wishes, models: list[LocalModel], report: Report) -> dict[str, Any]:
    from fabula.evals.probes.job import compare, score

    engines = _engines(home, {model.format for model in models})
    try:
        if len(models) == 1:
            told = await score(models[0], engines[models[0].format], wishes.probes, report)
        else:
            pair = (engines[models[0].format], engines[models[1].format])
            told = await compare(models[0], models[1], pair, wishes.probes, report)
    finally:
        for engine in engines.values():
            await engine.close()
    return wishes.arguments() | told


def _engines(home: Home, formats: set[str]) -> dict[str, Copies]:
    """What runs exact copies of files of each format."""
    from fabula.lab.directions.folder_engine import FolderEngine
    from fabula.lab.quantize.exact import Engine

    return {each: FolderEngine.of(home) if each == FOLDER else Engine.of(home) for each in formats}
