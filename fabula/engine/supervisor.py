"""Which models are loaded: on demand, one load at a time, never more than fits, never longer than needed.

Each model has a line of requests, served in the order in which they came. When memory is short, idle models
make room, the one used longest ago first. A busy one is never touched: the load waits until it is idle, and
after `patience_s` nobody new is let in to it, so that a model that many want cannot starve another.

Knows workers only by their seam: no engine, no memory formula and no HTTP.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from fabula.core import texts
from fabula.core.errors import (
    EngineDied,
    EngineFailure,
    FabulaError,
    ModelBroken,
    ModelBusy,
    ModelNotFound,
    Unexpected,
)
from fabula.core.load import FOREVER, NO_WISH, NOTHING, LoadOptions, Wish, seconds_of
from fabula.core.model import LocalModel
from fabula.core.plan import HOST, Held, Plan
from fabula.core.texts import Phrase
from fabula.core.worker import Running, Worker
from fabula.engine import memory
from fabula.engine.line import Line, Loaded, Seat, Trouble
from fabula.engine.living import Gpus, LivesInProcess, NoGpus, TellsDeath
from fabula.engine.reload import beyond, reload_reason, together
from fabula.engine.room import fitting, gpu_devices, is_back, is_worse

RETRY_S = 1.0  # after two failures in a row; doubles with each further one
LONGEST_RETRY_S = 60.0
PATIENCE_S = 10.0  # how long a load waits for a busy model before that is closed to newcomers
MEMORY_BACK_S = 5.0  # a GPU's driver tells freed memory late
LOOK_S = 0.1

Planner = Callable[[LocalModel, LoadOptions, Held], Plan]
"""How a model would be loaded into the memory that is free now, less what `Held` keeps."""


class Supervisor:
    """The loaded models of this studio; implements `core.worker.Workers`.

    `find` raises ModelNotFound; `plan` runs in a thread; `make` builds a worker that is not loaded yet;
    `options` are what is set for a model. `keep_alive_s` < 0 never unloads. `queue_limit` bounds the requests
    per model that wait beyond its slots. `on_change` is called after a model was loaded, unloaded or lost,
    `on_request` when a request or a load is asked for.
    """

    def __init__(
        self,
        find: Callable[[str], LocalModel],
        plan: Planner,
        make: Callable[[LocalModel], Worker],
        *,
        options: Callable[[LocalModel], LoadOptions] = lambda model: NOTHING,
        keep_alive_s: float = 300.0,
        queue_limit: int = 256,
        patience_s: float = PATIENCE_S,
        gpus: Gpus | None = None,
        on_change: Callable[[], None] = lambda: None,
        on_request: Callable[[str], None] = lambda model: None,
    ) -> None:
        self._find, self._plan, self._make, self._options = find, plan, make, options
        self.keep_alive_s, self.queue_limit, self._patience_s = keep_alive_s, queue_limit, patience_s
        self._gpus, self._on_change, self._on_request = gpus or NoGpus(), on_change, on_request
        self._lines: dict[str, Line] = {}
        self._one_load = asyncio.Lock()
        self._freed = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._over = False

    # ── what turn asks ──────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def place(self, model: str, wish: Wish = NO_WISH) -> AsyncIterator[Seat]:
        """A place in the model's line; leaving the block gives it up. Raises ModelNotFound, QueueFull."""
        line = self._line(self._find(model))
        self._on_request(line.name)
        seat = line.join(self._with_adapters(wish, line.model), self.queue_limit)
        self._serve(line)
        try:
            yield seat
        finally:
            self._leave(line, seat)

    @asynccontextmanager
    async def lease(self, model: str, wish: Wish = NO_WISH) -> AsyncIterator[Worker]:
        """A place whose waiting nobody watches."""
        async with self.place(model, wish) as seat:
            async for _ in seat.steps():
                pass
            yield seat.worker

    def is_loaded(self, model: str) -> bool:
        try:
            line = self._lines.get(self._find(model).name)
        except ModelNotFound:
            return False
        return line is not None and _alive(line.loaded)

    # ── what a person asks ──────────────────────────────────────────────────────────────────────────

    async def load(self, model: str, wish: Wish = NO_WISH) -> Running:
        """Loads it now, even if it failed a moment ago; again where a wish needs that. Raises ModelBusy."""
        line = self._line(self._find(model))
        if line.model.problem:
            raise _broken(line.model)
        self._on_request(line.name)
        wish = self._with_adapters(wish, line.model)
        if line.loading:
            await _awaited(line.loading, line.name)
        why = self._reason(line, wish.options, by_hand=True)
        if why and (line.busy or line.waiting):
            raise ModelBusy(line.name)
        loaded = line.loaded
        if loaded is None or why or not _alive(loaded):
            line.trouble = None
            loaded = await _awaited(self._start_load(line, wish.options, why), line.name)
        self._keep(loaded, line, wish)
        return self._describe(line, loaded)

    async def unload(self, model: str) -> None:
        """Frees its memory; nothing happens when it is not loaded. Raises ModelBusy."""
        line = self._line(self._find(model))
        if line.loading or line.waiting or line.busy:
            raise ModelBusy(line.name)
        await self._drop(line)

    def running(self) -> list[Running]:
        return [
            self._describe(line, line.loaded)
            for line in self._lines.values()
            if line.loaded and _alive(line.loaded)
        ]

    def loading(self) -> list[str]:
        return [line.name for line in self._lines.values() if line.loading]

    async def close(self) -> None:
        """Ends all loads and all workers, busy or not; those who wait are told."""
        self._over = True
        loads = [line.loading for line in self._lines.values() if line.loading]
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        for line in self._lines.values():
            line.refuse_all(EngineDied(line.name, "the studio is closing"))
            self._forget(line)
        await asyncio.gather(*self._closing, *self._background)

    def _with_adapters(self, wish: Wish, model: LocalModel) -> Wish:
        """What is attached may have changed since the load, and every request needs it as it is now."""
        attached = self._options(model).adapters
        if attached is None or wish.options.adapters is not None:
            return wish
        return replace(wish, options=replace(wish.options, adapters=attached))

    # ── the line of a model ─────────────────────────────────────────────────────────────────────────

    def _line(self, model: LocalModel) -> Line:
        line = self._lines.setdefault(model.name, Line(model))
        line.model = model
        if line.loaded and line.loaded.worker.model.chat_template != model.chat_template:
            same = line.loaded.worker.model  # prompts are made of it; the engine need not know
            line.loaded.worker.model = dataclasses.replace(same, chat_template=model.chat_template)
        return line

    def _serve(self, line: Line) -> None:
        """Free slots go to those who wait longest; a load begins where one is needed."""
        if line.model.problem:
            line.refuse_all(_broken(line.model))
        if line.loaded is None and line.waiting:
            self._begin_load(line)
        elif line.loaded and _alive(line.loaded):  # one that has died is looked after by its watch
            self._fill(line, line.loaded)
        line.tell()

    def _fill(self, line: Line, loaded: Loaded) -> None:
        while line.waiting and not line.closed and not line.loading and line.busy < line.slots:
            if why := self._reason(line, line.waiting[0].wish.options):
                if not line.busy:
                    self._begin_load(line, why)
                return
            self._stop_expiry(loaded)
            line.waiting.pop(0).serve(loaded)

    def _leave(self, line: Line, seat: Seat) -> None:
        if seat in line.waiting:
            line.waiting.remove(seat)
        if seat.loaded:
            line.ended(seat)
            if seat.loaded is line.loaded:
                self._served(line, seat.loaded, seat.wish)
        self._serve(line)
        if line.idle:
            self._freed.set()

    def _served(self, line: Line, loaded: Loaded, wish: Wish) -> None:
        if _alive(loaded):
            line.trouble = None
        if not loaded.busy:
            self._keep(loaded, line, wish)

    def _reason(self, line: Line, wished: LoadOptions, *, by_hand: bool = False) -> Phrase | None:
        if not line.loaded or not _alive(line.loaded):
            return None
        fresh = beyond(wished, line.loaded.asked)
        return reload_reason(line.loaded.worker.plan, fresh, by_hand=by_hand)

    # ── loading ─────────────────────────────────────────────────────────────────────────────────────

    def _begin_load(self, line: Line, why: Phrase | None = None) -> None:
        """A load for those who wait; all who come meanwhile share it."""
        if self._over:
            line.refuse_all(EngineDied(line.name, "the studio is closing"))
        if line.loading or not line.waiting:
            return
        if line.trouble and time.monotonic() < line.trouble.until:
            line.refuse_all(line.trouble.error)
            return
        self._start_load(line, together([seat.wish.options for seat in line.waiting]), why)

    def _start_load(self, line: Line, wished: LoadOptions, why: Phrase | None = None) -> asyncio.Task[Loaded]:
        line.why = why
        line.loading = asyncio.create_task(self._load(line, wished))
        line.loading.add_done_callback(lambda done: self._load_ended(line, done))
        return line.loading

    def _load_ended(self, line: Line, load: asyncio.Task[Loaded]) -> None:
        line.loading, line.behind, line.why = None, "", None
        if load.cancelled():
            line.refuse_all(EngineDied(line.name, "the studio is closing"))
        elif error := load.exception():
            if isinstance(error, EngineFailure):
                self._note_trouble(line, error)
            known = isinstance(error, FabulaError)
            line.refuse_all(error if known else Unexpected(f"{type(error).__name__}: {error}"))  # type: ignore[arg-type]
        for other in list(self._lines.values()):
            self._serve(other)

    def _note_trouble(self, line: Line, error: EngineFailure) -> None:
        times = line.trouble.times + 1 if line.trouble else 1
        patience = min(RETRY_S * 2 ** (times - 2), LONGEST_RETRY_S) if times > 1 else 0.0
        line.trouble = Trouble(error, times, time.monotonic() + patience)

    async def _load(self, line: Line, wished: LoadOptions) -> Loaded:
        async with self._one_load:
            await self._drop(line)  # dead, or loaded in another way
            try:
                plan = await self._make_room(line, wished.over(self._options(line.model)))
                worker = await self._started(line.model, plan)
            finally:
                self._open_all()
            return await self._loaded(line, worker, wished)

    async def _started(self, model: LocalModel, plan: Plan) -> Worker:
        worker = self._make(model)
        try:
            await worker.load(model, plan)
        except BaseException:
            await worker.close()
            raise
        return worker

    def _open_all(self) -> None:
        for line in self._lines.values():
            line.closed = False

    async def _loaded(self, line: Line, worker: Worker, wished: LoadOptions) -> Loaded:
        loaded = line.loaded = Loaded(worker, wished, self.keep_alive_s, line.why)
        line.slots = max(worker.plan.slots, 1)
        if isinstance(worker, LivesInProcess):
            _in_background(self._watch(line, loaded, worker), self._background)
            if gpu_devices(worker.plan):
                loaded.on_gpus = dict(await asyncio.to_thread(self._gpus.used, worker.pid))
        self._keep(loaded, line, NO_WISH)
        self._on_change()
        return loaded

    # ── room ────────────────────────────────────────────────────────────────────────────────────────

    async def _make_room(self, line: Line, options: LoadOptions) -> Plan:
        """A plan that fits, after other models have made room if need be. Raises DoesNotFit."""
        if self._closing:
            await asyncio.gather(*self._closing)
        waited_since = time.monotonic()
        while True:
            self._freed.clear()
            plan = await self._planned(line, options, memory.held(self._in_use()))
            best = await self._planned(line, options, memory.given_back(self._in_use()))
            if best.verdict == "no" or not is_worse(plan, best):
                line.behind = ""
                return fitting(plan if plan.verdict != "no" else best)
            if not await self._evict_idle():
                if plan.verdict in ("fits", "tight"):  # less context now is better than more of it later
                    return plan
                await self._wait_for_idle(line, waited_since)

    async def _planned(self, line: Line, options: LoadOptions, held: Held) -> Plan:
        return await asyncio.to_thread(self._plan, line.model, options, held)

    def _others(self) -> list[Line]:
        return [line for line in self._lines.values() if line.loaded]

    def _in_use(self) -> list[tuple[Plan, int]]:
        return [(line.loaded.worker.plan, _pid(line.loaded.worker)) for line in self._others() if line.loaded]

    async def _evict_idle(self) -> bool:
        """Unloads the idle model that was used longest ago."""
        idle = [line for line in self._others() if line.idle]
        if not idle:
            return False
        await self._drop(min(idle, key=_used_at))
        return True

    async def _wait_for_idle(self, line: Line, since: float) -> None:
        """Until a model has nothing to do any more; once patience is over, one takes in nobody new."""
        others = self._others()
        victim = min((other for other in others if other.closed), default=None, key=_used_at)
        victim = victim or min(others, key=_used_at)
        line.behind = victim.name
        line.tell()
        left = since + self._patience_s - time.monotonic()
        if left <= 0:
            victim.closed = True
            if victim.idle:
                return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._freed.wait(), left if left > 0 else None)

    # ── idleness, death, unloading ──────────────────────────────────────────────────────────────────

    def _keep(self, loaded: Loaded, line: Line, wish: Wish) -> None:
        """Counts from now how long the model stays without use."""
        self._stop_expiry(loaded)
        stored = self._options(line.model).keep_alive
        usual = self.keep_alive_s if stored is None else seconds_of(stored)
        loaded.keep_alive_s = usual if wish.keep_alive_s is None else wish.keep_alive_s
        if not loaded.busy and loaded.keep_alive_s >= 0:
            loop = asyncio.get_running_loop()
            loaded.expiry = loop.call_later(loaded.keep_alive_s, self._expire, line, loaded)

    def _stop_expiry(self, loaded: Loaded) -> None:
        if loaded.expiry:
            loaded.expiry.cancel()
            loaded.expiry = None

    def _expire(self, line: Line, loaded: Loaded) -> None:
        if line.loaded is loaded and not line.busy and not line.waiting:
            self._forget(line)

    async def _watch(self, line: Line, loaded: Loaded, worker: LivesInProcess) -> None:
        await worker.gone()
        if line.loaded is not loaded:
            return
        death = await worker.death() if isinstance(worker, TellsDeath) else EngineDied(line.name, "it ended")
        if line.loaded is loaded:  # nobody has noticed before
            self._lost(line, loaded, death)

    def _lost(self, line: Line, loaded: Loaded, death: EngineDied) -> None:
        """Those who wait, and a model that stays for ever, get a new worker; soon, or after a back-off."""
        self._note_trouble(line, death)
        self._forget(line)
        if loaded.keep_alive_s <= FOREVER and line.trouble:
            delay = line.trouble.until - time.monotonic()
            asyncio.get_running_loop().call_later(max(delay, 0.0), self._revive, line)
        self._serve(line)

    def _revive(self, line: Line) -> None:
        if not line.loaded and not line.loading and not self._over:
            self._start_load(line, NOTHING)

    def _forget(self, line: Line) -> asyncio.Task[None] | None:
        """Takes the worker out of use at once; its memory is back when the task has ended."""
        loaded, line.loaded = line.loaded, None
        if loaded is None:
            return None
        self._stop_expiry(loaded)
        closing = _in_background(self._end(loaded.worker), self._closing)
        self._freed.set()
        self._on_change()
        return closing

    async def _end(self, worker: Worker) -> None:
        """The host's memory is back when the process is gone; a GPU's driver needs longer to tell."""
        devices = gpu_devices(worker.plan)
        before = await asyncio.to_thread(self._gpus.free) if devices and not self._over else {}
        await worker.close()
        until = time.monotonic() + MEMORY_BACK_S
        while before and not self._over and time.monotonic() < until:
            now = await asyncio.to_thread(self._gpus.free)
            if is_back(before, now, devices):
                return
            await asyncio.sleep(LOOK_S)

    async def _drop(self, line: Line) -> None:
        if closing := self._forget(line):
            await asyncio.shield(closing)

    # ── what is shown ───────────────────────────────────────────────────────────────────────────────

    def _describe(self, line: Line, loaded: Loaded) -> Running:
        worker = loaded.worker
        pid = _pid(worker)
        resident = memory.resident(pid)
        left = loaded.expiry.when() - asyncio.get_running_loop().time() if loaded.expiry else 0.0
        return Running(
            model=worker.model.name,
            plan=worker.plan,
            pid=pid,
            busy=loaded.busy,
            loaded_at=loaded.loaded_at,
            expires_at=time.time() + left if loaded.expiry else 0.0,
            memory=resident,
            waiting=len(line.waiting),
            engine=worker.engine,
            measured={HOST: resident, **loaded.on_gpus} if pid else {},
            why=loaded.why,
        )


# ── small parts ─────────────────────────────────────────────────────────────────────────────────────


def _alive(loaded: Loaded | None) -> bool:
    if loaded is None:
        return False
    return not isinstance(loaded.worker, LivesInProcess) or loaded.worker.alive


def _used_at(line: Line) -> float:
    return line.loaded.used_at if line.loaded else 0.0


def _pid(worker: Worker) -> int:
    return worker.pid if isinstance(worker, LivesInProcess) else 0


def _broken(model: LocalModel) -> ModelBroken:
    file = model.path.name
    reason = texts.say(model.problem, "en", name=model.name, file=file)
    return ModelBroken(model.name, reason, model.problem, file)


async def _awaited(load: asyncio.Task[Loaded], name: str) -> Loaded:
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
