"""Who sent a request: the one person of this home, by whatever key. Knows no route."""

from __future__ import annotations

from starlette.requests import Request

from fabula.core.request import LOCAL_OWNER, Caller
from fabula.core.texts import choose_language
from fabula.server.visit import visit_of

CALLER = "fabula.caller"
"""In the scope of a request, once somebody has asked: its Caller."""


def caller_of(request: Request) -> Caller:
    known: Caller | None = request.scope.get(CALLER)
    if known is None:
        known = request.scope[CALLER] = _caller(request)
    return known


def _caller(request: Request) -> Caller:
    visit = visit_of(request.scope)
    key = visit.key
    return Caller(
        owner_id=key.owner_id if key else LOCAL_OWNER,
        language=choose_language(request.headers.get("accept-language", "")),
        key=key.id if key else "",
        meter=visit,
    )
