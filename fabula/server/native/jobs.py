"""Long work: what runs, how far it is, stop and go on. Knows no kind of job."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.server.caller import caller_of
from fabula.server.native import shapes
from fabula.server.sse import EventStream, event, resume_point
from fabula.store.jobs import ENDED, as_data


def router(studio: Studio) -> APIRouter:
    routes = APIRouter(prefix="/jobs", tags=["Jobs"])

    @routes.get("")
    async def list_jobs(request: Request) -> dict[str, Any]:
        """All jobs, newest first."""
        jobs = await studio.jobs.list(caller_of(request).owner_id)
        return {"jobs": [shapes.job(job) for job in jobs]}

    @routes.get("/{job_id}")
    async def get(job_id: str) -> dict[str, Any]:
        return shapes.job(await studio.jobs.get(job_id))

    @routes.get("/{job_id}/events", response_model=None)
    async def events(job_id: str, request: Request, after: int = 0) -> Response:
        """The progress of a job to its end."""
        await studio.jobs.get(job_id)
        return EventStream(_followed(studio, job_id, resume_point(request.headers, after)))

    @routes.post("/{job_id}/cancel")
    async def cancel(job_id: str) -> dict[str, Any]:
        return shapes.job(await studio.job_runner.cancel(job_id))

    @routes.post("/{job_id}/resume")
    async def resume(job_id: str) -> dict[str, Any]:
        """Start a failed, cancelled or interrupted job again from where it was."""
        return shapes.job(await studio.job_runner.resume(job_id))

    return routes


async def _followed(studio: Studio, job_id: str, after: int) -> AsyncGenerator[bytes, None]:
    topic = f"job/{job_id}"
    if not studio.events.latest(topic):  # it ended so long ago that only the database knows
        job = await studio.jobs.get(job_id)
        if job.state in ENDED:
            yield event(1, "end", as_data(job))
            return
    async for item in studio.events.follow(topic, after):
        yield event(item.id, item.kind, item.data)
        if item.kind == "end" and item.id == studio.events.latest(topic):  # else it was resumed since
            return
