"""An engine is taken for dead only when it neither answers nor computes while somebody waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

import pytest

from fabula.engine.llamacpp import pulse

LOOKS = 3 * pulse.MISSES
PID = 1


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "LOOK_S", 0.01)
    monkeypatch.setattr(pulse, "ANSWER_S", 0.01)
    monkeypatch.setattr(pulse, "_spent", lambda pid: 0.0)


class Engine:
    """What is heard of /health, and whether it is answered."""

    def __init__(self, *, answers: bool) -> None:
        self.answers, self.heard = answers, 0
        self.often = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        self.heard += 1
        if self.heard == LOOKS:
            self.often.set()
        if self.answers:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            await reader.read()  # until the other side gives up
        writer.close()


@asynccontextmanager
async def watched(engine: Engine, is_busy: Callable[[], bool]) -> AsyncIterator[asyncio.Task[float]]:
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    async with server:
        watch = asyncio.create_task(pulse.lost(server.sockets[0].getsockname(), PID, is_busy))
        yield watch
        watch.cancel()
        await asyncio.wait([watch])


async def test_one_that_neither_answers_nor_computes_is_dead() -> None:
    async with watched(Engine(answers=False), lambda: True) as watch:
        assert await watch > 0


async def test_one_that_answers_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "ANSWER_S", 60.0)
    engine = Engine(answers=True)
    async with watched(engine, lambda: True) as watch:
        await engine.often.wait()
        assert not watch.done()


async def test_so_does_one_that_only_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = count()
    monkeypatch.setattr(pulse, "_spent", lambda pid: float(next(seconds)))
    engine = Engine(answers=False)
    async with watched(engine, lambda: True) as watch:
        await engine.often.wait()
        assert not watch.done()


async def test_one_that_nobody_waits_for_is_left_alone() -> None:
    engine, often, asked = Engine(answers=False), asyncio.Event(), count()

    def is_busy() -> bool:
        if next(asked) == LOOKS:
            often.set()
        return False

    async with watched(engine, is_busy) as watch:
        await often.wait()
        assert (watch.done(), engine.heard) == (False, 0)
