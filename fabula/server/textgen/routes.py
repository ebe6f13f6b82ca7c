"""text-generation-webui's routes under /v1/internal: models, adapters, stopping. Knows no engine.

Its generation is OpenAI's (/v1/completions, /v1/chat/completions), which takes its extra fields. Requests
name no model: `server.current` says which one answers.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula.app import Studio
from fabula.core.errors import ModelNotFound
from fabula.core.load import LoadOptions, Wish
from fabula.core.model import LocalModel
from fabula.server.bodies import body_of, get, ignored_header
from fabula.server.caller import caller_of
from fabula.server.current import choose, current
from fabula.server.routing import Routes
from fabula.server.stopping import stops_of
from fabula.server.textgen import tokens
from fabula.server.textgen.loading import options_of

Json = dict[str, Any]
NOTHING = "None"  # its name of no model
DONE = "OK"
GENERATION = ("/v1/completions", "/v1/chat/completions")


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/v1/internal", tags=["text-generation-webui"])
    routes.include(_models(studio))
    routes.include(_adapters(studio))
    routes.include(tokens.router(studio))

    @routes.get("/health")
    async def health() -> Json:
        return {"status": "ok"}

    @routes.post("/stop-generation")
    async def stop_generation(request: Request) -> str:
        """End what this caller has running at /v1/completions and /v1/chat/completions: the text so far is
        each one's answer."""
        stops_of(request).ask(caller_of(request).owner_id, GENERATION)
        return DONE

    return routes


def _models(studio: Studio) -> Routes:
    routes = Routes(prefix="/model")

    @routes.get("/info")
    async def info(request: Request) -> Json:
        """The model that answers, loaded or not, and its adapters."""
        try:
            model = current(studio, request)
        except ModelNotFound:
            return {"model_name": NOTHING, "lora_names": [], "loader": NOTHING, "loaded": False}
        rows = [row for row in studio.supervisor.running() if row.model == model.name]
        loader = rows[0].engine if rows else studio.shelf.engine_of(model).engine
        return {
            "model_name": model.name,
            "lora_names": _attached(studio, model),
            "loader": loader,
            "loaded": bool(rows),
        }

    @routes.get("/list")
    async def models() -> Json:
        """The models that write text."""
        usable = [model.name for model in studio.shelf.all() if not (model.problem or model.pooling)]
        return {"model_names": usable}

    @routes.post("/load", response_model=None)
    async def load(request: Request) -> Response:
        """Load `model_name`, which from now on answers where a request names no model."""
        body = await body_of(request)
        model = studio.shelf.named(get(body, "model_name", str, ""))
        options, ignored = options_of(body)
        await studio.supervisor.load(model.name, Wish(LoadOptions.of(options)))
        choose(request, model)
        return JSONResponse(DONE, headers=ignored_header(ignored))

    @routes.post("/unload")
    async def unload(request: Request) -> str:
        await studio.by_hand.unload(current(studio, request).name)
        return DONE

    return routes


def _adapters(studio: Studio) -> Routes:
    routes = Routes(prefix="/lora")

    @routes.get("/list")
    async def adapters() -> Json:
        return {"lora_names": [row.name for row in studio.shelf.adapters.list()]}

    @routes.post("/load")
    async def load(request: Request) -> str:
        """Attach these adapters to the model, and detach all others: from its next request on."""
        names = get(await body_of(request), "lora_names", list, [])
        model = current(studio, request)
        found = [studio.shelf.adapters.find(f"{name}").name for name in names]
        for name in found:
            await studio.shelf.attach(model, name, 1.0)
        _detach(studio, model, [name for name in _attached(studio, model) if name not in found])
        return DONE

    @routes.post("/unload")
    async def unload(request: Request) -> str:
        """Detach all adapters of the model."""
        model = current(studio, request)
        _detach(studio, model, _attached(studio, model))
        return DONE

    return routes


def _attached(studio: Studio, model: LocalModel) -> list[str]:
    return [name for name, _ in studio.shelf.load_options(model).adapters or ()]


def _detach(studio: Studio, model: LocalModel, names: list[str]) -> None:
    for name in names:
        studio.shelf.detach(model, name)
