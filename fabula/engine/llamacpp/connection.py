"""One HTTP request to the engine over loopback, its answer read as it comes. Knows no JSON and no engine.

A connection per request: the engine closes its side after each answer, and a pool that is told otherwise
fails every other time. httptools does the parsing; a chunk that comes whole, as nearly every token does, is
read without it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from contextvars import Context

import httptools

_chunk = re.compile(rb"([0-9a-fA-F]+)\r\n(.+)\r\n", re.DOTALL).fullmatch


class Bell:
    """What one task awaits, again and again; ringing it goes on with the task at once.

    asyncio takes it for a future (`asyncio.isfuture`). A future itself would be made anew for each token and
    go on with its task in the next round of the event loop: 3 % of all that a token costs (measured).
    """

    _asyncio_future_blocking = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wake: Callable[[Bell], object] | None = None  # the task, while it waits
        self._context: Context | None = None
        self._cancelled = False

    def ring(self) -> None:
        """From a callback of the event loop, where no task is running."""
        wake, self._wake = self._wake, None
        if wake and self._context:
            self._context.run(wake, self)

    def __await__(self) -> Generator[Bell, None, None]:
        self._asyncio_future_blocking = True
        yield self

    # what asyncio's tasks call

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, wake: Callable[[Bell], object], *, context: Context) -> None:
        self._wake, self._context = wake, context

    def cancel(self, msg: object = None) -> bool:
        self._cancelled = True
        self._loop.call_soon(self.ring)
        return True

    def result(self) -> None:
        cancelled, self._cancelled = self._cancelled, False
        if cancelled:
            raise asyncio.CancelledError


class Answer(asyncio.Protocol):
    """Status and body of one response. Reading raises ConnectionError when it ends too early.

    A protocol of its own, not asyncio's stream reader, which costs as much again per token.
    """

    def __init__(self) -> None:
        self._news = Bell(asyncio.get_running_loop())
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._between = False  # the bytes so far end with a chunk
        self._complete = False
        self._broken: Exception | None = None
        self.status = 0

    async def begin(self) -> None:
        """Returns when the status is known."""
        while not self.status:
            await self._more()

    async def pieces(self) -> list[bytes]:
        """The next pieces of the body, as they arrived; none at its end."""
        while not (self._parts or self._complete):
            await self._more()
        parts, self._parts = self._parts, []
        return parts

    async def body(self) -> bytes:
        body: list[bytes] = []
        while parts := await self.pieces():
            body += parts
        return b"".join(body)

    def _more(self) -> Bell:
        """Rung when more has come."""
        if self._broken:
            raise ConnectionResetError("the answer broke off") from self._broken
        return self._news

    # what asyncio calls

    def data_received(self, data: bytes) -> None:
        whole = _whole_chunk(data) if self._between else b""
        if whole:
            self._parts.append(whole)
        else:
            self._parse(data)
        self._news.ring()

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._broken = error
        # The next chunk's size may have begun; a whole line of it would have been told.
        self._between = self._between and data.endswith(b"\r\n")

    def connection_lost(self, error: Exception | None) -> None:
        self._broken = error or EOFError()
        self._news.ring()

    # what httptools calls

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_chunk_header(self) -> None:
        self._between = False

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)

    def on_chunk_complete(self) -> None:
        self._between = True

    def on_message_complete(self) -> None:
        self._between, self._complete = False, True


def _whole_chunk(data: bytes) -> bytes:
    """The content of a chunk that is all there is, with the simplest of heads (RFC 9112, 7.1); else b""."""
    if found := _chunk(data):
        size, content = found.groups()
        if int(size, 16) == len(content):
            return content
    return b""


@asynccontextmanager
async def request(
    address: tuple[str, int],
    key: str,
    path: str,
    body: bytes | None = None,
    before: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Answer]:
    """GET, or POST when there is a body. Leaving the block closes the connection, which stops the engine.

    `before` is awaited between connecting and asking.
    """
    transport, answer = await asyncio.get_running_loop().create_connection(Answer, *address)
    try:
        if before is not None:
            await before()
        transport.write(_head(address, key, path, body) + (body or b""))
        await answer.begin()
        yield answer
    finally:
        transport.abort()


def _head(address: tuple[str, int], key: str, path: str, body: bytes | None) -> bytes:
    lines = [
        f"{'GET' if body is None else 'POST'} {path} HTTP/1.1",
        f"Host: {address[0]}:{address[1]}",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
        f"Content-Length: {len(body or b'')}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
