"""Who sent a request: on loopback, the one person of this home. Knows no route."""

from __future__ import annotations

from starlette.requests import Request

from fabula.core.request import Caller
from fabula.core.texts import choose_language


def caller_of(request: Request) -> Caller:
    return Caller(language=choose_language(request.headers.get("accept-language", "")))
