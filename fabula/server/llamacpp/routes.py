"""/completion and /infill. Knows no engine and stores nothing: a client that goes away stops the engine."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.core.errors import FillsNoGaps
from fabula.core.model import LocalModel
from fabula.server.answering import answered
from fabula.server.asking import over_preset, turns_of
from fabula.server.bodies import body_of
from fabula.server.caller import caller_of
from fabula.server.current import named_or_current
from fabula.server.llamacpp import loras, models, names, parse, properties, render, texts
from fabula.server.llamacpp.limit import limited
from fabula.server.routing import Routes
from fabula.server.stopping import Turn


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["llama.cpp"])

    @routes.post("/completion", response_model=None)
    @routes.post("/completions", response_model=None)
    async def completion(request: Request) -> Response:
        """Text that goes on from a prompt, or from each of several."""
        body = await _body(studio, request)
        wish = parse.completion(body)
        return await _answer(studio, request, wish, named_or_current(studio, request, wish.model))

    @routes.post("/infill", response_model=None)
    async def infill(request: Request) -> Response:
        """The text between two others, by a model that was trained for it."""
        body = await _body(studio, request)
        model = named_or_current(studio, request, f"{body.get('model') or ''}")
        if not model.infill:
            able = [other.name for other in studio.shelf.all() if other.infill]
            raise FillsNoGaps(model.name, ", ".join(able) or "–")
        return await _answer(studio, request, parse.infill(body, model), model)

    for room in (properties, texts, loras, models):
        routes.include(room.router(studio))
    return routes


async def _body(studio: Studio, request: Request) -> dict[str, Any]:
    return await over_preset(studio, request, await body_of(request), parse.HANDLED, names.ALIASES)


async def _answer(studio: Studio, request: Request, wish: parse.Wish, model: LocalModel) -> Response:
    wish = await _settled(studio, model, wish)
    turns = [turn for given in wish.given for turn in _turns(studio, request, wish, given, model)]
    voice = render.Said(wish, model.name, caller_of(request).language)
    return await answered(request, turns, voice, stream=wish.stream, ignored=wish.ignored)


async def _settled(studio: Studio, model: LocalModel, wish: parse.Wish) -> parse.Wish:
    """With the tokens of biased texts and the names of adapters. Raises BadParameter."""
    bias = [
        (id, amount) for text, amount in wish.biased for id in await studio.measures.tokenize(model, text)
    ]
    names = loras.names(studio, model)
    adapters = {} if wish.lora is None else parse.scaled(wish.lora, names, "lora")
    return parse.settled(wish, bias, adapters)


def _turns(
    studio: Studio, request: Request, wish: parse.Wish, given: parse.Given, model: LocalModel
) -> list[Turn]:
    one = dataclasses.replace(wish, prompts=(given.pieces,), turn={**wish.turn, "images": given.images})
    turns: list[Turn] = turns_of(studio, request, one, model.name)
    return [limited(turn, wish.limit_ms) for turn in turns] if wish.limit_ms else turns
