"""Ask many streams at once and note when what came. Knows the OpenAI dialect's bytes, and who answers not.

As cheap as Python allows, because it shares the machine with what it measures: bytes are kept as they come
and read only when all is over.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

FIRST_TEXT = re.compile(rb'"content": ?"[^"]')
COMPLETION_TOKENS = re.compile(rb'"completion_tokens": ?(\d+)')
PROMPT_TOKENS = re.compile(rb'"prompt_tokens": ?(\d+)')
DONE = b"[DONE]"
LONGEST_S = 300.0  # of one answer


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask."""

    host: str
    port: int
    key: str


@dataclass(frozen=True, slots=True)
class Streamed:
    """What one stream brought. Times in seconds from just before the connection was made."""

    tokens: int
    prompt_tokens: int
    first_s: float
    last_s: float


class Broken(Exception):
    """A stream that did not end as it should: the measurement counts for nothing."""


class _Reader(asyncio.Protocol):
    def __init__(self, request: bytes) -> None:
        self._request = request
        self.parts: list[bytes] = []
        self.first_at = self.last_at = 0.0
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)
        if not self.first_at and FIRST_TEXT.search(data):
            self.first_at = time.perf_counter()
        if DONE in data:
            self.last_at = time.perf_counter()

    def connection_lost(self, error: Exception | None) -> None:
        self.last_at = self.last_at or time.perf_counter()
        if not self.over.done():
            self.over.set_result(None)


def request(server: Server, path: str, body: dict[str, Any]) -> bytes:
    data = json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {server.host}:{server.port}",
        f"Authorization: Bearer {server.key}",
        "Content-Type: application/json",
        f"Content-Length: {len(data)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + data


async def stream(server: Server, path: str, body: dict[str, Any]) -> Streamed:
    """One streamed answer, from connecting to its end. Raises Broken."""
    message = request(server, path, body)
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    transport, reader = await loop.create_connection(lambda: _Reader(message), server.host, server.port)
    async with asyncio.timeout(LONGEST_S):
        await reader.over
    transport.close()
    answer = b"".join(reader.parts)
    found = COMPLETION_TOKENS.search(answer)
    if not found or DONE not in answer or not reader.first_at:
        raise Broken(answer[-500:].decode(errors="replace"))
    prompt = PROMPT_TOKENS.search(answer)
    return Streamed(
        tokens=int(found[1]),
        prompt_tokens=int(prompt[1]) if prompt else 0,
        first_s=reader.first_at - started,
        last_s=reader.last_at - started,
    )


async def streams(server: Server, path: str, bodies: Sequence[dict[str, Any]]) -> list[Streamed]:
    """All at once."""
    return await asyncio.gather(*(stream(server, path, body) for body in bodies))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one: the client's share of the time gets smaller."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
