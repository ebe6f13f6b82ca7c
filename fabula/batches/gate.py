"""Lets the rows of all batches to a model as many at a time as it can serve, and no more.

A row takes its place in the model's own line only when a seat for it is free. So a person never finds more
than the rows that are being written before them: they are next in that line, and the following row comes
behind. Rows also wait while another model is being loaded for someone. Knows no engine, and nothing of what
the rows ask.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fabula.core.worker import Running

LOOK_S = 0.2  # between two looks whether the other model is loaded


@dataclass
class _Line:
    inside: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Gate:
    """`running` are the loaded models, `loading` the names of those that are being loaded."""

    def __init__(
        self, running: Callable[[], Iterable[Running]], loading: Callable[[], Iterable[str]]
    ) -> None:
        self._running, self._loading = running, loading
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def place(self, model: str) -> AsyncIterator[None]:
        line = self._lines.setdefault(model, _Line())
        await self._entered(line, model)
        try:
            while any(name != model for name in self._loading()):
                await asyncio.sleep(LOOK_S)
            yield
        finally:
            self._left(line, model)

    async def _entered(self, line: _Line, model: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        self._fill(line, model)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was let in at the same moment
                self._left(line, model)
            raise

    def _left(self, line: _Line, model: str) -> None:
        line.inside -= 1
        self._fill(line, model)
        if not line.inside and not line.waiting:
            self._lines.pop(model, None)

    def _fill(self, line: _Line, model: str) -> None:
        seats = self._seats(model) if line.waiting else 0
        while line.waiting and line.inside < seats:
            turn = line.waiting.popleft()
            if not turn.done():
                line.inside += 1
                turn.set_result(None)

    def _seats(self, model: str) -> int:
        """What a model can do is known when it is loaded; the first row loads it."""
        loaded = (running.plan.slots for running in self._running() if running.model == model)
        return max(next(loaded, 1), 1)
