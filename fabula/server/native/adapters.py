"""LoRA adapters: list, get, remove, attach to a model. Knows no file format."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.core.load import NOTHING
from fabula.core.model import LocalModel
from fabula.core.texts import Phrase, say
from fabula.models.adapters.adapter import Adapter
from fabula.server.caller import caller_of
from fabula.server.native import bodies, shapes
from fabula.server.routing import Routes

Json = dict[str, Any]


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["Adapters"])

    @routes.get("/adapters")
    async def list_adapters(request: Request) -> Json:
        """All adapters, each with the models that it is attached to."""
        language = caller_of(request).language
        rows = await asyncio.to_thread(studio.shelf.adapters.list)
        return {"adapters": [_shown(row, language) | _uses(studio, row) for row in rows]}

    @routes.post("/adapters", status_code=202)
    async def get(body: bodies.GetAdapter, request: Request) -> Json:
        """Get an adapter in the background, converted and checked for a model."""
        model = studio.shelf.weights(body.model)
        arguments = {"source": body.source, "model": model.name, "name": body.name}
        return shapes.job(
            await studio.start_job("adapter", body.source, arguments), caller_of(request).language
        )

    @routes.delete("/adapters/{name:path}", status_code=204)
    async def remove(name: str) -> Response:
        """Detach an adapter from every model and delete its file."""
        studio.shelf.remove_adapter(name)
        return Response(status_code=204)

    @routes.get("/models/{name:path}/adapters")
    async def of_model(name: str, request: Request) -> Json:
        """Which adapters are attached to a model, and which others fit."""
        return await _of_model(studio, studio.find_model(name), caller_of(request).language)

    @routes.post("/models/{name:path}/adapters/attach")
    async def attach(name: str, body: bodies.Attach, request: Request) -> Json:
        """Attach an adapter, or change its usual scale."""
        model = studio.shelf.weights(name)
        await studio.shelf.attach(model, body.adapter, body.scale)
        return await _of_model(studio, model, caller_of(request).language)

    @routes.post("/models/{name:path}/adapters/detach")
    async def detach(name: str, body: bodies.Detach, request: Request) -> Json:
        model = studio.shelf.weights(name)
        studio.shelf.detach(model, body.adapter)
        return await _of_model(studio, model, caller_of(request).language)

    return routes


async def _of_model(studio: Studio, model: LocalModel, language: str) -> Json:
    attached = dict(studio.shelf.load_options(model).adapters or ())
    found = await asyncio.to_thread(studio.shelf.adapters.misfits, model)
    rows = {
        adapter.name: _shown(adapter, language) | {"misfit": _told(misfit, language)}
        for adapter, misfit in found
    }
    gone = {"problem": "", "misfit": say("models.adapter.gone", language)}
    rows |= {name: {"name": name} | gone for name in attached if name not in rows}
    return {
        "model": model.name,
        "adapters": [
            row | {"attached": name in attached, "scale": attached.get(name)} for name, row in rows.items()
        ],
        "notes": [say(key, language) for key in _notes(studio, model, attached)],
    }


def _notes(studio: Studio, model: LocalModel, attached: dict[str, float]) -> list[str]:
    """What becomes of a change: text keys."""
    running = [row for row in studio.supervisor.running() if row.model == model.name]
    if not running:
        return []
    loaded = {name for name, _ in running[0].plan.options.adapters or ()}
    reload = ["models.adapter.reload"] if loaded != attached.keys() else []
    return [*reload, *(["models.adapter.rescale"] if attached else [])]


def _uses(studio: Studio, adapter: Adapter) -> Json:
    models = studio.settings.models
    names = [name for name in models if adapter.name in dict(models.get(name, NOTHING).adapters or ())]
    return {"attached_to": names}


def _shown(row: Adapter, language: str) -> Json:
    names = ("name", "title", "architecture", "rank", "alpha", "changes", "unheeded", "size")
    return {name: getattr(row, name) for name in names} | {
        "path": str(row.path),
        "problem": _told(row.problem, language),
    }


def _told(problem: Phrase | None, language: str) -> str:
    return problem.say(language) if problem else ""
