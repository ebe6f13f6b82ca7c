"""Downloads in their order: begin, pause, go on, take off, move. Knows no source."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from pydantic import Field

from fabula.app import Studio
from fabula.models.sources.queue import Waiting
from fabula.server.caller import caller_of
from fabula.server.native import bodies, shapes
from fabula.server.native.bodies import Body
from fabula.server.routing import Routes
from fabula.store.files import free_space


class Move(Body):
    """1 = the next."""

    position: int = Field(ge=1, le=1_000_000)


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/downloads", tags=["Downloads"])
    queue = studio.fetching.queue

    async def listed(language: str) -> dict[str, Any]:
        return {
            "downloads": [download(row, language) for row in await queue.list()],
            "limit": studio.settings.download_limit,
            "folder": str(studio.home.models),
            "free": free_space(studio.home.models),
        }

    @routes.get("")
    async def list_downloads(request: Request) -> dict[str, Any]:
        """Those that are not finished, the next one first."""
        return await listed(caller_of(request).language)

    @routes.post("", status_code=202)
    async def begin(body: bodies.Pull, request: Request) -> dict[str, Any]:
        """Get a model behind the others."""
        job = await studio.fetching.pull(body.source, first=body.first, limit=body.limit)
        return shapes.job(job, caller_of(request).language)

    @routes.post("/{job_id}/pause")
    async def pause(job_id: str, request: Request) -> dict[str, Any]:
        """What is here stays."""
        return shapes.job(await queue.pause(job_id), caller_of(request).language)

    @routes.post("/{job_id}/resume")
    async def resume(job_id: str, request: Request) -> dict[str, Any]:
        return shapes.job(await queue.resume(job_id), caller_of(request).language)

    @routes.post("/{job_id}/move")
    async def move(job_id: str, body: Move, request: Request) -> dict[str, Any]:
        await queue.move(job_id, body.position)
        return await listed(caller_of(request).language)

    @routes.delete("/{job_id}")
    async def cancel(job_id: str, request: Request) -> dict[str, Any]:
        """Taken off, and what came of it is deleted."""
        return shapes.job(await queue.cancel(job_id), caller_of(request).language)

    return routes


def download(row: Waiting, language: str) -> dict[str, Any]:
    told = {"position": row.position, "state": row.state, "source": row.source}
    return shapes.job(row.job, language) | told
