"""Requests that arrive together are to reach an engine together. Knows no server and no engine.

An engine reads the prompts that it finds waiting in one batch. The first of sixteen requests, sent on as soon
as it is ready, would be read alone, and all others would wait until that is done. So each request has a
ticket from its arrival until it is ready to be sent; who is ready waits a moment for those that are on their
way. A request that comes alone finds nobody on the way and waits for nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

PATIENCE_S = 0.25
"""How long anyone is waited for after arriving: some requests never ask an engine, or wait in a line."""


class Ticket:
    """One request from its arrival until it is ready, or will never be."""

    __slots__ = ("arrived", "done", "rush")

    def __init__(self, rush: Rush) -> None:
        self.rush, self.arrived, self.done = rush, time.monotonic(), False


_mine: ContextVar[Ticket | None] = ContextVar("ticket", default=None)


class Rush:
    """All requests of one server. For one event loop."""

    def __init__(self) -> None:
        self._on_the_way: deque[Ticket] = deque()  # in the order of their arrival
        self._waiting: deque[asyncio.Future[None]] = deque()

    @contextmanager
    def arriving(self) -> Iterator[None]:
        """A request is on its way inside the block, unless it says before that it is `ready`."""
        ticket = Ticket(self)
        self._on_the_way.append(ticket)
        before = _mine.set(ticket)
        try:
            yield
        finally:
            _mine.reset(before)
            if not ticket.done:
                self._settle(ticket)

    async def gather(self, ticket: Ticket, enough: int) -> None:
        self._settle(ticket)
        if (left := self._patience_left()) <= 0:
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        if len(self._waiting) >= enough:
            self._let_all_go()
        try:
            await asyncio.wait_for(mine, left)
        except TimeoutError:
            self._let_all_go()

    def _settle(self, ticket: Ticket) -> None:
        ticket.done = True
        if self._waiting and self._patience_left() <= 0:
            self._let_all_go()

    def _patience_left(self) -> float:
        """Seconds for which somebody on the way is still waited for; 0 when nobody is."""
        now, line = time.monotonic(), self._on_the_way
        while line and (line[0].done or now - line[0].arrived > PATIENCE_S):
            line.popleft()
        last = next((ticket for ticket in reversed(line) if not ticket.done), None)
        return 0.0 if last is None else last.arrived + PATIENCE_S - now

    def _let_all_go(self) -> None:
        while self._waiting:
            if not (one := self._waiting.popleft()).done():
                one.set_result(None)


async def ready(enough: int) -> None:
    """Returns when all who are on the way with this request are ready too, or `enough` of them, or when
    patience is at its end. At once for what did not arrive at a server, or has been ready before."""
    ticket = _mine.get()
    if ticket is not None and not ticket.done:
        await ticket.rush.gather(ticket, enough)
