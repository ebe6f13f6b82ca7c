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
from fabula.store.jobs import ENDED


def router(studio: Studio) -> APIRouter:
    routes = APIRouter(prefix="/jobs", tags=["Jobs"])

    @routes.get("")
    async def list_jobs(request: Request) -> dict[str, Any]:
        """All jobs, newest first."""
        caller = caller_of(request)
        jobs = await studio.jobs.list(caller.owner_id)
        return {"jobs": [shapes.job(job, caller.language) for job in jobs]}

    @routes.get("/{job_id}")
    async def get(job_id: str, request: Request) -> dict[str, Any]:
        return shapes.job(await studio.jobs.get(job_id), caller_of(request).language)

    @routes.get("/{job_id}/events", response_model=None)
    async def events(job_id: str, request: Request, after: int = 0) -> Response:
        """The progress of a job to its end."""
        await studio.jobs.get(job_id)
        start, language = resume_point(request.headers, after), caller_of(request).language
        return EventStream(_followed(studio, job_id, start, language))

    @routes.post("/{job_id}/cancel")
    async def cancel(job_id: str, request: Request) -> dict[str, Any]:
        return shapes.job(await studio.job_runner.cancel(job_id), caller_of(request).language)

    @routes.post("/{job_id}/resume")
    async def resume(job_id: str, request: Request) -> dict[str, Any]:
        """Start a failed, cancelled or interrupted job again from where it was."""
        return shapes.job(await studio.job_runner.resume(job_id), caller_of(request).language)

    return routes


async def _followed(studio: Studio, job_id: str, after: int, language: str) -> AsyncGenerator[bytes, None]:
    topic = f"job/{job_id}"
    if not studio.events.latest(topic):  # it ended so long ago that only the database knows
        job = await studio.jobs.get(job_id)
        if job.state in ENDED:
            yield event(1, "end", shapes.job(job, language))
            return
    async for item in studio.events.follow(topic, after):
        yield event(item.id, item.kind, shapes.job_data(item.data, language))
        if item.kind == "end" and item.id == studio.events.latest(topic):  # else it was resumed since
            return
