"""Long work: what runs, how far it is, stop and go on. Knows no kind of job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import Field

from fabula.app import Studio
from fabula.app.forms import FORMS, form_of, plots_of
from fabula.core.plots import said
from fabula.core.request import Caller
from fabula.server.caller import caller_of
from fabula.server.native import forms, shapes
from fabula.server.native.bodies import Body, Values
from fabula.server.routing import Routes
from fabula.server.sse import EventStream, event, resume_point
from fabula.store.jobs import ENDED, Job

LOG = 65_536  # bytes of a log's end


class Begin(Body):
    """`arguments` are the fields of the kind's form."""

    kind: str = Field(min_length=1, max_length=60)
    arguments: Values = Field(default_factory=dict)


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/jobs", tags=["Jobs"])

    @routes.get("")
    async def list_jobs(request: Request) -> dict[str, Any]:
        """All jobs, newest first."""
        return await listed(studio, caller_of(request))

    @routes.get("/kinds")
    async def kinds(request: Request) -> dict[str, Any]:
        """Every kind of work that can be begun, with its form as a JSON schema."""
        language = caller_of(request).language
        return {"kinds": [forms.told(form, language) for form in FORMS.values()]}

    @routes.post("", status_code=202)
    async def begin(body: Begin, request: Request) -> dict[str, Any]:
        """Begin a job of any kind with what its form asks."""
        form = form_of(body.kind)
        job = await form.begin(studio, forms.read(form, body.arguments))
        return shapes.job(job, caller_of(request).language)

    @routes.get("/{job_id}")
    async def get(job_id: str, request: Request) -> dict[str, Any]:
        """A job with what was asked of it, and its result's plots."""
        caller = caller_of(request)
        job = await studio.jobs.get(job_id, caller.owner_id)
        arguments = await studio.jobs.arguments(job_id, caller.owner_id)
        return shapes.job(job, caller.language) | {"arguments": arguments} | _drawn(job, caller.language)

    @routes.get("/{job_id}/log")
    async def log(job_id: str, request: Request, most: int = Query(LOG, ge=1, le=16 * LOG)) -> dict[str, Any]:
        """The end of what the job's process wrote."""
        await studio.jobs.get(job_id, caller_of(request).owner_id)
        return await asyncio.to_thread(studio.job_runner.log, job_id, most)

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


async def listed(studio: Studio, caller: Caller) -> dict[str, Any]:
    jobs = await studio.jobs.list(caller.owner_id)
    return {"jobs": [shapes.job(job, caller.language) for job in jobs]}


async def _followed(studio: Studio, job_id: str, after: int, language: str) -> AsyncGenerator[bytes, None]:
    topic = f"job/{job_id}"
    if not studio.events.latest(topic):  # it ended so long ago that only the database knows
        job = await studio.jobs.get(job_id)
        if job.state in ENDED:
            yield event(1, "end", shapes.job(job, language))
            return
    async for item in studio.events.follow(topic, after):
        if item.kind == "end" and item.id != studio.events.latest(topic):
            continue  # it was resumed since
        yield event(item.id, item.kind, shapes.job_data(item.data, language))
        if item.kind == "end":
            return


def _drawn(job: Job, language: str) -> dict[str, Any]:
    """Plots in the reader's language, beside the result and not in it."""
    told = plots_of(job.kind, job.result)
    result = {name: value for name, value in job.result.items() if name != "plots"}
    return {"plots": said(told, language), "result": result}
