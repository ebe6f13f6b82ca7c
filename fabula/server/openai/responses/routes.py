"""The routes of /v1/responses. Knows no engine and stores nothing: a client that leaves stops the engine."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.server.answering import answered
from fabula.server.asking import over_preset, turns_of
from fabula.server.bodies import body_of
from fabula.server.caller import caller_of
from fabula.server.counting import counted
from fabula.server.openai.control import Running
from fabula.server.openai.parse import WORDS
from fabula.server.openai.responses import parse, render
from fabula.server.routing import Routes


def router(studio: Studio, running: Running) -> Routes:
    routes = Routes()

    @routes.post("/responses", response_model=None)
    async def responses(request: Request) -> Response:
        """OpenAI's responses, without state: the whole conversation comes with each request."""
        wish = await _wish(studio, request)
        caller, model = caller_of(request), studio.find_model(wish.model)
        voice = render.Events(
            model.name, wish.told, wants_logprobs=wish.wants_logprobs, language=caller.language
        )
        wish = wish.hurried_by(running.begin(caller.owner_id, voice.id))
        turns = turns_of(studio, request, wish, model.name)
        return await answered(request, turns, voice, stream=wish.stream, ignored=wish.ignored)

    @routes.post("/responses/input_tokens", response_model=None)
    async def input_tokens(request: Request) -> Response:
        """The tokens of the prompt that this input would be, counted by the model's own tokenizer."""
        return await counted(studio, request, await _wish(studio, request), object="response.input_tokens")

    return routes


async def _wish(studio: Studio, request: Request) -> parse.Wish:
    body = await body_of(request)
    return parse.response(await over_preset(studio, request, body, parse.HANDLED, WORDS))
