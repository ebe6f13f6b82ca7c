"""The job kind `tune`: measures one model in this process's own engine children and stores the result.

Knows home, shelf of models and memory plan; what is measured is `run`'s and `search`'s matter.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import HOST, Plan
from fabula.core.worker import Worker
from fabula.engine.builds import builds
from fabula.engine.builds.builds import Build
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.engine.room import fitting
from fabula.engine.tune.measure import CONTEXT, Bench, Cell
from fabula.engine.tune.run import BUDGET_S, Tuned, can_show_batches, tune
from fabula.engine.tune.search import BATCHES, Setup, Space, thread_counts
from fabula.engine.tune.shelf import TUNED, Tunings, key
from fabula.models import fit, hardware
from fabula.models.catalog import Catalog
from fabula.models.hardware import Machine
from fabula.store import settings
from fabula.store.database import Database
from fabula.store.home import Home
from fabula.store.job_child import Report
from fabula.store.locks import lock_file

LOOK_S = 0.1  # between looks whether it is to end
POLITENESS = 10  # of a background job: it gets the processor when nobody else wants it
SMALL = 0.02  # of the free memory: what flash attention saves is small change
WHOLE = ("f16", "bf16", "f32")
KV_TYPES = ("q8_0", "q4_0")
SAMPLES = 50  # that fit into the time; the length of one follows from it


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The arguments of the job. `options` is what is set for the model."""

    model: str
    options: Mapping[str, Any]
    budget_s: float = BUDGET_S
    kv_types: bool = False
    all_cores: bool = False
    anyway: bool = False
    background: bool = False

    def arguments(self) -> dict[str, Any]:
        return asdict(self)


def run(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Raises ModelNotFound, DoesNotFit, an EngineFailure, or the job's own Cancelled."""
    wishes = Wishes(**arguments)
    if wishes.background and hasattr(os, "nice"):
        os.nice(POLITENESS)
    told = settings.load(home)
    model = Catalog(home.models).find(wishes.model)
    with ExitStack() as turn:
        _await_turn(home, turn, wishes, report)
        ground = Ground(model, builds.in_use(home.engines, told.engine_build), wishes)
        tuned = asyncio.run(_until_cancelled(_tuned(home, ground, told.engine_start_timeout, report), report))
    result = ground.describe() | tuned.plain() | {"stored": False}
    return result if tuned.busy else _stored(home, ground, tuned, result)


def _await_turn(home: Home, turn: ExitStack, wishes: Wishes, report: Report) -> None:
    """Two at a time would measure each other."""
    while True:
        report.check()
        with suppress(BlockingIOError):
            turn.enter_context(lock_file(home.jobs / "tune.lock", LOOK_S))
            return
        report.progress(0, wishes.budget_s, "seconds", "jobs.tune.turn")


def _stored(home: Home, ground: Ground, tuned: Tuned, result: dict[str, Any]) -> dict[str, Any]:
    """The result, as it is kept. One that had no time to compare anything takes no other one's place."""
    database = Database(home.database, home.backups)
    try:
        tunings, place = Tunings(database), key(ground.model, ground.build, ground.machine)
        if not tuned.cells and tunings.find(place):
            return result
        kept = result | {"stored": True}
        tunings.save(place, tuned.options, kept)
        return kept
    finally:
        database.close()


async def _until_cancelled(work: Coroutine[Any, Any, Tuned], report: Report) -> Tuned:
    """Cancelling is heard within a tenth of a second, whatever is being measured."""
    task = asyncio.create_task(work)
    while not task.done():
        if report.cancelled():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            report.check()
        await asyncio.wait([task], timeout=LOOK_S)
    return task.result()


async def _tuned(home: Home, ground: Ground, start_timeout_s: float, report: Report) -> Tuned:
    wishes = ground.wishes
    progress = Progress(report, wishes.budget_s)
    ticking = asyncio.create_task(progress.tick())

    async def load(setup: Setup) -> Worker:
        worker = LlamaCppWorker(
            home.logs,
            build=ground.build,
            start_timeout_s=start_timeout_s,
            drafts=lambda model, name: Catalog(home.models).find(name).path,
        )
        try:
            await worker.load(ground.model, ground.plan(setup))
        except BaseException:
            await worker.close()
            raise
        return worker

    sample_s = wishes.budget_s / SAMPLES
    bench = Bench(load, room=ground.room(), forgives=wishes.anyway, sample_s=sample_s)
    try:
        return await tune(
            bench,
            ground.start,
            ground.space,
            budget_s=wishes.budget_s,
            anyway=wishes.anyway,
            tell=progress.stage,
        )
    finally:
        ticking.cancel()
        await bench.close()


class Progress:
    """Tells the job the seconds that went by and what is being measured."""

    def __init__(self, report: Report, budget_s: float) -> None:
        self._report, self._budget_s = report, budget_s
        self._began, self._note = time.monotonic(), ""

    def stage(self, axis: str) -> None:
        self._note = f"jobs.tune.{axis}"
        self._tell()

    def _tell(self) -> None:
        done = min(time.monotonic() - self._began, self._budget_s)
        self._report.progress(round(done, 1), self._budget_s, "seconds", self._note)

    async def tick(self) -> None:
        while True:
            self._tell()
            await asyncio.sleep(LOOK_S)


class Ground:
    """The model on this machine: from where to search, how far, and how each setup is loaded."""

    def __init__(
        self, model: LocalModel, build: Build, wishes: Wishes, machine: Machine | None = None
    ) -> None:
        self.model, self.build, self.wishes = model, build, wishes
        self.machine = machine or hardware.machine()
        self.set = LoadOptions.of(wishes.options)
        self._usual = fitting(self._planned(self.set))

    @property
    def start(self) -> Setup:
        """As the model is loaded without any measurement."""
        options = self._usual.options
        return Setup(
            threads=self._usual.threads,
            batch=options.batch or fit.MICRO_BATCH,
            flash_attention=options.flash_attention or "auto",
            kv_type=self._usual.kv_type,
            speculation=options.speculation or "none",
        )

    def space(self, start: Cell) -> Space:
        """What a person has set stays as it is."""
        free = {name for name in TUNED if getattr(self.set, name) is None}
        cores = self.machine.cores
        batched = "batch" in free and can_show_batches(start)
        guessing = "speculation" in free and not self.build.program  # an older server knows no such thing
        return Space(
            cores=cores,
            threads=thread_counts(cores) if "threads" in free else (),
            batches=BATCHES if batched else (),
            flash_attention=("off",) if self._attention_is_free(free) else (),
            speculation=("ngram",) if guessing else (),
            kv_types=KV_TYPES if self.wishes.kv_types and self.set.kv_type_v is None else (),
            spare_cores=not self.wishes.all_cores,
            roomy=self._attention_bytes() <= SMALL * self.machine.memory_available,
        )

    def plan(self, setup: Setup) -> Plan:
        """As much context as is measured, one slot, and the layers where they would lie in use."""
        options = replace(
            self.set,
            **setup.all(),
            context=min(CONTEXT, self._usual.context),
            slots=1,
            gpu_layers=self._usual.gpu_layers,
        )
        return replace(self._planned(options), prompt_cache=0)

    def room(self) -> int:
        """How many workers may be loaded at a time."""
        needed = {part.name: part for part in self.plan(self.start).devices}
        return 2 if all(2 * part.total <= part.available for part in needed.values()) else 1

    def describe(self) -> dict[str, Any]:
        device = next((part.name for part in self._usual.devices if part.name != HOST), "")
        return {
            "model": self.model.name,
            "processor": self.machine.processor,
            "cores": self.machine.cores,
            "gpu": device,
            "set": [name for name in TUNED if getattr(self.set, name) is not None],
            "budget": self.wishes.budget_s,
        }

    def _planned(self, options: LoadOptions) -> Plan:
        return fit.plan(self.model, self.machine, fit.Wanted.of(options), gpu=self.build.uses_gpus)

    def _attention_is_free(self, free: set[str]) -> bool:
        """A quantized cache of values needs flash attention."""
        return "flash_attention" in free and (self.set.kv_type_v or self._usual.kv_type) in WHOLE

    def _attention_bytes(self) -> int:
        """What the scores of one batch take without flash attention, in the context that is used."""
        cells = self._usual.context * self._usual.slots
        return 4 * max(self.model.heads, 1) * fit.MICRO_BATCH * cells
