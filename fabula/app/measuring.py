"""Measurements of models on this machine, asked for or in the background: who makes way, what is left to do.

Begins jobs; measures nothing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fabula.app.config import Config
from fabula.app.planning import Planning
from fabula.app.shelf import ModelShelf, require_here
from fabula.core.errors import BadParameter, WritesNoText
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.supervisor import Supervisor
from fabula.engine.tune.shelf import Tunings
from fabula.store.database import Database
from fabula.store.job_runner import JobRunner
from fabula.store.jobs import ENDED, Job, Jobs
from fabula.store.jobs import running as running_jobs

GGUF = "gguf"
StartJob = Callable[[str, str, dict[str, Any]], Awaitable[Job]]


class Measuring:
    """Serves the background measurements as `engine.tune.background.Seams`."""

    def __init__(
        self,
        config: Config,
        shelf: ModelShelf,
        planning: Planning,
        tunings: Tunings,
        supervisor: Supervisor,
        database: Database,
        jobs: Jobs,
        runner: JobRunner,
        start: StartJob,
    ) -> None:
        self._config, self._shelf, self._planning, self._tunings = config, shelf, planning, tunings
        self._supervisor, self._database = supervisor, database
        self._jobs, self._runner, self._start = jobs, runner, start

    async def begin(self, name: str, **wishes: Any) -> Job:
        """Measures in a child process; what is idle and stands in its way is unloaded first."""
        from fabula.engine.tune.job import Wishes

        model = self._shelf.weights(name)
        require_here(model)
        if model.format != GGUF:
            raise BadParameter("model", model.name, phrase("expected.gguf"))
        if model.pooling:
            raise WritesNoText(model.name)
        if not wishes.get("background"):
            await self.make_way(model)
        said = self._shelf.load_options(model).said()
        options = {name: value for name, value in said.items() if name != "adapters"}
        arguments = Wishes(model=model.name, options=options, **wishes).arguments()
        return await self._start("tune", model.title or model.name, arguments)

    async def make_way(self, model: LocalModel) -> None:
        """Unloads idle models for as long as there is no room for another copy of this one."""
        for running in self._supervisor.running():
            if self._planning.plan(model).verdict == "no" and not running.busy and not running.waiting:
                await self._supervisor.unload(running.model)

    def forget(self, model: LocalModel) -> bool:
        require_here(model)
        return self._tunings.forget(self._planning.tuning_key(model))

    # ── in the background ───────────────────────────────────────────────────────────────────────────

    def may_tune(self) -> bool:
        return self._config.now.engine_auto_tune

    async def is_at_work(self) -> bool:
        models = any(running.busy or running.waiting for running in self._supervisor.running())
        return models or bool(self._supervisor.loading() or await self._database.read(running_jobs))

    async def unmeasured(self, used: Sequence[str]) -> list[str]:
        """Those in use, the last one first, then the default one."""
        writing = (model for model in self._shelf.catalog.list() if not (model.problem or model.pooling))
        models = {model.name: model for model in writing}
        names = dict.fromkeys([*used, self._config.now.model_default, *list(models)[:1]])
        known = [models[name] for name in names if name in models and models[name].format == GGUF]
        tunings = [await asyncio.to_thread(self._planning.tuning, model) for model in known]
        return [model.name for model, tuning in zip(known, tunings, strict=True) if tuning is None]

    async def begin_tuning(self, model: str) -> str:
        return (await self.begin(model, background=True)).id

    async def tuning_ended(self, job: str) -> bool | None:
        told = await self._jobs.get(job)
        return bool(told.result.get("stored")) if told.state in ENDED else None

    async def cancel_tuning(self, job: str) -> None:
        await self._runner.cancel(job)
