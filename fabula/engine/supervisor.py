"""Which models are loaded: on demand, one load at a time, never more than fits, never longer than needed.

Each model has a line of requests, served in the order in which they came (`line`). When memory is short, idle
models make room; a busy one is never touched (`making_room`). Loads are made in `loads`, and who is loaded
stands in the `roster`. Here it comes together: who is served, how long a model stays, and what happens when
one dies.

Knows workers only by their seam: no engine, no memory formula and no HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from weakref import WeakKeyDictionary

from fabula.core import texts
from fabula.core.errors import EngineDied, FabulaError, ModelBroken, ModelBusy, ModelNotFound
from fabula.core.load import FOREVER, NO_WISH, NOTHING, LoadOptions, Wish, seconds_of
from fabula.core.model import LocalModel
from fabula.core.plan import HOST
from fabula.core.texts import Phrase, phrase
from fabula.core.worker import Running, TellsSlots, Worker
from fabula.engine import memory
from fabula.engine.line import Line, Loaded, Seat
from fabula.engine.living import Gpus, LivesInProcess, NoGpus, TellsDeath, TellsSizes
from fabula.engine.loads import Loads, awaited, closing, note_trouble
from fabula.engine.making_room import Planner, Room
from fabula.engine.reload import beyond, reload_reason, settled_by
from fabula.engine.roster import Roster, alive, in_background, pid_of

PATIENCE_S = 10.0  # how long a load waits for a busy model before that is closed to newcomers


class Supervisor:
    """The loaded models of this studio; implements `core.worker.Workers`.

    `find` raises ModelNotFound; `plan` runs in a thread; `make` builds a worker that is not loaded yet;
    `options` are what is set for a model, and `stamp` is another one when its files have changed since it was
    found before; `check` raises, in a thread, where options name what is not there. `keep_alive_s` < 0 never
    unloads. `queue_limit` bounds the requests per model that wait beyond its slots. `on_change` is called
    after a model was loaded, unloaded or lost, `on_request` when a request or a load is asked for.
    """

    def __init__(
        self,
        find: Callable[[str], LocalModel],
        plan: Planner,
        make: Callable[[LocalModel], Worker],
        *,
        options: Callable[[LocalModel], LoadOptions] = lambda model: NOTHING,
        stamp: Callable[[LocalModel], object] = lambda model: None,
        check: Callable[[LocalModel, LoadOptions], None] = lambda model, options: None,
        keep_alive_s: float = 300.0,
        queue_limit: int = 256,
        patience_s: float = PATIENCE_S,
        gpus: Gpus | None = None,
        on_change: Callable[[], None] = lambda: None,
        on_request: Callable[[str], None] = lambda model: None,
    ) -> None:
        self._find, self._options, self._on_request = find, options, on_request
        self._stamp = stamp
        self.keep_alive_s, self.queue_limit = keep_alive_s, queue_limit
        self._roster = Roster(gpus or NoGpus(), on_change)
        room = Room(self._roster, plan, patience_s)
        self._loads = Loads(
            self._roster, room, make, options, check, on_loaded=self._arrived, on_ended=self._serve_all
        )
        self._watches: set[asyncio.Task[None]] = set()
        self._suits: WeakKeyDictionary[Loaded, LoadOptions] = WeakKeyDictionary()
        """The wishes that a worker was last found to serve as it is: nearly always the next ones too."""

    # ── what turn asks ──────────────────────────────────────────────────────────────────────────────

    def place(self, model: str, wish: Wish = NO_WISH) -> _InLine:
        """A place in the model's line; leaving the block gives it up. Raises ModelNotFound, QueueFull."""
        return _InLine(self._come, self._leave, model, wish)

    @asynccontextmanager
    async def lease(self, model: str, wish: Wish = NO_WISH) -> AsyncIterator[Worker]:
        """A place whose waiting nobody watches."""
        async with self.place(model, wish) as seat:
            async for _ in seat.steps():
                pass
            yield seat.worker

    def is_loaded(self, model: str) -> bool:
        try:
            line = self._roster.lines.get(self._find(model).name)
        except ModelNotFound:
            return False
        return line is not None and alive(line.loaded)

    # ── what a person asks ──────────────────────────────────────────────────────────────────────────

    async def load(self, model: str, wish: Wish = NO_WISH, *, less: bool = False) -> Running:
        """Loads it now, even if it failed a moment ago; again where a wish needs that, and with `less` where
        it has more room than is wished. Raises ModelBusy."""
        line = self._line(model)
        if line.model.problem:
            raise _broken(line.model)
        self._on_request(line.name)
        wish = self._with_adapters(wish, line.model)
        while line.loading:  # of several who wait here, the first one loads, and the others wait for that
            with suppress(FabulaError):  # what another one wished may have been impossible
                await awaited(line.loading, line.name)
        if self._roster.over:
            raise closing(line.name)
        why = self._reason(line, wish.options, by_hand=True, less=less)
        if why and (line.busy or line.waiting):
            raise ModelBusy(line.name)
        loaded = line.loaded
        if loaded is None or why or not alive(loaded):
            line.trouble = None
            load = self._loads.start(line, [wish.options], why, no_more=True)
            loaded = await awaited(load, line.name)
        self._hear(loaded, wish)
        self._keep(loaded, line)
        return _described(line, loaded)

    async def unload(self, *models: str) -> None:
        """Frees their memory; those that are not loaded are let be. Raises ModelBusy, and none goes."""
        lines = [self._known_line(model) for model in models]
        for line in lines:
            if line.loading or line.waiting or line.busy:
                raise ModelBusy(line.name)
        await asyncio.gather(*(self._roster.drop(line) for line in lines))

    async def retire(self, model: str) -> None:
        """Frees its memory once nobody uses it: now, or after the last reply."""
        line = self._line(model)
        if line.loaded and (line.waiting or line.busy):
            line.loaded.said_s = 0.0
        elif not line.loading:
            await self._roster.drop(line)

    def running(self) -> list[Running]:
        rows = [(line, line.loaded) for line in self._roster.lines.values()]
        return [_described(line, loaded) for line, loaded in rows if loaded and alive(loaded)]

    def loading(self) -> list[str]:
        return [line.name for line in self._roster.lines.values() if line.loading]

    async def close(self) -> None:
        """Ends all loads and all workers, busy or not; those who wait are told."""
        self._roster.over = True
        await self._loads.cancel_all()
        for line in self._roster.lines.values():
            line.refuse_all(closing(line.name))
            self._roster.forget(line)
        await self._roster.settled()
        await asyncio.gather(*self._watches)

    # ── who is served ───────────────────────────────────────────────────────────────────────────────

    def _come(self, model: str, wish: Wish) -> tuple[Line, Seat]:
        line = self._line(model)
        self._on_request(line.name)
        seat = line.join(self._with_adapters(wish, line.model), self.queue_limit)
        self._serve(line)
        return line, seat

    def _line(self, model: str) -> Line:
        found = self._find(model)
        line = self._roster.line(found)
        line.stamp = self._stamp(found)
        return line

    def _known_line(self, model: str) -> Line:
        """Of a model whose file has gone, too, while it is loaded. Raises ModelNotFound."""
        try:
            return self._line(model)
        except ModelNotFound:
            line = self._roster.lines.get(model)
            if line and (line.loaded or line.loading):
                return line
            raise

    def _with_adapters(self, wish: Wish, model: LocalModel) -> Wish:
        """What is attached may have changed since the load, and every request needs it as it is now: nothing,
        too, where the last one was detached."""
        if wish.options.adapters is not None:
            return wish
        attached = self._options(model).adapters or ()
        return Wish(_attaching(wish.options, attached), wish.keep_alive_s, wish.sampling)

    def _serve_all(self) -> None:
        for line in list(self._roster.lines.values()):
            self._serve(line)

    def _serve(self, line: Line) -> None:
        """Free slots go to those who wait longest; a load begins where one is needed."""
        if line.model.problem:
            line.refuse_all(_broken(line.model))
        while line.loaded is None and line.waiting and not line.loading:
            self._loads.begin(line)
        if line.loaded and alive(line.loaded):  # one that has died is looked after by its watch
            self._fill(line, line.loaded)
        line.tell()

    def _fill(self, line: Line, loaded: Loaded) -> None:
        while line.waiting and not line.closed and not line.loading and line.busy < line.slots:
            wished = line.waiting[0].wish.options
            if self._suits.get(loaded) is not wished or line.is_outdated:
                if why := self._reason(line, wished):
                    if line.busy:
                        return
                    self._loads.begin(line, why)
                    continue
                self._suits[loaded] = wished
            loaded.stay()
            seat = line.waiting.pop(0)
            self._hear(loaded, seat.wish)
            seat.serve(loaded)

    def _leave(self, line: Line, seat: Seat) -> None:
        if seat in line.waiting:
            line.waiting.remove(seat)
        if seat.loaded:
            line.ended(seat)
            if seat.loaded is line.loaded:
                self._served(line, seat.loaded)
        self._serve(line)
        if line.idle:
            self._roster.freed.set()

    def _served(self, line: Line, loaded: Loaded) -> None:
        if alive(loaded):
            line.trouble = None
        if not loaded.busy:
            self._keep(loaded, line)

    def _reason(
        self, line: Line, wished: LoadOptions, *, by_hand: bool = False, less: bool = False
    ) -> Phrase | None:
        if not line.loaded or not alive(line.loaded):
            return None
        if line.is_outdated:
            return phrase("models.replaced")
        fresh = beyond(wished, line.loaded.asked, less=less)
        worker = line.loaded.worker
        return reload_reason(worker.plan, fresh, settled_by(worker), by_hand=by_hand, less=less)

    # ── how long a model stays ──────────────────────────────────────────────────────────────────────

    def _arrived(self, line: Line, loaded: Loaded) -> None:
        if isinstance(loaded.worker, LivesInProcess):
            in_background(self._watch(line, loaded, loaded.worker), self._watches)
        self._keep(loaded, line)
        self._roster.on_change()

    @staticmethod
    def _hear(loaded: Loaded, wish: Wish) -> None:
        """What was said last holds until something else is said, also for requests that say nothing."""
        if wish.keep_alive_s is not None:
            loaded.said_s = wish.keep_alive_s

    def _keep(self, loaded: Loaded, line: Line) -> None:
        """Counts from now how long the model stays without use."""
        loaded.stay()
        stored = self._options(line.model).keep_alive
        usual = self.keep_alive_s if stored is None else seconds_of(stored)
        loaded.keep_alive_s = usual if loaded.said_s is None else loaded.said_s
        if not loaded.busy and loaded.keep_alive_s >= 0:
            loop = asyncio.get_running_loop()
            loaded.expiry = loop.call_later(loaded.keep_alive_s, self._expire, line, loaded)
            loaded.expires_at = time.time() + loaded.keep_alive_s

    def _expire(self, line: Line, loaded: Loaded) -> None:
        if line.loaded is loaded and not line.busy and not line.waiting:
            self._roster.forget(line)

    # ── one that dies ───────────────────────────────────────────────────────────────────────────────

    async def _watch(self, line: Line, loaded: Loaded, worker: LivesInProcess) -> None:
        await worker.gone()
        if line.loaded is not loaded:
            return
        death = EngineDied(line.name, phrase("reasons.ended"))
        if isinstance(worker, TellsDeath):
            death = await worker.death()
        if line.loaded is loaded:  # nobody has noticed before
            self._lost(line, loaded, death)

    def _lost(self, line: Line, loaded: Loaded, death: EngineDied) -> None:
        """Those who wait, and a model that stays for ever, get a new worker; soon, or after a back-off."""
        note_trouble(line, death, self._options(line.model))
        line.said_s = loaded.said_s
        self._roster.forget(line)
        if loaded.keep_alive_s <= FOREVER and line.trouble:
            delay = line.trouble.until - time.monotonic()
            asyncio.get_running_loop().call_later(max(delay, 0.0), self._revive, line)
        self._serve(line)

    def _revive(self, line: Line) -> None:
        if not line.loaded and not line.loading and not self._roster.over:
            self._loads.start(line, [NOTHING])


class _InLine:
    """The block in which somebody has a place. A class: as a generator it would cost each request as much as
    all that is done in it."""

    def __init__(
        self,
        come: Callable[[str, Wish], tuple[Line, Seat]],
        leave: Callable[[Line, Seat], None],
        model: str,
        wish: Wish,
    ) -> None:
        self._come, self._leave = come, leave
        self._model, self._wish = model, wish

    async def __aenter__(self) -> Seat:
        self._line, self._seat = self._come(self._model, self._wish)
        return self._seat

    async def __aexit__(self, *reason: object) -> None:
        self._leave(self._line, self._seat)


@lru_cache(maxsize=64)
def _attaching(options: LoadOptions, adapters: tuple[tuple[str, float], ...]) -> LoadOptions:
    """With these adapters. Requests nearly always wish the same."""
    return replace(options, adapters=adapters)


def _described(line: Line, loaded: Loaded) -> Running:
    worker = loaded.worker
    pid = pid_of(worker)
    resident = memory.resident(pid)
    return Running(
        model=worker.model.name,
        plan=worker.plan,
        pid=pid,
        busy=loaded.busy,
        loaded_at=loaded.loaded_at,
        expires_at=loaded.expires_at,
        keep_alive_s=loaded.keep_alive_s if loaded.said_s is None else loaded.said_s,
        memory=resident,
        waiting=len(line.waiting),
        engine=worker.engine,
        measured={HOST: resident, **loaded.on_gpus} if pid else {},
        why=loaded.why,
        reported=worker.reported if isinstance(worker, TellsSizes) else {},
        slots=worker.slots() if isinstance(worker, TellsSlots) else (),
    )


def _broken(model: LocalModel) -> ModelBroken:
    file = model.path.name
    reason = texts.say(model.problem, "en", name=model.name, file=file)
    return ModelBroken(model.name, reason, model.problem, file)
