"""Server-sent events: format, send, and notice when the reader is gone. Knows no event's meaning."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

STRAIGHT = "fabula.straight"
"""In the scope of a request: the server's own `send`. What is wrapped around it on the way to a route looks
at the start of a response only, so the pieces of a long one go straight there."""
WRITE = "fabula.write"
"""There too, where the server can: writes a piece of a body that has begun, or answers False where that takes
`send`. Half the work for each piece, as it asks nothing that is the same for all."""
Write = Callable[[bytes], bool]
PING_S = 15.0
PING = b": ping\n\n"
LONGEST_NUMBER = 18  # digits of an event's number
encode = json.JSONEncoder(ensure_ascii=False).encode  # `json.dumps` would make one for each event


def event(id: int, kind: str, data: Mapping[str, Any]) -> bytes:
    """One event as the browser's EventSource reads it."""
    return f"id: {id}\nevent: {kind}\ndata: {encode(data)}\n\n".encode()


class Way:
    """To the reader of one answer."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.send = scope.get(STRAIGHT, send)
        self.write: Write = scope.get(WRITE, _cannot_write)

    async def put(self, piece: bytes) -> None:
        if piece and not self.write(piece):
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})


class Stream(Response):
    """Sends what `pour` puts on its way as it comes, `ping` when it is silent for `PING_S` (b"" = nothing),
    and cancels it as soon as the reader goes away. Starlette's own StreamingResponse can do the first only.
    """

    media_type = "text/event-stream"
    silent = False
    """Set anew before each ping: what pours says that it was not."""

    def __init__(
        self,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        ping: bytes = PING,
    ):
        self._ping_with = ping
        all_headers = {"cache-control": "no-store", **(headers or {})}
        super().__init__(status_code=status, headers=all_headers, media_type=media_type)
        del self.headers["content-length"]  # Response sets it from its empty body

    async def pour(self, way: Way) -> None:
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        way = Way(scope, send)
        tasks = [
            asyncio.create_task(self._send_all(way)),
            asyncio.create_task(_gone(receive)),
            *([asyncio.create_task(self._ping(way.send))] if self._ping_with else ()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _send_all(self, way: Way) -> None:
        await self.pour(way)
        await way.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _ping(self, send: Send) -> None:
        """Proxies and clients give up on silent connections, and a long prompt is silent."""
        while True:
            self.silent = True
            await asyncio.sleep(PING_S)
            if self.silent:
                await send({"type": "http.response.body", "body": self._ping_with, "more_body": True})


class EventStream(Stream):
    """Of what a generator yields, which is closed at the end."""

    def __init__(self, body: AsyncGenerator[bytes, None], **told: Any) -> None:
        self.body_iterator = body
        super().__init__(**told)

    async def pour(self, way: Way) -> None:
        async with aclosing(self.body_iterator) as body:
            async for piece in body:
                self.silent = False
                await way.put(piece)


def _cannot_write(piece: bytes) -> bool:
    return False


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def resume_point(headers: Mapping[str, str], after: int) -> int:
    """The number of the last event that a reader has, from `Last-Event-ID` or the query."""
    last = headers.get("last-event-id", "")
    return int(last) if last.isdecimal() and len(last) <= LONGEST_NUMBER else after
