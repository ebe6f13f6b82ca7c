"""The way into a studio: the web app's files at once, everything else as soon as the studio is open.

A studio takes a second to read its code and its database, and a browser as long to show a page: they do so
side by side. Knows no route of the API.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from fabula.server.answers import answer
from fabula.server.reception import Reception
from fabula.server.security import Gate, Rules, content_policy
from fabula.server.static import WebApp, index_html
from fabula.server.turnstile import Turnstile
from fabula.server.visit import Visit
from fabula.store.settings import Settings

if TYPE_CHECKING:
    from fabula.app import Studio

MAX_BODY = 64 << 20  # bytes of one request; the longest text that the native API takes fits several times


class Door:
    """ASGI. What asks for more than a file waits until `open` says what answers it."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        studio_key: str = "",
        log: Callable[[Scope, Visit], None] | None = None,
    ) -> None:
        """`settings` hold until the studio is open, and then its own."""
        self._behind: asyncio.Future[ASGIApp] | None = None
        self._inside = 0  # requests behind the door
        self._empty = asyncio.Event()
        self._app: ASGIApp | None = None
        self._studio: Studio | None = None
        self._settings, self._rules = settings, Rules.of(settings) if settings else Rules()
        self._reception = Reception(
            self._through, rules=self.rules, opened=self._opened, tell=answer, studio_key=studio_key
        )
        gate = Gate(
            WebApp(self._reception, lambda: self._settings.language if self._settings else ""),
            policy=content_policy(index_html()),
            tell=answer,
            max_body=MAX_BODY,
            rules=self.rules,
            log=log,
        )
        self._way_in = Turnstile(gate)

    @property
    def is_open(self) -> bool:
        return self._app is not None

    def open(self, app: ASGIApp, studio: Studio | None = None) -> None:
        self._app, self._studio = app, studio
        if studio:
            self._reception.keys = studio.keys
        if self._behind is not None:
            self._behind.set_result(app)

    def shut(self) -> None:
        """From now on what asks for more than a file waits again, until the next `open`."""
        self._app = self._studio = self._behind = None
        self._reception.keys = None

    async def emptied(self, timeout: float) -> None:
        """Until those who came in before are answered, or `timeout` seconds have passed."""
        with contextlib.suppress(TimeoutError):
            while self._inside:
                self._empty.clear()
                await asyncio.wait_for(self._empty.wait(), timeout)

    def rules(self) -> Rules:
        """As the settings are now."""
        if self._studio and self._studio.settings is not self._settings:
            self._settings = self._studio.settings
            self._rules = Rules.of(self._settings)
        return self._rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._way_in(scope, receive, send)

    async def _through(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app or await self._opened()
        self._inside += 1
        try:
            await app(scope, receive, send)
        finally:
            self._inside -= 1
            self._empty.set()

    async def _opened(self) -> ASGIApp:
        if self._behind is None:
            self._behind = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self._behind)  # one reader who goes away takes it from nobody else
