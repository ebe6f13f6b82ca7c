"""KoboldAI's routes: /api/v1 and /api/latest, and KoboldCpp's generation under /api/extra. Knows no engine.

Requests name no model: `server.current` says which one answers.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.core.errors import ModelNotFound
from fabula.server.answering import answered
from fabula.server.asking import turns_of
from fabula.server.bodies import body_of, parsed
from fabula.server.caller import caller_of
from fabula.server.current import choose, current
from fabula.server.kobold import admin, extra, parse
from fabula.server.kobold.placeholders import tags_of
from fabula.server.kobold.render import Voice, logprobs
from fabula.server.kobold.running import Generation, Generations
from fabula.server.kobold.saves import Saves
from fabula.server.routing import Routes

Json = dict[str, Any]
API = "1.2.5"  # of KoboldAI United, to which clients match their features
NO_MODEL = "ReadOnly"  # KoboldAI's name of no model


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["KoboldAI"])
    generations = Generations()
    for beginning in ("/api/v1", "/api/latest"):
        routes.include(_classic(studio, generations), prefix=beginning)
    routes.include(_writing(studio, generations), prefix="/api/extra")
    routes.include(extra.router(studio, generations, Saves(studio.home.saves)), prefix="/api/extra")
    routes.include(admin.router(studio), prefix="/api/admin")
    return routes


def _classic(studio: Studio, generations: Generations) -> Routes:
    routes = Routes()

    @routes.get("/model")
    async def model(request: Request) -> Json:
        """The model that answers, loaded or not; `ReadOnly` where there is none."""
        try:
            return {"result": f"koboldcpp/{current(studio, request).name}"}
        except ModelNotFound:
            return {"result": NO_MODEL}

    @routes.post("/generate", response_model=None)
    async def generate(request: Request) -> Response:
        """KoboldAI's generation, whole."""
        return await _generate(studio, request, generations, stream=False)

    @routes.get("/info/version")
    async def version() -> Json:
        return {"result": API}

    @routes.get("/config/max_context_length")
    async def max_context_length(request: Request) -> Json:
        """Tokens of prompt and reply together."""
        return {"value": extra.context_of(studio, current(studio, request))}

    @routes.get("/config/max_length")
    async def max_length() -> Json:
        """Tokens of a reply whose length nobody says."""
        return {"value": parse.DEFAULT_LENGTH}

    @routes.get("/config/soft_prompt")
    async def soft_prompt() -> Json:
        return {"value": ""}

    @routes.get("/config/soft_prompts_list")
    async def soft_prompts_list() -> Json:
        return {"values": []}

    return routes


def _writing(studio: Studio, generations: Generations) -> Routes:
    routes = Routes()

    @routes.post("/generate/stream", response_model=None)
    async def stream(request: Request) -> Response:
        """KoboldAI's generation, piece by piece."""
        return await _generate(studio, request, generations, stream=True)

    @routes.get("/generate/check")
    @routes.post("/generate/check")
    async def check(request: Request) -> Json:
        """What is written so far for a `genkey`, or was written last."""
        found = generations.find(caller_of(request).owner_id, await _key(request))
        return {"results": [{"text": found.written.text if found else ""}]}

    @routes.post("/abort")
    async def abort(request: Request) -> Json:
        """End what is being written for a `genkey`; its text so far is its answer."""
        done = "true" if generations.stop(caller_of(request).owner_id, await _key(request)) else "false"
        return {"success": done, "done": done}

    @routes.get("/last_logprobs")
    @routes.post("/last_logprobs")
    async def last_logprobs(request: Request) -> Json:
        """Log-probabilities of what is or was written for a `genkey`, where they were asked for."""
        found = generations.find(caller_of(request).owner_id, await _key(request))
        return {"logprobs": logprobs(found.written.tokens) if found else None}

    return routes


async def _key(request: Request) -> str:
    raw = await request.body()
    return parse.genkey(parsed(raw)) if raw.strip() else ""


async def _generate(studio: Studio, request: Request, generations: Generations, *, stream: bool) -> Response:
    body, caller = await body_of(request), caller_of(request)
    model = current(studio, request)
    tags = tags_of(model) if body.get("replace_instruct_placeholders") is True else None
    wish = parse.generate(body, tags, stream=stream)
    choose(request, model)
    generation = Generation(caller.owner_id, wish.key)
    first, *others = turns_of(studio, request, wish, model.name, generation.stop)
    voice = Voice(trims_stop=wish.trims_stop, wants_logprobs=wish.wants_logprobs, language=caller.language)
    turns = [generations.follow(generation, first), *others]
    return await answered(request, turns, voice, stream=stream, ignored=wish.ignored)
