"""The one ASGI application: native API, dialects, web app, behind the gate. Knows no engine and no SQL."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from fabula import __version__
from fabula.app import Studio
from fabula.core.errors import (
    BadParameter,
    BodyTooLarge,
    FabulaError,
    NoSuchRoute,
    QueueFull,
    Unexpected,
)
from fabula.core.texts import phrase
from fabula.server.caller import caller_of
from fabula.server.mistakes import refusal
from fabula.server.native import (
    adapters,
    characters,
    chats,
    engines,
    jobs,
    measures,
    models,
    presets,
    quantizing,
    remotes,
    scoring,
    system,
    tuning,
    turns,
)
from fabula.server.native import errors as native_errors
from fabula.server.openai import embeddings
from fabula.server.openai import render as openai_render
from fabula.server.openai import routes as openai_routes
from fabula.server.security import Gate, content_policy
from fabula.server.static import index_html, web_routes
from fabula.server.turnstile import Turnstile

NATIVE = "/api/fabula/v1"
MAX_BODY = 64 << 20  # bytes of one request; the longest text that the native API takes fits several times
log = logging.getLogger(__name__)


def create(studio: Studio) -> ASGIApp:
    """The application for a studio that has been opened."""
    app = FastAPI(
        title="Fabula",
        version=__version__,
        description="The native API of Fabula, and the dialects that it speaks.",
        docs_url=None,
        redoc_url=None,
        max_body_size=MAX_BODY,
    )
    app.include_router(openai_routes.router(studio))  # first: routes are tried one by one
    app.include_router(web_routes())  # before the many that a router makes ready for its first request
    model_rooms = (tuning, quantizing, adapters, models, engines, remotes, scoring)
    for room in (system, *model_rooms, chats, turns, jobs, presets, measures, characters):
        app.include_router(room.router(studio), prefix=NATIVE)
    app.include_router(embeddings.router(studio))
    _tell_errors(app)
    gate = Gate(app, policy=content_policy(index_html()), tell=_answer, max_body=MAX_BODY)
    return Turnstile(gate)


def _tell_errors(app: FastAPI) -> None:
    """Every failure leaves in the shape of the dialect that was spoken."""

    async def known(request: Request, failure: Exception) -> Response:
        assert isinstance(failure, FabulaError)
        return _answer(request, failure)

    async def invalid(request: Request, failure: Exception) -> Response:
        assert isinstance(failure, RequestValidationError)
        return _answer(request, refusal(list(failure.errors())))

    async def routing(request: Request, failure: Exception) -> Response:
        assert isinstance(failure, HTTPException)
        return _answer(request, _as_ours(request, failure), failure.status_code, failure.headers)

    async def unexpected(request: Request, failure: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=failure)
        return _answer(request, Unexpected(f"{type(failure).__name__}: {failure}"))

    app.add_exception_handler(FabulaError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, routing)
    app.add_exception_handler(Exception, unexpected)


def _as_ours(request: Request, failure: HTTPException) -> FabulaError:
    """What the framework refused before any route of ours was asked."""
    if failure.status_code == 413:
        return BodyTooLarge(MAX_BODY)
    if failure.status_code in (404, 405):
        return NoSuchRoute(request.method, request.url.path)
    return BadParameter("body", "–", phrase("expected.json_object", reason=f"{failure.detail}"))


def _answer(
    request: Request, failure: FabulaError, status: int = 0, headers: Mapping[str, str] | None = None
) -> Response:
    language = caller_of(request).language
    shape = openai_render.error if request.url.path.startswith("/v1/") else native_errors.body
    # What was asked is told back, also where it is half a character that UTF-8 cannot hold.
    body = json.dumps(shape(failure, language), ensure_ascii=False).encode(errors="backslashreplace")
    if isinstance(failure, QueueFull):
        headers = {**(headers or {}), "Retry-After": f"{failure.seconds}"}
    return Response(body, status or failure.status, headers, "application/json")
