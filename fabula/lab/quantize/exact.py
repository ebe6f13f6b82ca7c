"""Exact copies of models for measurements, each in a child of this job. Knows no shelf and no studio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Held, Plan
from fabula.core.worker import Prompt
from fabula.engine import memory
from fabula.engine.beside import REFERENCE
from fabula.engine.builds import builds
from fabula.engine.builds.builds import Build
from fabula.engine.direct.desk_worker import DeskWorker
from fabula.engine.direct.loading import obstacle
from fabula.engine.direct.worker import DirectWorker
from fabula.engine.room import fitting
from fabula.models import fit, hardware
from fabula.store import settings
from fabula.store.home import Home
from fabula.store.job_child import Report

LOOK_S = 0.1  # between looks whether it is to end

T = TypeVar("T")


class Copies(Protocol):
    """What loads models for measurements. `load` raises DoesNotFit or another EngineFailure."""

    def load(
        self, model: LocalModel, context: int, held: Held | None = None
    ) -> AbstractAsyncContextManager[DeskWorker]: ...
    async def fits_beside(self, model: LocalModel, context: int, other: DeskWorker) -> bool: ...
    async def close(self) -> None:
        """Of those that were kept for another time."""
        ...


@dataclass(frozen=True, slots=True)
class Engine:
    """How copies are loaded. `threads` 0 = as the plan says."""

    build: Build
    logs: Path
    proof: Path
    start_timeout_s: float
    threads: int = 0

    @classmethod
    def of(cls, home: Home, threads: int = 0) -> Self:
        """The build that chats use; Fabula's own where that lets nobody call it. Raises BuildMissing."""
        told = settings.load(home)
        build = builds.in_use(home.engines, told.engine_build)
        build = builds.ours() if obstacle(build) else build
        return cls(build, home.logs, home.engines / "direct.json", told.engine_start_timeout, threads)

    def plan(self, model: LocalModel, context: int, held: Held | None = None) -> Plan:
        options = LoadOptions(context=context, threads=self.threads or None).over(REFERENCE)
        machine = fit.left(hardware.machine(), held or Held())
        return fit.plan(
            model, machine, fit.Wanted.of(options), gpu=self.build.uses_gpus, engine=self.build.version
        )

    @asynccontextmanager
    async def load(
        self, model: LocalModel, context: int, held: Held | None = None
    ) -> AsyncIterator[DirectWorker]:
        """Raises DoesNotFit, DirectUnavailable, or another EngineFailure."""
        plan = fitting(await asyncio.to_thread(self.plan, model, context, held))
        worker = DirectWorker(self.logs, self.proof, start_timeout_s=self.start_timeout_s, build=self.build)
        try:
            await worker.load(model, plan)
            yield worker
        finally:
            await worker.close()

    async def fits_beside(self, model: LocalModel, context: int, other: DeskWorker) -> bool:
        held = memory.held([(other.plan, other.pid)])
        return (await asyncio.to_thread(self.plan, model, context, held)).verdict != "no"

    async def close(self) -> None:
        """None is kept: they are soon there again."""


async def until_cancelled(work: Coroutine[Any, Any, T], report: Report) -> T:
    """What the work answers; cancelling the job is heard at once, whatever the engine does."""
    task = asyncio.create_task(work)
    while not task.done():
        if report.cancelled():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            report.check()
        await asyncio.wait([task], timeout=LOOK_S)
    return task.result()


async def windows(worker: DeskWorker, text: str, length: int, fewest: int) -> list[tuple[int, ...]]:
    """The text in pieces of `length` tokens, each with the model's first token before it where it has one;
    of the end, what has `fewest` or more."""
    first = await worker.tokenize(Prompt(("",)))
    return cut(first[:1], await worker.tokenize(Prompt((text,), add_special=False)), length, fewest)


def cut(first: Sequence[int], ids: Sequence[int], length: int, fewest: int) -> list[tuple[int, ...]]:
    """`ids` in windows that all begin with `first`."""
    step = length - len(first)
    parts = [ids[start : start + step] for start in range(0, len(ids), step)]
    return [(*first, *part) for part in parts if len(first) + len(part) >= fewest]
