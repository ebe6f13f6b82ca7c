"""Models on this machine: list, describe, load, unload, remove, get. Knows no file format."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.core.load import NO_WISH, NOTHING, LoadOptions, wish_of
from fabula.core.model import LocalModel
from fabula.core.texts import Phrase, phrase
from fabula.models.uses import uses
from fabula.server.caller import caller_of
from fabula.server.native import bodies, describing, shapes
from fabula.server.routing import Routes


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/models", tags=["Models"])

    @routes.get("")
    async def list_models(request: Request) -> dict[str, Any]:
        """All models, the starter last."""
        return listed(studio, caller_of(request).language)

    @routes.post("/pull", status_code=202)
    async def pull(body: bodies.Pull, request: Request) -> dict[str, Any]:
        """Get a model in the background."""
        job = await studio.fetching.pull(body.source, first=body.first, limit=body.limit)
        return shapes.job(job, caller_of(request).language)

    routes.include(describing.router(studio))  # first: a name may hold anything

    @routes.get("/{name:path}")
    async def get(name: str, request: Request) -> dict[str, Any]:
        """A model with its memory plan for this machine."""
        model, language = studio.find_model(name), caller_of(request).language
        return shapes.model(studio, model, language) | {
            "plan": shapes.plan(studio.planning.plan(model), language),
            "engine": shapes.engine(studio, model, language),
            "options": studio.settings.models.get(model.base or model.name, NOTHING).said(),
            "uses": [use.say(language) for use in used(studio, model)],
        }

    @routes.put("/{name:path}/options")
    async def set_options(name: str, body: bodies.ModelOptions) -> dict[str, Any]:
        """How this model is loaded from its next load on, over what is set for all models."""
        model = studio.shelf.weights(name)
        studio.shelf.set(model, LoadOptions.of(body.options))
        return {"options": studio.settings.models.get(model.name, NOTHING).said()}

    @routes.delete("/{name:path}", status_code=204)
    async def remove(name: str) -> Response:
        """Unload a model and delete its file."""
        await studio.remove_model(name)
        return Response(status_code=204)

    @routes.post("/{name:path}/load")
    async def load(name: str, request: Request, body: bodies.Load | None = None) -> dict[str, Any]:
        """Load a model, again where other options need that; answers when it is ready."""
        wish = wish_of(body.options, body.keep_alive) if body else NO_WISH
        return shapes.running(await studio.by_hand.load(name, wish), caller_of(request).language)

    @routes.post("/{name:path}/unload", status_code=204)
    async def unload(name: str) -> Response:
        """Unload a model, and its exact copy with it."""
        await studio.by_hand.unload(name)
        return Response(status_code=204)

    return routes


def listed(studio: Studio, language: str) -> dict[str, Any]:
    return {"models": [shapes.model(studio, model, language) for model in studio.shelf.all()]}


def used(studio: Studio, model: LocalModel) -> list[Phrase]:
    """What else would miss the model's file."""
    if model.base:
        return []
    made = studio.shelf.derived.of(model.name)
    found = uses(model, studio.shelf.catalog.list(), studio.settings.model_default)
    return [*found, *([phrase("models.uses.derived", names=", ".join(made))] if made else [])]
