"""The routes under /v1. Knows no engine and stores nothing: a client that goes away stops the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.core.model import LocalModel
from fabula.server.answering import CLIENT_GONE, ClientGone, answered, until_gone
from fabula.server.asking import over_preset, turns_of
from fabula.server.bodies import body_of
from fabula.server.caller import caller_of
from fabula.server.counting import counted
from fabula.server.current import named_or_current
from fabula.server.openai import echo, parse, render
from fabula.server.openai.control import Running
from fabula.server.openai.responses import routes as responses
from fabula.server.routing import Routes
from fabula.server.stopping import Turn


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/v1", tags=["OpenAI"])
    running = Running()

    @routes.get("/models")
    async def models() -> dict[str, Any]:
        """All models, in OpenAI's list shape; `owned_by` says where the text goes."""
        return {"object": "list", "data": [_model(model) for model in studio.shelf.all()]}

    @routes.get("/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        return _model(studio.find_model(name))

    @routes.post("/chat/completions", response_model=None)
    async def chat_completions(request: Request) -> Response:
        """OpenAI's chat completions. The last message may be an assistant's: the model then lengthens it."""
        return await _complete(studio, request, parse.chat, render.ChatShape(), running)

    @routes.post("/chat/completions/input_tokens", response_model=None)
    async def input_tokens(request: Request) -> Response:
        """The tokens of the prompt that these messages would be, counted by the model's own tokenizer."""
        return await counted(studio, request, await _wish(studio, request, parse.chat))

    @routes.post("/chat/completions/control")
    async def control(request: Request) -> dict[str, Any]:
        """End the reasoning of an answer that is being written: the model answers with what it thought."""
        return running.control(caller_of(request).owner_id, await body_of(request))

    @routes.post("/completions", response_model=None)
    async def completions(request: Request) -> Response:
        """OpenAI's text completions, from text or token ids."""
        return await _complete(studio, request, parse.completion, render.TextShape(), running)

    routes.include(responses.router(studio, running))
    return routes


def _model(model: LocalModel) -> dict[str, Any]:
    if model.elsewhere:
        return {"id": model.name, "object": "model", "created": 0, "owned_by": model.elsewhere.host}
    created = int(model.path.stat().st_mtime) if model.path.exists() else 0
    return {"id": model.name, "object": "model", "created": created, "owned_by": "local"}


async def _wish(studio: Studio, request: Request, read: Callable[[dict[str, Any]], parse.Wish]) -> parse.Wish:
    return read(await over_preset(studio, request, await body_of(request), parse.HANDLED, parse.WORDS))


async def _complete(
    studio: Studio,
    request: Request,
    read: Callable[[dict[str, Any]], parse.Wish],
    shape: render.ChatShape | render.TextShape,
    running: Running,
) -> Response:
    wish = await _wish(studio, request, read)
    model, language = named_or_current(studio, request, wish.model), caller_of(request).language
    answer = render.Answer(shape, model.name, len(wish.conversations or wish.prompts), language)
    wish = wish.hurried_by(running.begin(caller_of(request).owner_id, answer.id))
    lead: list[echo.Lead] = []
    if wish.scores_prompt:
        try:
            wish, lead = await until_gone(request, echo.leads(studio, model, wish, language))
        except ClientGone:
            return Response(status_code=CLIENT_GONE)
    turns = _turns(studio, request, wish, model.name, lead)
    voice = render.Chunks(
        answer, _echoes(wish), wants_logprobs=wish.wants_logprobs, with_usage=wish.with_usage
    )
    return await answered(request, turns, voice, stream=wish.stream, ignored=wish.ignored)


def _turns(
    studio: Studio, request: Request, wish: parse.Wish, model: str, lead: Sequence[echo.Lead]
) -> list[Turn]:
    """One stream per choice; each behind the tokens of its prompt, if any."""
    if not wish.writes:
        return [echo.led(tokens, echo.unwritten(len(tokens), wish.ignored)) for tokens in lead]
    streams = turns_of(studio, request, wish, model)
    if not lead:
        return streams
    return [echo.led(tokens, stream) for tokens, stream in zip(lead, streams, strict=True)]


def _echoes(wish: parse.Wish) -> list[str]:
    """What is put in front of each choice's text."""
    if not wish.echo:
        return [""] * (len(wish.conversations or wish.prompts) * wish.choices)
    texts = ["".join(piece for piece in prompt if isinstance(piece, str)) for prompt in wish.prompts]
    return [text for text in texts for _ in range(wish.choices)]
