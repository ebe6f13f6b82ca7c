"""What is done for a story when its turn has ended and nobody waits: one thing at a time for each.

Its next turn interrupts it. Knows not what is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Afterwards:
    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, id: str) -> bool:
        return id in self._tasks

    def begin(self, id: str, work: Coroutine[Any, Any, None]) -> None:
        self.interrupt(id)
        self._tasks[id] = task = asyncio.create_task(work)
        task.add_done_callback(lambda done: self._ended(id, done))

    def interrupt(self, id: str) -> None:
        if task := self._tasks.get(id):
            task.cancel()

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(id) is task:
            del self._tasks[id]
