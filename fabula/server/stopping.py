"""Ending an answer from outside, with what is written so far: its client still gets it, and why it ended.

A client that hangs up needs none of this: its stream is closed. Knows no dialect.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakSet

from fastapi import Request

from fabula.core.stream import Delta, Finished, Prefill, Prepared, Thought, Token, ToolCallPart
from fabula.server.caller import caller_of
from fabula.turn import request

NOTHING_KNOWN = Prepared(engine="", effective={})
NOTHING_READ = Prefill(0, 0, 0)


class Turn(Protocol):
    """The deltas of one choice, to be read to its end or closed."""

    def __aiter__(self) -> AsyncIterator[Delta]: ...

    def __anext__(self) -> Awaitable[Delta]: ...

    def aclose(self) -> Awaitable[None]: ...


class Stop(request.Stop):
    """`owner` and `path` say whose answer it is; `waiting` are its choices that write nothing yet."""

    def __init__(self, owner: str = "", path: str = "") -> None:
        super().__init__()
        self.owner, self.path = owner, path
        self.waiting: set[asyncio.Future[Delta | None]] = set()

    def ask(self) -> None:
        super().ask()
        for wait in self.waiting:
            wait.cancel()


class Stops:
    """Those of the answers that are being written."""

    def __init__(self) -> None:
        self._all: WeakSet[Stop] = WeakSet()

    def begin(self, owner: str, path: str) -> Stop:
        self._all.add(stop := Stop(owner, path))
        return stop

    def ask(self, owner: str, paths: Collection[str]) -> int:
        """Ends all that this owner asked for there; how many there were."""
        found = [stop for stop in self._all if stop.owner == owner and stop.path in paths]
        for stop in found:
            stop.ask()
        return len(found)


def stops_of(request: Request) -> Stops:
    """Those of the application that a request came to."""
    state = request.app.state
    if not hasattr(state, "stops"):
        state.stops = Stops()
    found: Stops = state.stops
    return found


def begin(request: Request) -> Stop:
    return stops_of(request).begin(caller_of(request).owner_id, request.scope["path"])


class Stoppable:
    """A turn that ends also while it waits for others or reads a long prompt: at once when `stop` is asked,
    with a `Finished` of what is known. Once it writes, it ends itself with its next piece (see `Turns`).

    Not a generator, which would cost each token as much as the turn itself.
    """

    def __init__(self, turn: Turn, stop: Stop) -> None:
        self._turn, self._stop = turn, stop
        self._seen = _Seen()
        self._writes = False

    def __aiter__(self) -> AsyncIterator[Delta]:
        """Of a turn that writes, itself: who begins to read it anew then, reads it past all this."""
        return self._turn.__aiter__() if self._writes else self

    def __anext__(self) -> Awaitable[Delta]:
        return self._turn.__anext__() if self._writes else self._ahead()

    async def aclose(self) -> None:
        await self._turn.aclose()

    async def _ahead(self) -> Delta:
        if self._seen.is_over:
            raise StopAsyncIteration
        if delta := await _next(self._turn, self._stop):
            self._seen.take(delta)
            self._writes = isinstance(delta, Token | Thought | ToolCallPart)
            return delta
        await self._turn.aclose()
        self._seen.is_over = True
        return self._seen.end()


async def _next(turn: Turn, stop: Stop) -> Delta | None:
    """None at the end, and when it is asked to stop."""
    if stop.asked:
        return None
    task = asyncio.current_task()
    wait = asyncio.ensure_future(_first(turn))
    stop.waiting.add(wait)
    try:
        return await wait
    except asyncio.CancelledError:
        if stop.asked and not (task and task.cancelling()):
            return None
        raise
    finally:
        stop.waiting.discard(wait)


async def _first(turn: Turn) -> Delta | None:
    return await anext(turn, None)


@dataclass(slots=True)
class _Seen:
    """What can be told of an answer that was ended before it began."""

    known: Prepared = NOTHING_KNOWN
    read: Prefill = NOTHING_READ
    is_over: bool = False

    def take(self, delta: Delta) -> None:
        if isinstance(delta, Prefill):
            self.read = delta
        elif isinstance(delta, Prepared):
            self.known = delta
        elif isinstance(delta, Finished):
            self.is_over = True

    def end(self) -> Finished:
        return Finished(
            reason="stopped",
            prompt_tokens=self.read.total,
            reused_tokens=self.read.reused,
            processed_tokens=max(self.read.processed - self.read.reused, 0),
            completion_tokens=0,
            prompt_ms=0.0,
            predicted_ms=0.0,
            engine=self.known.engine,
            effective=self.known.effective,
            ignored=self.known.ignored,
            cut_messages=self.known.cut_messages,
            cut_tokens=self.known.cut_tokens,
            exact=self.known.exact,
        )
