"""All models that are loaded or waited for, and the way out: a worker that goes gives its memory back.

Knows no request, no plan of a load and no engine.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Coroutine
from typing import Any

from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.worker import Worker
from fabula.engine.line import Line, Loaded
from fabula.engine.living import Gpus, LivesInProcess
from fabula.engine.room import gpu_devices, is_back

MEMORY_BACK_S = 5.0  # a GPU's driver tells freed memory late
LOOK_S = 0.1


class Roster:
    """The lines of all models. `freed` is set when one has become idle or has gone; `over` when the studio
    closes. `on_change` is called after a model has come or gone."""

    def __init__(self, gpus: Gpus, on_change: Callable[[], None]) -> None:
        self.gpus, self.on_change = gpus, on_change
        self.lines: dict[str, Line] = {}
        self.freed = asyncio.Event()
        self.over = False
        self._closing: set[asyncio.Task[None]] = set()

    def line(self, model: LocalModel) -> Line:
        """The line of the model, as it is described now."""
        line = self.lines.setdefault(model.name, Line(model))
        line.model = model
        if line.loaded and line.loaded.worker.model.chat_template != model.chat_template:
            same = line.loaded.worker.model  # prompts are made of it; the engine need not know
            line.loaded.worker.model = dataclasses.replace(same, chat_template=model.chat_template)
        return line

    def loaded(self) -> list[Line]:
        return [line for line in self.lines.values() if line.loaded]

    def in_use(self) -> list[tuple[Plan, int]]:
        """Plan and process of each loaded model."""
        return [
            (line.loaded.worker.plan, pid_of(line.loaded.worker))
            for line in self.lines.values()
            if line.loaded
        ]

    def open_all(self) -> None:
        for line in self.lines.values():
            line.closed = False

    # ── the way out ─────────────────────────────────────────────────────────────────────────────────

    def forget(self, line: Line) -> asyncio.Task[None] | None:
        """Takes the worker out of use at once; its memory is back when the task has ended."""
        loaded, line.loaded = line.loaded, None
        if loaded is None:
            return None
        loaded.stay()
        closing = in_background(self._end(loaded.worker), self._closing)
        self.freed.set()
        self.on_change()
        return closing

    async def drop(self, line: Line) -> None:
        if closing := self.forget(line):
            await asyncio.shield(closing)

    async def settled(self) -> None:
        """Returns when the memory of all that went is back."""
        if self._closing:
            await asyncio.gather(*self._closing)

    async def _end(self, worker: Worker) -> None:
        """The host's memory is back when the process is gone; a GPU's driver needs longer to tell."""
        devices = gpu_devices(worker.plan)
        before = await asyncio.to_thread(self.gpus.free) if devices and not self.over else {}
        await worker.close()
        until = time.monotonic() + MEMORY_BACK_S
        while before and not self.over and time.monotonic() < until:
            now = await asyncio.to_thread(self.gpus.free)
            if is_back(before, now, devices):
                return
            await asyncio.sleep(LOOK_S)


# ── small parts ─────────────────────────────────────────────────────────────────────────────────────


def alive(loaded: Loaded | None) -> bool:
    """A worker without a process of its own always is."""
    # Every request asks several times, and Python 3.11 takes long to see whether a protocol is fulfilled.
    return loaded is not None and bool(getattr(loaded.worker, "alive", True))


def pid_of(worker: Worker) -> int:
    return worker.pid if isinstance(worker, LivesInProcess) else 0


def in_background(work: Coroutine[Any, Any, None], kept: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    """A task that stays referenced until it has ended."""
    task = asyncio.create_task(work)
    kept.add(task)
    task.add_done_callback(kept.discard)
    return task
