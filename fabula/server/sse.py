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
_encode = json.JSONEncoder(ensure_ascii=False).encode  # `json.dumps` would make one for each event


def event(id: int, kind: str, data: Mapping[str, Any]) -> bytes:
    """One event as the browser's EventSource reads it."""
    return f"id: {id}\nevent: {kind}\ndata: {_encode(data)}\n\n".encode()


class EventStream(Response):
    """Sends what `body` yields as it comes, `ping` when it is silent for `PING_S` (b"" = nothing), and closes
    `body` as soon as the reader goes away. Starlette's own StreamingResponse can do the first only."""

    media_type = "text/event-stream"

    def __init__(
        self,
        body: AsyncGenerator[bytes, None],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        ping: bytes = PING,
    ):
        self.body_iterator, self._ping_with = body, ping
        all_headers = {"cache-control": "no-store", **(headers or {})}
        super().__init__(status_code=status, headers=all_headers, media_type=media_type)
        del self.headers["content-length"]  # Response sets it from its empty body
        self._silent = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        straight = scope.get(STRAIGHT, send)
        tasks = [
            asyncio.create_task(self._send_all(straight, scope.get(WRITE, _cannot_write))),
            asyncio.create_task(_gone(receive)),
            *([asyncio.create_task(self._ping(straight))] if self._ping_with else ()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _send_all(self, send: Send, write: Write) -> None:
        async with aclosing(self.body_iterator) as body:
            async for chunk in body:
                self._silent = False
                if not write(chunk):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _ping(self, send: Send) -> None:
        """Proxies and clients give up on silent connections, and a long prompt is silent."""
        while True:
            self._silent = True
            await asyncio.sleep(PING_S)
            if self._silent:
                await send({"type": "http.response.body", "body": self._ping_with, "more_body": True})


def _cannot_write(piece: bytes) -> bool:
    return False


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def resume_point(headers: Mapping[str, str], after: int) -> int:
    """The number of the last event that a reader has, from `Last-Event-ID` or the query."""
    last = headers.get("last-event-id", "")
    return int(last) if last.isdecimal() and len(last) <= LONGEST_NUMBER else after
