"""Who may talk to a studio at all: no other host name, no web page that was not allowed. Knows no key.

A page on the internet can make a browser send requests to 127.0.0.1. Two checks stop it: the Host header must
name this machine (DNS rebinding), and a browser's Origin must be the studio's own (cross-site requests), or
one that its person has listed.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fabula.core.errors import BodyTooLarge, FabulaError, ForeignHost, ForeignOrigin
from fabula.server.sse import STRAIGHT
from fabula.server.visit import VISIT, Visit
from fabula.store.settings import Settings

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
ANY_ADDRESS = ("0.0.0.0", "::")
TO_THE_DISK = "/api/blobs/"
"""Bodies under this path are written to the disk as they come; their route sees to their size."""
PREFLIGHT_S = 600  # that a browser remembers what it was allowed
TOLD = b"X-Fabula-Ignored, Retry-After"
"""Headers that pages of other origins may read."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say of who may come. `origins` are exact; `any_origin` lets in every page that shows
    a key, also on this machine."""

    hosts: frozenset[str] = LOOPBACK_NAMES
    origins: frozenset[str] = frozenset()
    any_origin: bool = False
    key_on_loopback: bool = False
    access_log: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        bound = {settings.host} - {*ANY_ADDRESS}
        origins = {origin.rstrip("/").lower() for origin in listed(settings.server_cors_origins)}
        names = {name_of(bracketed(name)) for name in (*bound, *listed(settings.server_names))}
        return cls(
            LOOPBACK_NAMES | names,
            frozenset(origins - {"*"}),
            "*" in origins,
            settings.server_key_on_loopback,
            settings.server_access_log,
        )


def listed(text: str) -> list[str]:
    """The parts of a setting that holds several, separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def bracketed(name: str) -> str:
    """An IPv6 address as it stands in a Host header."""
    return f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name


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
    `log` is given each request when it is over, if the rules want that.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        policy: str,
        tell: Callable[[Request, FabulaError], ASGIApp],
        max_body: int,
        rules: Callable[[], Rules] = Rules,
        log: Callable[[Scope, Visit], None] | None = None,
    ):
        self._app, self._tell, self._max_body = app, tell, max_body
        self._rules, self._log = rules, log
        self._headers = {
            b"content-security-policy": policy.encode(),
            b"x-content-type-options": b"nosniff",
            b"referrer-policy": b"no-referrer",
            b"cross-origin-resource-policy": b"same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        scope[STRAIGHT], rules = send, self._rules()
        visit = scope[VISIT] = Visit()
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        shared = _shared(headers, rules)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                message["headers"] = self._with_ours(message.get("headers", ()), shared)
            await send(message)

        try:
            answer = self._answer(scope, headers, rules, shared) or self._app
            await answer(scope, receive, send_with_headers)
        finally:
            if self._log and rules.access_log:
                self._log(scope, visit)

    def _with_ours(
        self, headers: Iterable[tuple[bytes, bytes]], shared: dict[bytes, bytes]
    ) -> list[tuple[bytes, bytes]]:
        """With the security headers where a route set no others, and what pages of other origins need."""
        kept = [(name, value) for name, value in headers if name not in shared]
        there = {name for name, _ in kept}
        own = self._headers | shared if shared else self._headers
        return kept + [(name, value) for name, value in own.items() if name not in there]

    def _answer(
        self, scope: Scope, headers: dict[bytes, str], rules: Rules, shared: dict[bytes, bytes]
    ) -> ASGIApp | None:
        """What is answered here, without a look at the route."""
        refusal = self._refusal(scope, headers, rules, bool(shared))
        if refusal:
            return self._tell(Request(scope), refusal)
        if shared and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            return Response(status_code=204, headers=_preflight(headers))
        return None

    def _refusal(
        self, scope: Scope, headers: dict[bytes, str], rules: Rules, is_shared: bool
    ) -> FabulaError | None:
        host = headers.get(b"host", "")
        if name_of(host) not in rules.hosts and name_of(host) != _own_address(scope):
            return ForeignHost(host)
        origin = headers.get(b"origin")
        if origin is not None and not is_shared and netloc_of(origin) != host:
            return ForeignOrigin(origin)
        length = headers.get(b"content-length", "")
        is_long = length.isdecimal() and (len(length) > 18 or int(length) > self._max_body)
        if is_long and not scope["path"].startswith(TO_THE_DISK):
            return BodyTooLarge(self._max_body)
        return None


def _own_address(scope: Scope) -> str:
    """The address of this machine that the request came to, as a Host header names it."""
    server = scope.get("server")
    return bracketed(server[0].removeprefix("::ffff:")) if server else ""


def _shared(headers: dict[bytes, str], rules: Rules) -> dict[bytes, bytes]:
    """The headers that let a page of another origin read the answer; none where it may not."""
    origin = headers.get(b"origin")
    if origin is None or netloc_of(origin) == headers.get(b"host"):
        return {}
    if origin.lower() in rules.origins:
        own = {
            b"access-control-allow-origin": origin.encode("latin-1"),
            b"access-control-allow-credentials": b"true",
        }
    elif rules.any_origin:
        own = {b"access-control-allow-origin": b"*"}
    else:
        return {}
    return own | {
        b"access-control-expose-headers": TOLD,
        b"cross-origin-resource-policy": b"cross-origin",
        b"vary": b"Origin",
    }


def _preflight(headers: dict[bytes, str]) -> dict[str, str]:
    """The wanted method and headers are allowed, whatever they are: keys and routes decide."""
    wanted = headers.get(b"access-control-request-headers", "")
    return {
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": wanted
        if re.fullmatch(r"[\w\-, ]{1,2000}", wanted)
        else "authorization",
        "access-control-max-age": f"{PREFLIGHT_S}",
    }


@functools.lru_cache(256)  # nearly always the same few
def name_of(host: str) -> str:
    """The host name without its port; the brackets of an IPv6 address stay."""
    return re.sub(r":\d*$", "", host.lower())


@functools.lru_cache(256)
def netloc_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # a bracket without its partner
        return ""
