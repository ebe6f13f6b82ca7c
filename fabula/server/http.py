"""The one ASGI application: native API and dialects, behind the door. Knows no engine and no SQL."""

from __future__ import annotations

import logging

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
    Unexpected,
)
from fabula.core.texts import phrase
from fabula.server.answers import answer
from fabula.server.anthropic import routes as anthropic_routes
from fabula.server.door import MAX_BODY, Door
from fabula.server.kobold import routes as kobold_routes
from fabula.server.llamacpp import routes as llamacpp_routes
from fabula.server.llamacpp.aliases import Aliases
from fabula.server.metrics import Counted, Metrics
from fabula.server.metrics import router as metrics_router
from fabula.server.mistakes import refusal
from fabula.server.native import (
    adapters,
    appearance,
    attaching,
    backups,
    batches,
    characters,
    chats,
    directions,
    downloads,
    engines,
    evals,
    jobs,
    keeping,
    keys,
    lorebooks,
    measures,
    memory,
    models,
    novels,
    packs,
    personas,
    pictures,
    presets,
    quantizing,
    rehearsing,
    remotes,
    sampling,
    scoring,
    scripts,
    searching,
    stories,
    system,
    taking,
    tokens,
    traits,
    translating,
    tuning,
    turns,
    vectors,
    why,
)
from fabula.server.ollama import routes as ollama_routes
from fabula.server.openai import batches as openai_batches
from fabula.server.openai import embeddings, files
from fabula.server.openai import routes as openai_routes
from fabula.server.routing import App
from fabula.server.textgen import routes as textgen_routes

NATIVE = "/api/fabula/v1"
log = logging.getLogger(__name__)


def create(studio: Studio) -> ASGIApp:
    """The application for a studio that has been opened."""
    door = Door(studio.settings)
    door.open(behind(studio), studio)
    return door


def behind(studio: Studio) -> ASGIApp:
    """What answers behind the door."""
    app = App(
        title="Fabula",
        version=__version__,
        description="The native API of Fabula, and the dialects that it speaks.",
        docs_url=None,
        redoc_url=None,
        max_body_size=MAX_BODY,
    )
    # First: routes are tried one by one. Anthropic's before OpenAI's: two paths of theirs are the same.
    app.include(anthropic_routes.router(studio))
    app.include(openai_routes.router(studio))
    model_rooms = (
        downloads,
        searching,
        vectors,
        directions,
        tuning,
        quantizing,
        evals,
        adapters,
        models,
        engines,
        remotes,
        scoring,
    )
    story_rooms = (stories, novels, packs, memory, lorebooks, personas, scripts)
    panel = (sampling, why, traits)
    chat_rooms = (keeping, attaching, pictures, taking, *panel, chats, translating, tokens, turns, batches)
    own_rooms = (system, appearance, backups, keys, rehearsing)
    for room in (*own_rooms, *model_rooms, *chat_rooms, jobs, presets, measures, characters, *story_rooms):
        app.include(room.router(studio), prefix=NATIVE)
    for dialect in (embeddings, files, openai_batches):
        app.include(dialect.router(studio))
    studio.batches.answer_by(openai_batches.way_through(app, studio))
    app.include(llamacpp_routes.router(studio))
    metrics = Metrics()
    studio.turns.on_finished = metrics.finished
    app.include(metrics_router(studio, metrics))
    app.include(textgen_routes.router(studio))
    app.include(kobold_routes.router(studio))
    app.include(ollama_routes.router(studio))
    _tell_errors(app)
    return Counted(Aliases(app), metrics)


def _tell_errors(app: FastAPI) -> None:
    """Every failure leaves in the shape of the dialect that was spoken."""

    async def known(request: Request, failure: Exception) -> Response:
        assert isinstance(failure, FabulaError)
        return answer(request, failure)

    async def invalid(request: Request, failure: Exception) -> Response:
        assert isinstance(failure, RequestValidationError)
        return answer(request, refusal(list(failure.errors())))

    async def routing(request: Request, failure: Exception) -> Response:
        assert isinstance(failure, HTTPException)
        return answer(request, _as_ours(request, failure), failure.status_code, failure.headers)

    async def unexpected(request: Request, failure: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=failure)
        return answer(request, Unexpected(f"{type(failure).__name__}: {failure}"))

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
