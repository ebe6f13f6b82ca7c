"""Builds of the engine: which there are, install, use, remove. Knows no package index."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.server.caller import caller_of
from fabula.server.native import bodies, shapes
from fabula.server.routing import Routes


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/engines", tags=["Engines"])

    @routes.get("")
    async def list_builds() -> dict[str, Any]:
        """The builds that are installed, those that can be, and the one in use."""
        return shapes.engines(studio)

    @routes.post("/install", status_code=202)
    async def install(body: bodies.Install, request: Request) -> dict[str, Any]:
        """Install a build in the background."""
        studio.engines.require_kind(body.kind)
        job = await studio.start_job("engine", f"xllamacpp ({body.kind})", {"kind": body.kind})
        return shapes.job(job, caller_of(request).language)

    @routes.post("/use")
    async def use(body: bodies.Use) -> dict[str, Any]:
        """Load models with another build: "" for Fabula's own, a kind, or a llama-server's path."""
        await studio.engines.use(body.name)
        return shapes.engines(studio)

    @routes.delete("/{name:path}", status_code=204)
    async def remove(name: str) -> Response:
        """Remove an installed build; a llama-server of one's own is only forgotten."""
        await studio.engines.remove(name)
        return Response(status_code=204)

    return routes
