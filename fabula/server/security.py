"""Who may talk to a studio on loopback: no other web page, no other host name. Knows no route.

A page on the internet can make a browser send requests to 127.0.0.1. Two checks stop it: the Host header must
name this machine (DNS rebinding), and a browser's Origin must be the studio's own (cross-site requests).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fabula.core.errors import BodyTooLarge, FabulaError, ForeignHost, ForeignOrigin
from fabula.server.sse import STRAIGHT

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def content_policy(index_html: str) -> str:
    """The Content-Security-Policy of the web app: our own files, and the inline importmap by its hash."""
    hashes = "".join(f" '{_digest(text)}'" for text in _inline_scripts(index_html))
    return (
        f"default-src 'self'; script-src 'self'{hashes}; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    )


def _inline_scripts(html: str) -> list[str]:
    return re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", html, flags=re.DOTALL)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class Gate:
    """ASGI middleware: refuses foreign hosts and origins, and adds the security headers to every answer.

    `tell` makes the answer for an error. A body that says it is too long is refused before it is read.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        policy: str,
        tell: Callable[[Request, FabulaError], ASGIApp],
        max_body: int,
        hosts: Iterable[str] = LOOPBACK_NAMES,
    ):
        self._app = app
        self._tell = tell
        self._max_body = max_body
        self._hosts = frozenset(hosts)
        self._headers = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        scope[STRAIGHT] = send

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        else:
            await self._tell(Request(scope), refusal)(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers) -> FabulaError | None:
        host = headers.get("host", "")
        if _name(host) not in self._hosts:
            return ForeignHost(host)
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != host:
            return ForeignOrigin(origin)
        length = headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 18 or int(length) > self._max_body):
            return BodyTooLarge(self._max_body)
        return None


def _name(host: str) -> str:
    """The host name without its port; the brackets of an IPv6 address stay."""
    return re.sub(r":\d*$", "", host.lower())


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # a bracket without its partner
        return ""
