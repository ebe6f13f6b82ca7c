"""One HTTP request to the engine over loopback, its answer read as it comes. Knows no JSON and no engine.

A connection per request: the engine closes its side after each answer, and a pool that is told otherwise
fails every other time. httptools does the parsing, which costs a few microseconds per token.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httptools

READ_BYTES = 65_536


class Answer:
    """Status and body of one response. Raises ConnectionError when it ends too early."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._complete = False
        self.status = 0

    async def read(self) -> bytes:
        """The next piece of the body, as it arrives; b"" at its end."""
        while not self._parts and not self._complete:
            await self.advance()
        parts, self._parts = self._parts, []
        return b"".join(parts)

    async def body(self) -> bytes:
        parts = []
        while part := await self.read():
            parts.append(part)
        return b"".join(parts)

    async def advance(self) -> None:
        """Takes in what has come."""
        data = await self._reader.read(READ_BYTES)
        if not data:
            raise ConnectionResetError("the answer broke off")
        self._parser.feed_data(data)

    # what httptools calls

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)

    def on_message_complete(self) -> None:
        self._complete = True


@asynccontextmanager
async def request(
    address: tuple[str, int], key: str, path: str, body: bytes | None = None
) -> AsyncIterator[Answer]:
    """GET, or POST when there is a body. Leaving the block closes the connection, which stops the engine."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(_head(address, key, path, body) + (body or b""))
        answer = Answer(reader)
        while not answer.status:
            await answer.advance()
        yield answer
    finally:
        writer.transport.abort()


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
