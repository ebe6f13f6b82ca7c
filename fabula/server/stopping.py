"""Ending an answer from outside, with what is written so far: its client still gets it, and why it ended.

A client that hangs up needs none of this: its stream is closed. Knows no dialect.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import dataclass, field
from weakref import WeakSet

from fastapi import Request

from fabula.core.stream import Delta, Finished, Prefill, Prepared, Thought, Token, ToolCallPart
from fabula.server.caller import caller_of

NOTHING_KNOWN = Prepared(engine="", effective={})
NOTHING_READ = Prefill(0, 0, 0)


class Stop:
    """A wish to end that comes while an answer is written. `owner` and `path` say whose it is."""

    def __init__(self, owner: str = "", path: str = "") -> None:
        self.owner, self.path = owner, path
        self.asked = False
        self.waits: asyncio.Future[Delta | None] | None = None

    def ask(self) -> None:
        self.asked = True
        if self.waits:
            self.waits.cancel()


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
    return stops_of(request).begin(caller_of(request).owner_id, request.url.path)


async def stoppable(turn: AsyncGenerator[Delta, None], stop: Stop) -> AsyncGenerator[Delta, None]:
    """The same deltas; when `stop` is asked, they end with a `Finished` of what is known."""
    seen = _Seen()
    async with aclosing(turn):
        while delta := await _next(turn, stop):  # reading a long prompt, or waiting for others, ends at once
            yield seen.take(delta)
            if isinstance(delta, Token | Thought | ToolCallPart):
                break
        if not stop.asked:
            async for delta in turn:
                if isinstance(delta, Token):  # nearly always
                    seen.tokens += len(delta.ids)
                else:
                    seen.take(delta)
                yield delta
                if stop.asked:
                    break
    if not seen.is_over:
        yield seen.end()


async def _next(turn: AsyncGenerator[Delta, None], stop: Stop) -> Delta | None:
    """None at the end, and when it is asked to stop."""
    if stop.asked:
        return None
    task = asyncio.current_task()
    stop.waits = asyncio.ensure_future(_first(turn))
    try:
        return await stop.waits
    except asyncio.CancelledError:
        if stop.asked and not (task and task.cancelling()):
            return None
        raise
    finally:
        stop.waits = None


async def _first(turn: AsyncGenerator[Delta, None]) -> Delta | None:
    return await anext(turn, None)


@dataclass(slots=True)
class _Seen:
    """What can be told of an answer that was ended early."""

    known: Prepared = NOTHING_KNOWN
    read: Prefill = NOTHING_READ
    tokens: int = 0
    reasoning: int = 0
    is_over: bool = False
    started: float = field(default_factory=time.perf_counter)

    def take(self, delta: Delta) -> Delta:
        if isinstance(delta, Token):
            self.tokens += len(delta.ids)
        elif isinstance(delta, Thought):
            self.tokens += len(delta.ids)
            self.reasoning += len(delta.ids)
        elif isinstance(delta, Prefill):
            self.read, self.started = delta, time.perf_counter()
        elif isinstance(delta, Prepared):
            self.known = delta
        elif isinstance(delta, Finished):
            self.is_over = True
        return delta

    def end(self) -> Finished:
        return Finished(
            reason="stopped",
            prompt_tokens=self.read.total,
            reused_tokens=self.read.reused,
            processed_tokens=max(self.read.processed - self.read.reused, 0),
            completion_tokens=self.tokens,
            reasoning_tokens=self.reasoning,
            prompt_ms=0.0,
            predicted_ms=(time.perf_counter() - self.started) * 1000 if self.tokens else 0.0,
            engine=self.known.engine,
            effective=self.known.effective,
            ignored=self.known.ignored,
            cut_messages=self.known.cut_messages,
            cut_tokens=self.known.cut_tokens,
            exact=self.known.exact,
        )
