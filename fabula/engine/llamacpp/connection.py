"""One HTTP request to the engine over loopback, its answer read as it comes. Knows no JSON and no engine.

A connection per request: the engine closes its side after each answer, and a pool that is told otherwise
fails every other time. httptools does the parsing; a chunk that comes whole, as nearly every token does, is
read without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from contextvars import Context

import httptools


def _heads(most: int) -> list[bytes]:
    """How chunks begin (RFC 9112, 7.1), by the length of the whole; b"" where no chunk is of that length."""
    heads = {len(head) + size + 2: head for size in range(1, most) for head in (b"%x\r\n" % size,)}
    return [heads.get(length, b"") for length in range(most)]


_HEADS = _heads(1024)  # a token's chunk has about 120 bytes, and is known without reading a number


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
        if wake is not None and self._context is not None:  # a context without variables is falsy
            self._context.run(wake, self)

    def __await__(self) -> Generator[Bell, None, None]:
        self._asyncio_future_blocking = True
        return iter((self,))  # type: ignore[return-value]  # any iterator will do

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


class _Nothing:
    """Awaited, it is there."""

    def __await__(self) -> Generator[None, None, None]:
        return iter(())  # type: ignore[return-value]


NOTHING = _Nothing()


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
        self.is_over = False  # and all was taken
        self.status = 0

    async def begin(self) -> None:
        """Returns when the status is known."""
        while not self.status:
            await self._awaited()

    def more(self) -> Awaitable[None]:
        """Awaited until there is something to take, or the end."""
        return NOTHING if self._parts or self._complete else self._awaited()

    def taken(self) -> list[bytes]:
        """What has come of the body and was not taken yet, in pieces as they arrived."""
        parts, self._parts = self._parts, []
        self.is_over = self._complete
        return parts

    async def body(self) -> bytes:
        body: list[bytes] = []
        while not self.is_over:
            await self.more()
            body += self.taken()
        return b"".join(body)

    def _awaited(self) -> Bell:
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
    """The content of a chunk that is all there is, with the simplest of heads; else b""."""
    head = _HEADS[len(data)] if len(data) < len(_HEADS) else b""
    if head and data[: len(head)] == head and data[-2:] == b"\r\n":
        return data[len(head) : -2]
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
