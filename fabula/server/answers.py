"""What went wrong, as an answer in the shape of the dialect that was spoken. Knows no route."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from fabula.core.errors import FabulaError, QueueFull, RateLimited, Unauthorized
from fabula.server.anthropic import errors as anthropic
from fabula.server.caller import caller_of
from fabula.server.kobold import errors as kobold
from fabula.server.llamacpp import errors as llamacpp
from fabula.server.native import errors as native
from fabula.server.ollama import errors as ollama
from fabula.server.openai import errors as openai

Shape = Callable[[FabulaError, str], dict[str, Any]]
SHAPES: tuple[tuple[str, Shape], ...] = (
    ("/api/fabula/", native.body),
    *((beginning, kobold.body) for beginning in ("/api/v1/", "/api/latest/", "/api/extra/", "/api/admin/")),
    ("/api/", ollama.body),
    ("/v1/messages", anthropic.body),
    *((path, llamacpp.body) for path in llamacpp.PATHS),
    ("/v1/", openai.body),
)
"""Beginnings of paths and the shape of what goes wrong there; the first that fits holds."""


def answer(
    request: Request, failure: FabulaError, status: int = 0, headers: Mapping[str, str] | None = None
) -> Response:
    language = caller_of(request).language
    # What was asked is told back, also where it is half a character that UTF-8 cannot hold.
    told = shape_of(request.url.path, request.headers)(failure, language)
    body = json.dumps(told, ensure_ascii=False).encode(errors="backslashreplace")
    if isinstance(failure, QueueFull | RateLimited):
        headers = {**(headers or {}), "Retry-After": f"{failure.seconds}"}
    if isinstance(failure, Unauthorized):
        headers = {**(headers or {}), "WWW-Authenticate": "Bearer"}
    return Response(body, status or failure.status, headers, "application/json")


def shape_of(path: str, headers: Mapping[str, str]) -> Shape:
    if path.startswith("/v1/") and anthropic.VERSION in headers:
        return anthropic.body  # its clients ask the paths that two dialects share, and tell so
    return next((shape for beginning, shape in SHAPES if path.startswith(beginning)), native.body)
