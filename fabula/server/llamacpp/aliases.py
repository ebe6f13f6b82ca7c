"""Paths that llama.cpp's server has at its root, beside the same under /v1. Knows no route."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

SAME = {
    "/chat/completions": "/v1/chat/completions",
    "/responses": "/v1/responses",
}


class Aliases:
    """ASGI middleware: such a request goes on as the one under /v1, and is answered as that is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if same := SAME.get(scope.get("path", "")):
            scope = {**scope, "path": same, "raw_path": same.encode()}
        await self._app(scope, receive, send)
