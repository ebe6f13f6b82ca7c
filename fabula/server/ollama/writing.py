"""/api/generate and /api/chat. Knows no engine; stores nothing: a client that goes away stops the engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula.app import Studio
from fabula.core.model import LocalModel
from fabula.core.request import Context
from fabula.server.answering import CLIENT_GONE, ClientGone, answered, until_gone
from fabula.server.asking import over_preset, turns_of
from fabula.server.bodies import body_of, ignored_header
from fabula.server.caller import caller_of
from fabula.server.ollama import options, parse, render
from fabula.server.ollama.times import now
from fabula.server.routing import Routes
from fabula.turn.request import TurnRequest


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/api", tags=["Ollama"])

    @routes.post("/chat", response_model=None)
    async def chat(request: Request) -> Response:
        """Ollama's chat, streamed unless told otherwise. Without messages the model is only loaded."""
        return await _write(studio, request, parse.chat, render.ChatShape())

    @routes.post("/generate", response_model=None)
    async def generate(request: Request) -> Response:
        """Ollama's generate: one prompt in the model's template, or as it is with `raw`."""
        return await _write(studio, request, parse.generate, render.TextShape())

    return routes


async def _write(
    studio: Studio, request: Request, read: Callable[[dict[str, Any]], parse.Asked], shape: render.Shape
) -> Response:
    body = await body_of(request)
    body = await over_preset(studio, request, body, parse.HANDLED, options.ALIASES, "options")
    asked = read(body)
    model, language = studio.find_model(asked.model), caller_of(request).language
    try:
        if asked.loads:
            return await until_gone(request, _loaded(studio, asked, model, shape))
        if asked.before:
            asked = await until_gone(request, _following(studio, request, asked, model))
    except ClientGone:
        return Response(status_code=CLIENT_GONE)
    voice = render.Lines(shape, asked.model, language, wants_logprobs=asked.wants_logprobs)
    turns = [voice.noting(turn) for turn in turns_of(studio, request, asked, model.name)]
    return await answered(request, turns, voice, stream=asked.stream, ignored=asked.ignored)


async def _loaded(studio: Studio, asked: parse.Asked, model: LocalModel, shape: render.Shape) -> Response:
    """Nothing is to be written: the model comes, or goes."""
    if asked.unloads:
        await studio.by_hand.retire(model.name)
    else:
        await studio.supervisor.load(model.name, studio.shelf.wish(model.name, asked.wish))
    reason = "unload" if asked.unloads else "load"
    told = {"model": asked.model, "created_at": now(), **shape.of(), "done": True, "done_reason": reason}
    return JSONResponse(told, headers=ignored_header(asked.ignored))


async def _following(studio: Studio, request: Request, asked: parse.Asked, model: LocalModel) -> parse.Asked:
    """The new prompt in the model's template, behind the ids of an earlier answer: no longer a conversation
    that can be taken apart."""
    (said,) = asked.conversations
    shown = await studio.turns.look(
        TurnRequest(model=model.name, messages=said, wish=asked.wish, context=Context(caller_of(request)))
    )
    text = shown.text.removeprefix(model.bos_token)  # it stands at the beginning of the ids
    return dataclasses.replace(asked, conversations=(), prompts=((asked.before, text),))
