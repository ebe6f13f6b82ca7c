"""Lets requests in one after the other, with a look at all sockets between two. Knows no route.

What a request needs before it first waits (reading its body, rendering its prompt) takes some milliseconds
of the event loop. Two hundred that arrive together would run in one go, and all else would stand still: the
tokens of those who are being answered, and the question whether the studio is well.
"""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.types import ASGIApp, Receive, Scope, Send

from fabula.core.rush import Rush


class Turnstile:
    """ASGI middleware. Only POST waits: it is what begins work."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False  # somebody went through in this round of the event loop
        self._rush = Rush()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            with self._rush.arriving():
                await self._pass()
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _pass(self) -> None:
        loop = asyncio.get_running_loop()
        if self._taken:
            self._waiting.append(loop.create_future())
            await self._waiting[-1]
        else:
            self._taken = True
            loop.call_soon(self._turn)

    def _turn(self) -> None:
        """A round later: the next one, if there is one."""
        while self._waiting:
            next = self._waiting.popleft()
            if not next.done():  # cancelled while it waited
                next.set_result(None)
                asyncio.get_running_loop().call_soon(self._turn)
                return
        self._taken = False
