"""Anthropic's routes under /v1. Knows no engine and stores nothing: a client that leaves stops the engine."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from fabula.app import Studio
from fabula.server.answering import answered
from fabula.server.anthropic import models, parse, render
from fabula.server.anthropic.errors import VERSION
from fabula.server.asking import over_preset, turns_of
from fabula.server.bodies import body_of
from fabula.server.caller import caller_of
from fabula.server.counting import counted
from fabula.server.routing import Routes


class Versioned(APIRoute):
    """A path that another dialect has too: it is this one's where its header is sent."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if any(name.decode("latin-1").lower() == VERSION for name, _ in scope.get("headers", ())):
            return super().matches(scope)
        return Match.NONE, {}


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/v1", tags=["Anthropic"])

    @routes.post("/messages", response_model=None)
    async def messages(request: Request) -> Response:
        """Anthropic's messages. The last message may be an assistant's: the model then lengthens it."""
        wish = await _wish(studio, request)
        model = studio.find_model(wish.model)
        voice = render.Events(
            model.name,
            limit=wish.sampling.max_tokens,
            shows_thinking=wish.shows_thinking,
            language=caller_of(request).language,
        )
        turns = turns_of(studio, request, wish, model.name)
        return await answered(request, turns, voice, stream=wish.stream, ignored=wish.ignored)

    @routes.post("/messages/count_tokens", response_model=None)
    async def count_tokens(request: Request) -> Response:
        """The tokens of the prompt that these messages would be, counted by the model's own tokenizer."""
        wish = await _wish(studio, request)
        return await counted(studio, request, wish)

    shared = Routes(kind=Versioned, in_schema=False)

    @shared.get("/models")
    async def all_models(
        before_id: str = "", after_id: str = "", limit: int = models.USUAL
    ) -> dict[str, Any]:
        """All models in Anthropic's shape, page by page."""
        return models.page(studio.shelf.all(), before_id=before_id, after_id=after_id, limit=limit)

    @shared.get("/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        return models.info(studio.find_model(name))

    routes.include(shared)
    return routes


async def _wish(studio: Studio, request: Request) -> parse.Wish:
    body = await body_of(request)
    return parse.messages(await over_preset(studio, request, body, parse.HANDLED, parse.ALIASES))
