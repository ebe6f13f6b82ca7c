"""KoboldCpp's way to another model: its configurations are our models. Knows no engine."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from fabula.app import Studio
from fabula.server.bodies import body_of, get
from fabula.server.current import choose, current
from fabula.server.routing import Routes

UNLOAD = "unload_model"  # KoboldCpp's word among the names


def router(studio: Studio) -> Routes:
    routes = Routes()

    @routes.get("/list_options")
    async def list_options() -> list[str]:
        """The models that write text, and the word that unloads."""
        names = [model.name for model in studio.shelf.all() if not (model.problem or model.pooling)]
        return [UNLOAD, *names]

    @routes.post("/reload_config")
    async def reload_config(request: Request) -> dict[str, Any]:
        """Load the model named `filename`, which from now on answers in this dialect."""
        name = get(await body_of(request), "filename", str, "")
        if name == UNLOAD:
            await studio.by_hand.unload(current(studio, request).name)
        else:
            model = studio.shelf.named(name)
            await studio.supervisor.load(model.name)
            choose(request, model)
        return {"success": True}

    return routes
