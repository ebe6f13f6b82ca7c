"""How pieces of a streamed answer reach readers over real connections: nothing is lost or framed wrongly, and
a reader who does not read holds the answer up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from waiting import PATIENCE_S

from fabula.server.patience import Patient
from fabula.server.sse import STRAIGHT, WRITE, EventStream

Pieces = Callable[[], AsyncGenerator[bytes, None]]


class Streaming:
    """An application whose answers are all the same; notes whether each piece was written straight."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self.straight: list[bool] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        write = scope[WRITE]

        def noted(piece: bytes) -> bool:
            self.straight.append(write(piece))
            return self.straight[-1]

        scope[WRITE], scope[STRAIGHT] = noted, send
        await EventStream(self._pieces(), ping=b"")(scope, receive, send)


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[int]:
    """The port of a server with the studio's own connections."""
    config = uvicorn.Config(app, "127.0.0.1", 0, http=Patient, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def some() -> AsyncGenerator[bytes, None]:
    for piece in (b"one", b"", "二".encode(), b"x" * 70_000, b"\r\n0\r\n\r\n", b"end"):
        yield piece
        await asyncio.sleep(0)


WHOLE = b"one" + "二".encode() + b"x" * 70_000 + b"\r\n0\r\n\r\nend"


async def test_pieces_arrive_whole_and_most_were_written_straight() -> None:
    app = Streaming(some)
    async with serving(app) as port, httpx.AsyncClient() as client:
        for _ in range(3):  # over one connection
            assert (await client.get(f"http://127.0.0.1:{port}/")).content == WHOLE
    assert app.straight == [True] * 15  # of nothing, which would be the end, none is written


async def test_a_head_has_no_body() -> None:
    app = Streaming(some)
    async with serving(app) as port, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{port}/"
        assert (await client.head(url)).content == b""
        assert (await client.get(url)).content == WHOLE


async def test_requests_that_come_together_get_their_own_answers_in_order() -> None:
    async with serving(Streaming(some)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        asked = b"GET / HTTP/1.1\r\nHost: here\r\n"
        writer.write(asked + b"\r\n" + asked + b"Connection: close\r\n\r\n")
        told = await asyncio.wait_for(reader.read(-1), PATIENCE_S)
        writer.close()
    assert told.count(b"HTTP/1.1 200") == 2
    assert told.count(b"3\r\none\r\n") == 2
    assert told.endswith(b"3\r\nend\r\n0\r\n\r\n")


@pytest.mark.parametrize("hangs_up", [False, True])
async def test_a_reader_who_does_not_read_holds_its_answer_up(hangs_up: bool) -> None:
    made, closed = 0, asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal made
        try:
            while True:
                made += 1
                yield b"x" * 65_536
                await asyncio.sleep(0)
        finally:
            closed.set()

    async with serving(Streaming(endless)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        before = -1
        while made != before:  # until nothing moves any more
            before = made
            await asyncio.sleep(0.2)
        assert 0 < made < 1000
        if not hangs_up:  # reading on lets it go on
            while made < before + 50:
                await asyncio.wait_for(reader.read(1 << 20), PATIENCE_S)
        writer.transport.abort()
        await asyncio.wait_for(closed.wait(), PATIENCE_S)
