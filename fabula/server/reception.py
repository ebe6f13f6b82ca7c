"""Who is let in: this machine's own programs, and keys with the scope that a route asks for. Knows no route.

"This machine" is a request that came over loopback, was sent to a loopback name, and was passed on by nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from fabula.accounts import secret
from fabula.core.errors import FabulaError, KeyMissing, KeyUnknown, OnlyHere, ScopeMissing
from fabula.server.scopes import FREE, needed
from fabula.server.security import LOOPBACK_NAMES, Rules, name_of, netloc_of
from fabula.server.visit import LOCAL, Visit, visit_of
from fabula.store.settings import Settings

if TYPE_CHECKING:
    from fabula.accounts.keys import Key, Keys

COOKIE = "fabula_session"
PASSED_ON = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"})
"""Headers of proxies. Who adds one to a request of their own only loses by it."""
KEY_HEADERS = (b"x-api-key", b"api-key")


class Reception:
    """ASGI middleware. `opened` is awaited where a key is needed and the studio has not read its keys yet.

    `studio_key` is that of studio.json: whoever can read it is the person whose home this is.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        rules: Callable[[], Rules],
        opened: Callable[[], Awaitable[object]],
        tell: Callable[[Request, FabulaError], ASGIApp],
        studio_key: str = "",
    ) -> None:
        self._app, self._rules, self._opened, self._tell = app, rules, opened, tell
        self._studio = secret.digest(studio_key) if studio_key else ""
        self.keys: Keys | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                await self._let_in(scope, visit_of(scope))
            except FabulaError as refusal:
                await self._tell(Request(scope), refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _let_in(self, scope: Scope, visit: Visit) -> None:
        """Raises Unauthorized, ScopeMissing or RateLimited."""
        headers, rules = dict(scope["headers"]), self._rules()
        shown, visit.keys = shown_key(headers), self.keys
        if not rules.key_on_loopback and is_local(scope, headers, rules):
            # Any text will do as a key on this machine, as clients insist on sending one; a known one counts.
            key = self.keys.known(shown) if shown and self.keys else None
        elif shown and self._studio and secret.digest(shown) == self._studio:
            key = None
        elif needed(scope["method"], scope["path"]) == FREE:
            return
        else:
            key = await self._shown(shown, session_of(headers))
        visit.who = LOCAL
        if key:
            self._enter(visit, key, needed(scope["method"], scope["path"]))

    async def _shown(self, shown: str, session: str) -> Key:
        """Raises Unauthorized."""
        if self.keys is None:
            await self._opened()
        key = None
        if self.keys:  # else the studio ends before it was open
            key = self.keys.known(shown) if shown else self.keys.of_session(session) if session else None
        if key is None:
            raise KeyUnknown if shown else KeyMissing
        return key

    def _enter(self, visit: Visit, key: Key, scope_needed: str) -> None:
        visit.who, visit.key, visit.keys = key.name, key, self.keys
        if scope_needed and scope_needed not in key.scopes:
            raise ScopeMissing(key.name, scope_needed)
        if self.keys:
            self.keys.enter(key)


def shown_key(headers: dict[bytes, bytes]) -> str:
    """The key that a client sends, in whichever header its dialect uses."""
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer" and given.strip():
        return given.strip().decode("latin-1")
    return next((headers[name].strip().decode("latin-1") for name in KEY_HEADERS if headers.get(name)), "")


def session_of(headers: dict[bytes, bytes]) -> str:
    """The session of a browser that signed in; a page of another origin has none, whatever comes with it."""
    origin, host = headers.get(b"origin"), headers.get(b"host", b"")
    if b"cookie" not in headers or (
        origin is not None and netloc_of(origin.decode("latin-1")).encode() != host
    ):
        return ""
    try:
        found = SimpleCookie(headers[b"cookie"].decode("latin-1")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def require_here(request: Request, settings: Settings) -> None:
    """Whoever sits at this machine, or can read the home's studio.json. Raises OnlyHere."""
    headers = dict(request.scope["headers"])
    if visit_of(request.scope).key and not is_local(request.scope, headers, Rules.of(settings)):
        raise OnlyHere


def is_local(scope: Scope, headers: dict[bytes, bytes], rules: Rules) -> bool:
    client = scope.get("client")
    if not client or not is_loopback(client[0]) or not PASSED_ON.isdisjoint(headers):
        return False
    host = headers.get(b"host", b"").decode("latin-1")
    if name_of(host) not in LOOPBACK_NAMES:
        return False
    origin = headers.get(b"origin")
    if origin is None:
        return True
    said = origin.decode("latin-1")
    return netloc_of(said) == host or said.lower() in rules.origins


def is_loopback(address: str) -> bool:
    return address.removeprefix("::ffff:").startswith("127.") or address in ("::1", "localhost")
