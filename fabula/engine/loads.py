"""Loads of models, one at a time: for those who wait, or because a person asked; failures are remembered.

Knows workers only by their seam, and no memory formula.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from fabula.core.errors import EngineDied, EngineFailure, FabulaError, Unexpected
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.texts import Phrase, phrase
from fabula.core.worker import Worker
from fabula.engine.line import Line, Loaded, Trouble
from fabula.engine.living import LivesInProcess
from fabula.engine.making_room import Room
from fabula.engine.reload import together
from fabula.engine.room import gpu_devices
from fabula.engine.roster import Roster

RETRY_S = 1.0  # after two failures in a row; doubles with each further one
LONGEST_RETRY_S = 60.0


class Loads:
    """`make` builds a worker that is not loaded yet, `options` are what is set for a model. `check` raises
    what the load of a worker would, before what is loaded goes for it. `on_loaded` is given each new worker,
    `on_ended` is called when a load is over, however it ended."""

    def __init__(
        self,
        roster: Roster,
        room: Room,
        make: Callable[[LocalModel], Worker],
        options: Callable[[LocalModel], LoadOptions],
        check: Callable[[LocalModel, LoadOptions], None],
        *,
        on_loaded: Callable[[Line, Loaded], None],
        on_ended: Callable[[], None],
    ) -> None:
        self._roster, self._room, self._make, self._options = roster, room, make, options
        self._check = check
        self._on_loaded, self._on_ended = on_loaded, on_ended
        self._one = asyncio.Lock()

    def begin(self, line: Line, why: Phrase | None = None) -> None:
        """A load for those who wait; all who come meanwhile share it. In a pause after failures the first one
        is refused instead, and those who wish the same."""
        if self._roster.over:
            line.refuse_all(closing(line.name))
        if line.loading or not line.waiting:
            return
        wishes = [seat.wish.options for seat in line.waiting]
        if (trouble := line.trouble) and time.monotonic() >= trouble.until:
            trouble = None
        if trouble and trouble.is_of(wishes[0], self._options(line.model)):
            line.refuse_all(trouble.error, trouble.wished)
            return
        self.start(line, wishes, why)

    def start(
        self,
        line: Line,
        wishes: Sequence[LoadOptions],
        why: Phrase | None = None,
        *,
        no_more: bool = False,
    ) -> asyncio.Task[Loaded]:
        """As the first one wishes, with room for the others where there is some; with `no_more` not even the
        usual context."""
        line.why = why
        line.loading = asyncio.create_task(self._load(line, wishes, no_more))
        line.loading.add_done_callback(lambda done: self._ended(line, wishes[0], done))
        return line.loading

    async def cancel_all(self) -> None:
        loads = [line.loading for line in self._roster.lines.values() if line.loading]
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)

    # ── one load ────────────────────────────────────────────────────────────────────────────────────

    async def _load(self, line: Line, wishes: Sequence[LoadOptions], no_more: bool) -> Loaded:
        first, all_of_them = wishes[0], together(wishes)
        try:
            return await self._loaded(line, all_of_them, no_more)
        except FabulaError:
            if all_of_them == first:
                raise
        return await self._loaded(
            line, first, no_more
        )  # what another one wishes is no reason to refuse this one

    async def _loaded(self, line: Line, wished: LoadOptions, no_more: bool) -> Loaded:
        async with self._one:
            usual = self._options(line.model)
            options = wished.over(usual)
            options = replace(options, adapters=options.adapters or None)
            if line.loaded:
                await asyncio.to_thread(self._check, line.model, options)
                await self._room.check(line, options)
                line.said_s = line.loaded.said_s
            await self._roster.drop(line)  # dead, or loaded in another way
            try:
                if not no_more:
                    options = await self._room.usual(line, options, usual)
                plan = await self._room.make(line, options)
                stamp = line.stamp
                worker = await self._started(line.model, plan)
            finally:
                self._roster.open_all()
            loaded = line.loaded = Loaded(worker, wished, why=line.why, said_s=line.said_s, stamp=stamp)
            line.said_s = None
            line.slots = max(worker.plan.slots, 1)
            loaded.on_gpus = await self._on_gpus(worker)
            self._on_loaded(line, loaded)
            return loaded

    async def _on_gpus(self, worker: Worker) -> dict[str, int]:
        """Bytes by device, as the drivers tell them."""
        if not (isinstance(worker, LivesInProcess) and gpu_devices(worker.plan)):
            return {}
        return dict(await asyncio.to_thread(self._roster.gpus.used, worker.pid))

    async def _started(self, model: LocalModel, plan: Plan) -> Worker:
        worker = self._make(model)
        try:
            await worker.load(model, plan)
        except BaseException:
            await worker.close()
            raise
        return worker

    def _ended(self, line: Line, wished: LoadOptions, load: asyncio.Task[Loaded]) -> None:
        line.loading, line.behind, line.why = None, "", None
        if load.cancelled():
            line.refuse_all(closing(line.name))
        elif error := load.exception():
            if isinstance(error, EngineFailure):
                note_trouble(line, error, self._options(line.model), wished)
            known = isinstance(error, FabulaError)
            told = error if known else Unexpected(f"{type(error).__name__}: {error}")
            line.refuse_all(told, wished)  # type: ignore[arg-type]
        self._on_ended()


def note_trouble(
    line: Line, error: EngineFailure, usual: LoadOptions, wished: LoadOptions | None = None
) -> None:
    """Another failure without a request that was served: from the second on, a back-off."""
    times = line.trouble.times + 1 if line.trouble else 1
    patience = min(RETRY_S * 2 ** (times - 2), LONGEST_RETRY_S) if times > 1 else 0.0
    line.trouble = Trouble(error, times, time.monotonic() + patience, usual, wished)


def closing(name: str) -> EngineDied:
    return EngineDied(name, phrase("reasons.studio_closing"))


async def awaited(load: asyncio.Task[Loaded], name: str) -> Loaded:
    """One who stops waiting does not stop the load for the others."""
    try:
        return await asyncio.shield(load)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if load.cancelled() and task and not task.cancelling():
            raise closing(name) from None
        raise
