"""The one way from streams of deltas to an answer, whole or streamed, in whatever a dialect says.

A `Voice` renders; this sees to the rest: the status that the first news decides, several choices at once,
failures in mid-stream, and a client that goes away, which stops the engine. Knows no dialect.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula.core.errors import FabulaError, Unexpected
from fabula.core.stream import (
    Delta,
    Finished,
    Loading,
    Prefill,
    Prepared,
    Queued,
    Thought,
    Token,
    ToolCallPart,
)
from fabula.server.bodies import ignored_header
from fabula.server.sse import Stream, Way
from fabula.server.stopping import Turn

CLIENT_GONE = 499  # told to nobody
BEFORE = (Loading, Queued, Prepared, Prefill)  # what a turn tells before it writes
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Written:
    """One choice as it grows, for answers that are not streamed."""

    text: str = ""
    tokens: list[Token] = field(default_factory=list)
    reasoning: str = ""
    calls: list[ToolCallPart] = field(default_factory=list)  # whole ones
    end: Finished | None = None

    def take(self, delta: Delta) -> None:
        if isinstance(delta, Token):
            self.text += delta.text
            self.tokens.append(delta)
        elif isinstance(delta, Thought):
            self.reasoning += delta.text
        elif isinstance(delta, ToolCallPart):
            if delta.name:
                self.calls.append(delta)
            else:
                last = self.calls[delta.index]
                self.calls[delta.index] = replace(last, arguments=last.arguments + delta.arguments)
        elif isinstance(delta, Finished):
            self.end = delta


class Voice(Protocol):
    """How one answer is said in a dialect. One object for each answer; it may remember what it said.

    `media_type` and `ping` are of the stream; a dialect whose streams have no comments pings with b"".
    """

    media_type: str
    ping: bytes

    def whole(self, written: Sequence[Written]) -> dict[str, Any]:
        """The answer that is not streamed; the choices in the order of their index."""

    def opening(self) -> Iterable[bytes]:
        """What a stream begins with."""

    def piece(self, index: int, delta: Delta) -> bytes:
        """A delta of the choice `index`; b"" for what the dialect has no word for."""

    def closing(self) -> Iterable[bytes]:
        """After the last delta of a stream that did not fail."""

    def failed(self, failure: FabulaError) -> bytes:
        """A failure in mid-stream."""

    def end(self) -> bytes:
        """What every stream ends with, also a failed one."""


async def answered(
    request: Request, turns: Sequence[Turn], voice: Voice, *, stream: bool, ignored: Iterable[str] = ()
) -> Response:
    """Raises what the first stream raises before its first news; later failures are the voice's to tell."""
    turns = list(turns)
    try:
        if stream:
            # The first news decides the status: what fails before is an HTTP error, not a broken stream.
            first = await until_gone(request, first_news(turns[0]))
            return _Said(voice, first, turns, ignored)
        written = await until_gone(request, gather(turns))
    except ClientGone:
        return Response(status_code=CLIENT_GONE)
    told = {name for one in written if one.end for name in one.end.ignored}
    return JSONResponse(voice.whole(written), headers=ignored_header(sorted(told)))


class _Said(Stream):
    """A streamed answer: it always ends with an end that its readers know, or an error.

    A turn alone is merged with nothing, and what is said of a delta is written from here: each generator more
    on the way costs every token a tenth of what the studio does with it.
    """

    def __init__(self, voice: Voice, first: Delta, turns: Sequence[Turn], ignored: Iterable[str]) -> None:
        self._voice = voice
        self._ahead: tuple[Delta, ...] = ()  # read already
        self._deltas: AsyncGenerator[Any, None] | Turn
        self._say: Callable[[int, Any], bytes]
        if len(turns) == 1:
            self._deltas, self._ahead, self._say = turns[0], (first,), voice.piece
        else:
            self._deltas, self._say = merged(first, turns), lambda _, told: voice.piece(*told)
        super().__init__(headers=ignored_header(ignored), media_type=voice.media_type, ping=voice.ping)

    async def pour(self, way: Way) -> None:
        voice, say = self._voice, self._say
        try:
            async with aclosing(self._deltas) as deltas:
                for beginning in voice.opening():
                    await way.put(beginning)
                for delta in self._ahead:
                    await way.put(say(0, delta))
                async for delta in deltas:
                    await way.put(say(0, delta))
                    if not isinstance(delta, BEFORE):
                        break
                async for delta in deltas:  # anew: a turn that writes by now is read past what could stop it
                    self.silent = False
                    piece = say(0, delta)
                    if piece and not way.write(piece):
                        await way.put(piece)
            for ending in voice.closing():
                await way.put(ending)
        except FabulaError as failure:
            await way.put(voice.failed(failure))
        except Exception as failure:  # a stream that just ends would look like a short reply
            log.exception("a streamed answer failed")
            await way.put(voice.failed(Unexpected(f"{type(failure).__name__}: {failure}")))
        await way.put(voice.end())


async def first_news(turn: Turn) -> Delta:
    """The first delta of the engine, or its place in the queue; what fails before is raised here."""
    first = await anext(turn)
    while isinstance(first, Loading | Prepared):
        first = await anext(turn)
    return first


async def gather(turns: Iterable[Turn]) -> list[Written]:
    """All choices, whole. Raises an ExceptionGroup when some fail."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_whole(turn)) for turn in turns]
    return [task.result() for task in tasks]


async def _whole(turn: Turn) -> Written:
    written = Written()
    async with aclosing(turn):
        async for delta in turn:
            written.take(delta)
    return written


async def merged(first: Delta, turns: Sequence[Turn]) -> AsyncGenerator[tuple[int, Delta], None]:
    """The deltas of several streams as they come, each with its stream's index. `first` was read already."""
    queue: asyncio.Queue[tuple[int, Delta | BaseException | None]] = asyncio.Queue()
    queue.put_nowait((0, first))

    async def drain(index: int, turn: Turn) -> None:
        try:
            async with aclosing(turn):
                async for delta in turn:
                    queue.put_nowait((index, delta))
            queue.put_nowait((index, None))
        except Exception as failure:  # noqa: BLE001  # raised again below, in the reader's task
            queue.put_nowait((index, failure))

    tasks = [asyncio.create_task(drain(index, turn)) for index, turn in enumerate(turns)]
    try:
        open_streams = len(turns)
        while open_streams:
            index, item = await queue.get()
            if isinstance(item, BaseException):
                raise item
            if item is None:
                open_streams -= 1
            else:
                yield index, item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class ClientGone(Exception):
    """Nobody is there to read the answer."""


async def until_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, cancelled as soon as the client hangs up. Raises ClientGone."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task, watch = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    except ExceptionGroup as group:
        raise _first(group) from group
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """The error that is told when several choices failed at once."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, ExceptionGroup) else inner
