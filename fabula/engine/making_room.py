"""Room for a model that is to be loaded: idle ones go, the one used longest ago first.

A busy one is never touched: the load waits until it is idle. Knows of requests
only that a line has some, and no engine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Held, Plan
from fabula.engine import memory
from fabula.engine.line import Line
from fabula.engine.room import fitting, is_worse
from fabula.engine.roster import Roster

Planner = Callable[[LocalModel, LoadOptions, Held], Plan]
"""How a model would be loaded into the memory that is free now, less what `Held` keeps."""


class Room:
    """After `patience_s` of waiting for a busy model, nobody new is let in to it until the load is done."""

    def __init__(self, roster: Roster, plan: Planner, patience_s: float) -> None:
        self._roster, self._plan, self._patience_s = roster, plan, patience_s

    async def make(self, line: Line, options: LoadOptions) -> Plan:
        """A plan that fits, after other models have made room if need be. Raises as `fitting`."""
        await self._roster.settled()
        waited_since = time.monotonic()
        while True:
            self._roster.freed.clear()
            plan = await self._planned(line, options, memory.held(self._roster.in_use()))
            best = await self._planned(line, options, memory.given_back(self._roster.in_use()))
            if best.verdict == "no" or not is_worse(plan, best):
                line.behind = ""
                return fitting(plan if plan.verdict != "no" else best)
            if not await self._evict_idle():
                if plan.verdict in ("fits", "tight"):  # less context now is better than more of it later
                    return plan
                await self._wait_for_idle(line, waited_since)

    async def usual(self, line: Line, options: LoadOptions, usual: LoadOptions) -> LoadOptions:
        """With the usual context where one request wishes less and that would spare nothing: it is served
        with more too, and others need it."""
        wide = replace(options, context=usual.context)
        if wide == options:
            return options
        held = memory.held(self._roster.in_use())
        narrow_plan = await self._planned(line, options, held)
        wide_plan = await self._planned(line, wide, held)
        is_enough = wide_plan.context >= narrow_plan.context and wide_plan.slots >= narrow_plan.slots
        return wide if is_enough and not is_worse(wide_plan, narrow_plan) else options

    async def check(self, line: Line, options: LoadOptions) -> None:
        """Raises as `make` where even an empty machine could not load it so: then nothing has to go."""
        fitting(await self._planned(line, options, memory.given_back(self._roster.in_use())))

    async def _planned(self, line: Line, options: LoadOptions, held: Held) -> Plan:
        return await asyncio.to_thread(self._plan, line.model, options, held)

    async def _evict_idle(self) -> bool:
        """Unloads the idle model that was used longest ago."""
        idle = [line for line in self._roster.loaded() if line.idle]
        if not idle:
            return False
        await self._roster.drop(min(idle, key=_used_at))
        return True

    async def _wait_for_idle(self, line: Line, since: float) -> None:
        """Until a model has nothing to do any more; once patience is over, one takes in nobody new."""
        others = self._roster.loaded()
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
            await asyncio.wait_for(self._roster.freed.wait(), left if left > 0 else None)


def _used_at(line: Line) -> float:
    return line.loaded.used_at if line.loaded else 0.0
