"""Which models are loaded: on demand, one load at a time, never more than fits, never longer than needed.

Knows workers only by their seam: no engine, no memory formula and no HTTP.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import psutil

from fabula.core import texts
from fabula.core.errors import (
    DoesNotFit,
    EngineDied,
    EngineFailure,
    ModelBroken,
    ModelBusy,
    ModelNotFound,
    QueueFull,
)
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.worker import Running, Worker

PATIENCE_S = 1.0  # after two failed loads in a row; doubles with each further one
LONGEST_PATIENCE_S = 60.0


@runtime_checkable
class LivesInProcess(Protocol):
    """A worker whose process can die under it. `gone` returns when that has happened."""

    pid: int

    @property
    def alive(self) -> bool: ...
    async def gone(self) -> None: ...


@dataclass(eq=False)
class _Loaded:
    """One loaded worker and who uses it. Times on the monotonic clock, except `loaded_at`."""

    worker: Worker
    loaded_at: float = field(default_factory=time.time)  # Unix seconds
    used_at: float = field(default_factory=time.monotonic)
    busy: int = 0
    expiry: asyncio.TimerHandle | None = None

    @property
    def alive(self) -> bool:
        return not isinstance(self.worker, LivesInProcess) or self.worker.alive


@dataclass
class _Trouble:
    """Loads of one model that failed in a row."""

    error: EngineFailure
    times: int
    until: float  # monotonic; before it, `error` is told again instead of another try


class Supervisor:
    """The loaded models of this studio; implements `core.worker.Workers`.

    `find` raises ModelNotFound; `plan` looks at the memory that is free now; `make` builds a worker that is
    not loaded yet. `keep_alive_s` < 0 never unloads. `queue_limit` bounds the requests per model that
    wait beyond its slots. `on_change` is called after a model was loaded, unloaded or lost.
    """

    def __init__(
        self,
        find: Callable[[str], LocalModel],
        plan: Callable[[LocalModel], Plan],
        make: Callable[[LocalModel], Worker],
        *,
        keep_alive_s: float = 300.0,
        queue_limit: int = 256,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._find, self._plan, self._make = find, plan, make
        self._keep_alive_s, self._queue_limit, self._on_change = keep_alive_s, queue_limit, on_change
        self._loaded: dict[str, _Loaded] = {}
        self._loading: dict[str, asyncio.Task[_Loaded]] = {}
        self._asking: Counter[str] = Counter()
        self._trouble: dict[str, _Trouble] = {}
        self._one_load = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._watching: set[asyncio.Task[None]] = set()

    # ── what turn asks ──────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def lease(self, model: str) -> AsyncIterator[Worker]:
        found = self._find(model)
        self._take_place(found.name)
        try:
            loaded = await self._ready(found, patient=True)
            self._begin(loaded)
            try:
                yield loaded.worker
            finally:
                self._end(loaded)
        finally:
            self._asking[found.name] -= 1

    def is_loaded(self, model: str) -> bool:
        try:
            return self._alive(self._find(model).name) is not None
        except ModelNotFound:
            return False

    # ── what a person asks ──────────────────────────────────────────────────────────────────────────

    async def load(self, model: str) -> Running:
        """Loads it now, even if it failed a moment ago."""
        loaded = await self._ready(self._find(model), patient=False)
        return self._describe(loaded)

    async def unload(self, model: str) -> None:
        """Frees its memory; nothing happens when it is not loaded. Raises ModelBusy."""
        name = self._find(model).name
        if name in self._loading or self._asking[name] > 0:
            raise ModelBusy(name)
        if loaded := self._loaded.get(name):
            await self._drop(loaded)

    def running(self) -> list[Running]:
        return [self._describe(loaded) for loaded in self._loaded.values() if loaded.alive]

    async def close(self) -> None:
        """Ends all loads and all workers, busy or not."""
        for load in list(self._loading.values()):
            load.cancel()
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        for loaded in list(self._loaded.values()):
            self._forget(loaded)
        await asyncio.gather(*self._closing, *self._watching)

    # ── loading ─────────────────────────────────────────────────────────────────────────────────────

    def _take_place(self, name: str) -> None:
        loaded = self._alive(name)
        waiting = self._asking[name] - (loaded.worker.plan.slots if loaded else 0)
        if waiting >= self._queue_limit:
            raise QueueFull(waiting)
        self._asking[name] += 1

    def _alive(self, name: str) -> _Loaded | None:
        loaded = self._loaded.get(name)
        return loaded if loaded and loaded.alive else None

    async def _ready(self, model: LocalModel, *, patient: bool) -> _Loaded:
        """The worker of the model, from the load that everyone who asks meanwhile shares."""
        if loaded := self._alive(model.name):
            return loaded
        if model.problem:
            raise _broken(model)
        load = self._loading.get(model.name)
        if load is None:
            if patient:
                self._refuse_in_trouble(model.name)
            load = asyncio.create_task(self._load(model))
            self._loading[model.name] = load
            load.add_done_callback(lambda done: self._load_ended(model.name, done))
        return await _awaited(load, model.name)

    def _load_ended(self, name: str, load: asyncio.Task[_Loaded]) -> None:
        self._loading.pop(name, None)
        if load.cancelled() or not isinstance(error := load.exception(), EngineFailure):
            return
        times = self._trouble[name].times + 1 if name in self._trouble else 1
        patience = min(PATIENCE_S * 2 ** (times - 2), LONGEST_PATIENCE_S) if times > 1 else 0.0
        self._trouble[name] = _Trouble(error, times, time.monotonic() + patience)

    def _refuse_in_trouble(self, name: str) -> None:
        trouble = self._trouble.get(name)
        if trouble and time.monotonic() < trouble.until:
            raise dataclasses.replace(trouble.error)

    async def _load(self, model: LocalModel) -> _Loaded:
        async with self._one_load:
            if dead := self._loaded.get(model.name):
                self._forget(dead)
            plan = await self._make_room(model)
            worker = self._make(model)
            try:
                await worker.load(model, plan)
            except BaseException:
                await worker.close()
                raise
            return self._keep(worker)

    async def _make_room(self, model: LocalModel) -> Plan:
        """A plan that fits, after unloading idle models if need be, the one used longest ago first."""
        if self._closing:
            await asyncio.gather(*self._closing)
        plan = self._plan(model)
        while plan.verdict in ("partial", "no") and (idle := self._longest_idle()):
            await self._drop(idle)
            plan = self._plan(model)
        if plan.verdict == "no":
            raise DoesNotFit(model.name, plan.total, plan.available, plan.context)
        return plan

    def _longest_idle(self) -> _Loaded | None:
        idle = [loaded for name, loaded in self._loaded.items() if not self._asking[name]]
        return min(idle, key=lambda loaded: loaded.used_at, default=None)

    def _keep(self, worker: Worker) -> _Loaded:
        loaded = self._loaded[worker.model.name] = _Loaded(worker)
        self._trouble.pop(worker.model.name, None)
        if isinstance(worker, LivesInProcess):
            _in_background(self._watch(loaded, worker), self._watching)
        self._await_expiry(loaded)
        self._on_change()
        return loaded

    # ── use, idleness, death ────────────────────────────────────────────────────────────────────────

    def _begin(self, loaded: _Loaded) -> None:
        loaded.busy += 1
        if loaded.expiry:
            loaded.expiry.cancel()
            loaded.expiry = None

    def _end(self, loaded: _Loaded) -> None:
        loaded.busy -= 1
        loaded.used_at = time.monotonic()
        if not loaded.busy:
            self._await_expiry(loaded)

    def _await_expiry(self, loaded: _Loaded) -> None:
        if self._keep_alive_s >= 0:
            loop = asyncio.get_running_loop()
            loaded.expiry = loop.call_later(self._keep_alive_s, self._expire, loaded)

    def _expire(self, loaded: _Loaded) -> None:
        if not self._asking[loaded.worker.model.name]:
            self._forget(loaded)

    async def _watch(self, loaded: _Loaded, worker: LivesInProcess) -> None:
        await worker.gone()
        self._forget(loaded)

    def _forget(self, loaded: _Loaded) -> asyncio.Task[None] | None:
        """Takes the worker out of use at once; its memory is back when the task has ended."""
        name = loaded.worker.model.name
        if self._loaded.get(name) is not loaded:
            return None
        del self._loaded[name]
        if loaded.expiry:
            loaded.expiry.cancel()
        closing = _in_background(loaded.worker.close(), self._closing)
        self._on_change()
        return closing

    async def _drop(self, loaded: _Loaded) -> None:
        if closing := self._forget(loaded):
            await asyncio.shield(closing)

    def _describe(self, loaded: _Loaded) -> Running:
        worker = loaded.worker
        pid = worker.pid if isinstance(worker, LivesInProcess) else 0
        left = loaded.expiry.when() - asyncio.get_running_loop().time() if loaded.expiry else 0.0
        return Running(
            model=worker.model.name,
            plan=worker.plan,
            pid=pid,
            busy=loaded.busy,
            loaded_at=loaded.loaded_at,
            expires_at=time.time() + left if loaded.expiry else 0.0,
            memory=_resident(pid),
        )


def _broken(model: LocalModel) -> ModelBroken:
    file = model.path.name
    reason = texts.say(model.problem, "en", name=model.name, file=file)
    return ModelBroken(model.name, reason, model.problem, file)


async def _awaited(load: asyncio.Task[_Loaded], name: str) -> _Loaded:
    """One who stops waiting does not stop the load for the others."""
    try:
        return await asyncio.shield(load)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if load.cancelled() and task and not task.cancelling():
            raise EngineDied(name, "the studio is closing") from None
        raise


def _in_background(work: Coroutine[Any, Any, None], kept: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    """A task that stays referenced until it has ended."""
    task = asyncio.create_task(work)
    kept.add(task)
    task.add_done_callback(kept.discard)
    return task


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else 0
    except psutil.Error:
        return 0
