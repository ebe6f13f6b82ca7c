"""When to measure without being asked: once per model, while nobody uses the studio. Knows no engine.

It waits until nothing was asked of any model for `QUIET_S`, then looks whether the machine is idle and on
mains power. The first request that comes meanwhile cancels the measurement, which is begun again at the next
quiet time. One that ended under load is tried again a few times, later and later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from fabula.core.errors import FabulaError
from fabula.engine.tune import busy

QUIET_S = 600.0  # since the last request
LOOK_S = 30.0
LOAD_S = 2.0  # over which the machine's load is looked at
WATCH_S = 0.5  # between looks at the job
TRIES = 3  # per model, until the studio starts anew

log = logging.getLogger(__name__)


class Seams(Protocol):
    """What of the studio it needs."""

    def may_tune(self) -> bool:
        """Whether the person allows it."""
        ...

    async def is_at_work(self) -> bool:
        """Whether a model or a job has something to do."""
        ...

    async def unmeasured(self, used: Sequence[str]) -> list[str]:
        """Models of this machine that were not measured on it, of those in use the last one first."""
        ...

    async def begin_tuning(self, model: str) -> str:
        """Answers the job's id."""
        ...

    async def tuning_ended(self, job: str) -> bool | None:
        """None: not yet; else whether something was stored."""
        ...

    async def cancel_tuning(self, job: str) -> None: ...


async def machine_is_idle() -> bool:
    if busy.on_battery():
        return False
    others = busy.stopwatch()
    await asyncio.sleep(LOAD_S)
    return others() <= busy.LIMIT


class Background:
    """`run` until cancelled; `used` is told each request for a model."""

    def __init__(
        self,
        studio: Seams,
        *,
        is_idle: Callable[[], Awaitable[bool]] = machine_is_idle,
        clock: Callable[[], float] = time.monotonic,
        quiet_s: float = QUIET_S,
        watch_s: float = WATCH_S,
    ) -> None:
        self._studio, self._is_idle, self._clock = studio, is_idle, clock
        self._quiet_s, self._watch_s = quiet_s, watch_s
        self._used_at = clock()
        self._names: list[str] = []
        self._tries: dict[str, int] = {}
        self._asked = asyncio.Event()

    def used(self, model: str) -> None:
        """A request came: whatever is being measured ends."""
        self._used_at = self._clock()
        self._names = [model, *(name for name in self._names if name != model)]
        self._asked.set()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except FabulaError as error:
                log.warning("measuring in the background failed: %s", error.sentence())

    async def look(self) -> str:
        """Measures a model if it is time; answers which, "" = none."""
        if not self._quiet_for(self._quiet_s) or not self._studio.may_tune():
            return ""
        if await self._studio.is_at_work():
            return ""
        for name in await self._studio.unmeasured(self._names):
            tries = self._tries.get(name, 0)
            if tries < TRIES and self._quiet_for(self._quiet_s * (1 + tries)):
                return await self._measure(name) if await self._is_idle() else ""
        return ""

    def _quiet_for(self, seconds: float) -> bool:
        return self._clock() - self._used_at >= seconds

    async def _measure(self, name: str) -> str:
        self._asked.clear()
        self._tries[name] = self._tries.get(name, 0) + 1
        job, stored = await self._studio.begin_tuning(name), None
        try:
            while (stored := await self._studio.tuning_ended(job)) is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._asked.wait(), self._watch_s)
                if self._asked.is_set():
                    self._tries[name] -= 1  # it was not its fault
                    break
        finally:
            if not stored:
                await self._studio.cancel_tuning(job)  # one that has ended stays as it is
        return name
