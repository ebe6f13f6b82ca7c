"""Copies of folders of safetensors for measurements, each run by transformers in a child of this job. Knows
no shelf and no studio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Held, Plan
from fabula.engine import memory
from fabula.engine.direct.desk_worker import DeskWorker
from fabula.engine.room import fitting
from fabula.engine.transformers_child import plan as planning
from fabula.engine.transformers_child.worker import TransformersWorker
from fabula.models import fit, hardware
from fabula.store import settings
from fabula.store.home import Home

LONGEST = 1024  # tokens of any context that is asked for
SLOTS = 1  # nobody comes back to what was read


@dataclass(frozen=True, slots=True)
class FolderEngine:
    """As `lab.quantize.exact.Engine` is for GGUF; but starting torch takes seconds, so copies are kept while
    both fit, until `close`."""

    logs: Path
    start_timeout_s: float
    python: str
    _kept: dict[Path, TransformersWorker] = field(default_factory=dict)

    @classmethod
    def of(cls, home: Home) -> Self:
        told = settings.load(home)
        return cls(home.logs, told.engine_start_timeout, told.engine_transformers_python)

    def plan(self, model: LocalModel, context: int, held: Held | None = None) -> Plan:
        machine = fit.left(hardware.machine(), held or Held())
        return planning.plan(model, machine, LoadOptions(context=context, slots=SLOTS))

    def fits(self, model: LocalModel) -> bool:
        """Whether one copy does; else it can be read layer by layer."""
        return self.plan(model, LONGEST).verdict != "no"

    @asynccontextmanager
    async def load(
        self, model: LocalModel, context: int, held: Held | None = None
    ) -> AsyncIterator[DeskWorker]:
        """One that is kept, or a new one. Raises DoesNotFit, ExtraMissing, or another EngineFailure."""
        if model.path not in self._kept:
            plan = await asyncio.to_thread(self.plan, model, LONGEST, self._held())
            if plan.verdict == "no" and self._kept:
                await self.close()
                plan = await asyncio.to_thread(self.plan, model, LONGEST)
            self._kept[model.path] = await self._loaded(model, fitting(plan))
        yield self._kept[model.path]

    async def _loaded(self, model: LocalModel, plan: Plan) -> TransformersWorker:
        worker = TransformersWorker(self.logs, start_timeout_s=self.start_timeout_s, python=self.python)
        try:
            await worker.load(model, plan)
        except BaseException:
            await worker.close()
            raise
        return worker

    async def fits_beside(self, model: LocalModel, context: int, other: DeskWorker) -> bool:
        if model.path in self._kept:
            return True
        return (await asyncio.to_thread(self.plan, model, LONGEST, self._held())).verdict != "no"

    def _held(self) -> Held:
        return memory.held([(worker.plan, worker.pid) for worker in self._kept.values()])

    async def close(self) -> None:
        for path in list(self._kept):
            await self._kept.pop(path).close()
