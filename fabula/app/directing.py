"""Directions: what is asked is checked here and done in a child process. Knows no weights and no prompts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fabula.app.shelf import require_here
from fabula.store.jobs import Job

if TYPE_CHECKING:
    from fabula.app.studio import Studio
    from fabula.lab.directions.offer import Exporting
    from fabula.lab.directions.recipe import Recipe
    from fabula.lab.directions.search.recipe import Searching
    from fabula.lab.directions.write import Writing


async def learn(studio: Studio, recipe: Recipe) -> Job:
    """Raises what `lab.directions.learn.task` raises."""
    from fabula.lab.directions.learn import task

    asked = _here(studio, recipe)
    await asyncio.to_thread(task, studio.home, asked)
    return await studio.start_job("direction", f"{asked.called} ← {asked.model}", asked.arguments())


async def export(studio: Studio, wishes: Exporting) -> Job:
    """Raises what `lab.directions.offer.ready` raises."""
    from fabula.lab.directions.offer import ready

    asked = _here(studio, wishes)
    await asyncio.to_thread(ready, studio.home, asked)
    title = f"{asked.direction} → {asked.form}, {asked.model}"
    return await studio.start_job("direction_export", title, asked.arguments())


async def write(studio: Studio, wishes: Writing) -> Job:
    """Raises what `lab.directions.write.order` raises."""
    from fabula.lab.directions.write import order

    asked = _here(studio, wishes)
    ready = await asyncio.to_thread(order, studio.home, asked)
    return await studio.start_job("direction_write", f"{asked.model} → {ready.name}", asked.arguments())


async def search(studio: Studio, wishes: Searching) -> Job:
    """Raises what `lab.directions.search.job.task` raises."""
    from fabula.lab.directions.search.job import KIND, task

    asked = _here(studio, wishes)
    await asyncio.to_thread(task, studio.home, asked)
    return await studio.start_job(
        KIND, f"{asked.direction} × {asked.trials}, {asked.model}", asked.arguments()
    )


async def look(studio: Studio, wishes: Writing) -> dict[str, Any]:
    """What `write` would do. Raises what `lab.directions.write.order` raises."""
    from fabula.lab.directions.looking import foreseen

    return await asyncio.to_thread(foreseen, studio.home, _here(studio, wishes))


def _here(studio: Studio, asked: Any) -> Any:
    """With the model's whole name. Raises ModelNotFound, RunsElsewhere."""
    model = studio.shelf.weights(asked.model)
    require_here(model)
    return replace(asked, model=model.name)
