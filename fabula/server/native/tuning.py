"""Measuring how a model runs fastest here: begin, what was found, forget. Knows no engine."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.server.caller import caller_of
from fabula.server.native import bodies, shapes
from fabula.server.routing import Routes


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/models", tags=["Models"])

    @routes.post("/{name:path}/tune", status_code=202)
    async def tune(name: str, request: Request, body: bodies.Tune | None = None) -> dict[str, Any]:
        """Measure in the background how the model runs fastest on this machine."""
        asked = body or bodies.Tune()
        job = await studio.measuring.begin(
            name,
            budget_s=asked.budget,
            kv_types=asked.kv_types,
            all_cores=asked.all_cores,
            anyway=asked.anyway,
        )
        return shapes.job(job, caller_of(request).language)

    @routes.get("/{name:path}/tune")
    async def tuning(name: str) -> dict[str, Any]:
        """What was measured on this machine with the engine in use; null when nothing was."""
        found = studio.planning.tuning(studio.find_model(name))
        if found is None:
            return {"tuning": None}
        told = {"options": found.options.said(), "measured_at": found.created_at}
        return {"tuning": told | {"report": found.report}}

    @routes.delete("/{name:path}/tune", status_code=204)
    async def forget(name: str) -> Response:
        """Load the model as if nothing had been measured."""
        studio.measuring.forget(studio.find_model(name))
        return Response(status_code=204)

    return routes
