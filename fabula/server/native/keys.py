"""Keys, and browsers that sign in with one. Knows no other route, and nothing of what a key opens.

A secret is in one answer only: that to its making.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula.accounts.keys import SCOPES, Key
from fabula.accounts.limits import seconds_in
from fabula.app import Studio
from fabula.core.errors import BadParameter, KeyUnknown
from fabula.core.texts import phrase
from fabula.server.addresses import for_others, listening, reach_of
from fabula.server.native import bodies
from fabula.server.reception import COOKIE, is_local, session_of, shown_key
from fabula.server.routing import Routes
from fabula.server.security import Rules

PAGE = "/login"


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["Keys"])
    _keys(routes, studio)
    _session(routes, studio)
    return routes


def _keys(routes: Routes, studio: Studio) -> None:
    keys = studio.keys

    @routes.get("/keys")
    async def list_keys() -> dict[str, Any]:
        """All keys, without their secrets."""
        return {"keys": [_shape(key) for key in keys.list()], "scopes": list(SCOPES)}

    @routes.post("/keys", status_code=201)
    async def add(body: bodies.NewKey) -> dict[str, Any]:
        """Make a key. Its secret is told in this answer and never again."""
        expires_in = seconds_in(body.expires_in) if isinstance(body.expires_in, str) else body.expires_in
        key, secret = await keys.add(
            body.name, body.scopes, requests=body.requests, tokens=body.tokens, expires_in=expires_in
        )
        return {"key": _shape(key), "secret": secret}

    @routes.delete("/keys/{name}", status_code=204)
    async def remove(name: str) -> Response:
        """Remove a key, and sign out who signed in with it."""
        await keys.remove(name)
        return Response(status_code=204)

    @routes.post("/keys/{name}/link")
    async def link(name: str, request: Request) -> dict[str, Any]:
        """A page's address that signs one browser in with the key, once."""
        secret, seconds = keys.link(name)
        server = request.scope.get("server") or ("", 0)
        addresses = for_others(listening(studio.began, studio.settings), server[1] or 0)
        links = [f"{address}{PAGE}#{secret}" for address in addresses]
        codes = [_code(link) for link in links]
        return {"path": f"{PAGE}#{secret}", "links": links, "codes": codes, "seconds": seconds}

    @routes.get("/reach")
    async def reach(request: Request) -> dict[str, Any]:
        """Who reaches this studio, under which addresses, and what keeps others out."""
        server = request.scope.get("server") or ("", 0)
        return {"keys": len(keys.list())} | reach_of(studio.began, studio.settings, server[1] or 0)


def _code(link: str) -> list[str]:
    """A QR code as rows of 0 and 1, without its quiet zone."""
    import segno

    return ["".join("1" if dark else "0" for dark in row) for row in segno.make(link, micro=False).matrix]


def _session(routes: Routes, studio: Studio) -> None:
    keys = studio.keys

    @routes.get("/session")
    async def session(request: Request) -> dict[str, Any]:
        """Whether this browser or program may come in, and with which key."""
        headers, rules = dict(request.scope["headers"]), Rules.of(studio.settings)
        shown, signed = shown_key(headers), session_of(headers)
        key = keys.known(shown) if shown else keys.of_session(signed) if signed else None
        trusted = not rules.key_on_loopback and is_local(request.scope, headers, rules)
        return {"needs_key": not trusted, "key": _said(key)}

    @routes.post("/session")
    async def sign_in(body: bodies.SignIn, request: Request) -> Response:
        """Show a key, or follow a link, and get a cookie."""
        if not (body.key or body.link):
            raise BadParameter("key", "", phrase("expected.given"))
        key = keys.follow(body.link) if body.link else keys.known(body.key)
        if key is None:
            raise KeyUnknown
        secret, seconds = await keys.sign_in(key)
        answer = JSONResponse({"needs_key": True, "key": _said(key)})
        answer.set_cookie(
            COOKIE,
            secret,
            max_age=int(seconds),
            httponly=True,
            samesite="strict",
            secure=_is_encrypted(request),
        )
        return answer

    @routes.delete("/session", status_code=204)
    async def sign_out(request: Request) -> Response:
        """Forget the cookie."""
        if signed := session_of(dict(request.scope["headers"])):
            await keys.sign_out(signed)
        answer = Response(status_code=204)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_encrypted(request))
        return answer


def _is_encrypted(request: Request) -> bool:
    """Whether the browser's own connection is, which ends at a proxy where there is one."""
    told = request.headers.get("x-forwarded-proto", request.scope["scheme"])
    return bool(told == "https")


def _said(key: Key | None) -> dict[str, Any] | None:
    return {"name": key.name, "scopes": list(key.scopes)} if key else None


def _shape(key: Key) -> dict[str, Any]:
    return {
        "name": key.name,
        "beginning": key.beginning,
        "scopes": list(key.scopes),
        "requests": str(key.requests or ""),
        "tokens": str(key.tokens or ""),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "used_at": key.used_at,
    }
