"""Who sent a request: the one person of this home, by whatever key. Knows no route."""

from __future__ import annotations

from starlette.requests import Request

from fabula.core.request import LOCAL_OWNER, Caller
from fabula.core.texts import choose_language
from fabula.server.visit import visit_of


def caller_of(request: Request) -> Caller:
    visit, key = visit_of(request.scope), visit_of(request.scope).key
    return Caller(
        owner_id=key.owner_id if key else LOCAL_OWNER,
        language=choose_language(request.headers.get("accept-language", "")),
        key=key.id if key else "",
        meter=visit,
    )
