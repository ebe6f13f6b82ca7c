"""Models on this machine: list, describe, load, unload, remove, get. Knows no file format."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.server.caller import caller_of
from fabula.server.native import bodies, shapes


def router(studio: Studio) -> APIRouter:
    routes = APIRouter(prefix="/models", tags=["Models"])

    @routes.get("")
    async def list_models(request: Request) -> dict[str, Any]:
        """All models, the starter last."""
        language = caller_of(request).language
        return {"models": [shapes.model(studio, model, language) for model in studio.catalog.list()]}

    @routes.post("/pull", status_code=202)
    async def pull(body: bodies.Pull, request: Request) -> dict[str, Any]:
        """Get a model in the background."""
        job = await studio.start_job("pull", body.source, {"source": body.source})
        return shapes.job(job, caller_of(request).language)

    @routes.get("/{name:path}")
    async def get(name: str, request: Request) -> dict[str, Any]:
        """A model with its memory plan for this machine."""
        model, language = studio.find_model(name), caller_of(request).language
        return shapes.model(studio, model, language) | {"plan": shapes.plan(studio.plan(model), language)}

    @routes.delete("/{name:path}", status_code=204)
    async def remove(name: str) -> Response:
        """Unload a model and delete its file."""
        await studio.remove_model(name)
        return Response(status_code=204)

    @routes.post("/{name:path}/load")
    async def load(name: str, request: Request) -> dict[str, Any]:
        """Load a model; answers when it is ready."""
        return shapes.running(await studio.supervisor.load(name), caller_of(request).language)

    @routes.post("/{name:path}/unload", status_code=204)
    async def unload(name: str) -> Response:
        await studio.supervisor.unload(name)
        return Response(status_code=204)

    return routes
