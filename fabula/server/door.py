"""The way into a studio: the web app's files at once, everything else as soon as the studio is open.

A studio takes a second to read its code and its database, and a browser as long to show a page: they do so
side by side. Knows no route of the API.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from fabula.server.answers import answer
from fabula.server.security import Gate, content_policy
from fabula.server.static import WebApp, index_html
from fabula.server.turnstile import Turnstile

MAX_BODY = 64 << 20  # bytes of one request; the longest text that the native API takes fits several times


class Door:
    """ASGI. What asks for more than a file waits until `open` says what answers it."""

    def __init__(self) -> None:
        self._behind: asyncio.Future[ASGIApp] | None = None
        self._app: ASGIApp | None = None
        gate = Gate(
            WebApp(self._through), policy=content_policy(index_html()), tell=answer, max_body=MAX_BODY
        )
        self._way_in = Turnstile(gate)

    @property
    def is_open(self) -> bool:
        return self._app is not None

    def open(self, app: ASGIApp) -> None:
        self._app = app
        if self._behind is not None:
            self._behind.set_result(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._way_in(scope, receive, send)

    async def _through(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app or await self._opened()
        await app(scope, receive, send)

    async def _opened(self) -> ASGIApp:
        if self._behind is None:
            self._behind = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self._behind)  # one reader who goes away takes it from nobody else
