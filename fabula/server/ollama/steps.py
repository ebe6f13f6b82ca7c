"""Long work told line by line: statuses of a download, of a quantization, of a model that is made.

Knows no kind of work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula.app import Studio
from fabula.core import errors as all_errors
from fabula.core.errors import FabulaError, JobStopped, Unexpected
from fabula.core.texts import Phrase
from fabula.server.answering import CLIENT_GONE, ClientGone, until_gone
from fabula.server.bodies import ignored_header
from fabula.server.caller import caller_of
from fabula.server.ollama import errors
from fabula.server.ollama.render import MEDIA_TYPE, line
from fabula.server.sse import EventStream
from fabula.store.jobs import ENDED, Job

LOOK_S = 0.2  # between two looks at a job
log = logging.getLogger(__name__)
SUCCESS = {"status": "success"}
Step = dict[str, Any]
Steps = AsyncGenerator[Step, None]


async def told(request: Request, steps: Steps, *, stream: bool, ignored: tuple[str, ...] = ()) -> Response:
    """Raises what goes wrong before the first step; later failures are a line of the stream."""
    headers = ignored_header(ignored)
    try:
        first = await until_gone(request, anext(steps))
        if stream:
            body = _lines(first, steps, caller_of(request).language)
            return EventStream(body, headers=headers, media_type=MEDIA_TYPE, ping=b"")
        last = await until_gone(request, _last(first, steps))
    except ClientGone:
        await steps.aclose()
        return Response(status_code=CLIENT_GONE)
    return JSONResponse(last, headers=headers)


async def _lines(first: Step, steps: Steps, language: str) -> AsyncGenerator[bytes, None]:
    try:
        yield line(first)
        async with aclosing(steps):
            async for step in steps:
                yield line(step)
    except FabulaError as failure:
        yield line(errors.body(failure, language))
    except Exception as failure:  # a stream that just ends would look like a success
        log.exception("work that was told line by line failed")
        yield line(errors.body(Unexpected(f"{type(failure).__name__}: {failure}"), language))


async def _last(first: Step, steps: Steps) -> Step:
    last = first
    async with aclosing(steps):
        async for step in steps:
            last = step
    return last


async def followed(studio: Studio, id: str) -> AsyncGenerator[Job, None]:
    """A job whenever it has changed, to its good end. Raises what it failed with, or JobStopped."""
    before = None
    while True:
        job = await studio.jobs.get(id)
        if (seen := (job.state, job.progress)) != before:
            before = seen
            yield job
        if job.state in ENDED:
            break
        await asyncio.sleep(LOOK_S)
    if job.state != "done":
        raise failure_of(job)


def failure_of(job: Job) -> FabulaError:
    """Why it ended, as it was raised in its own process."""
    if not job.error:
        return JobStopped(job.title)
    name = "".join(part.capitalize() for part in str(job.error["code"]).split("_"))
    kind = getattr(all_errors, name, None)
    if isinstance(kind, type) and issubclass(kind, FabulaError):
        with contextlib.suppress(TypeError):  # told by another version, with other fields
            said = {name: Phrase.of(kept) for name, kept in job.error.get("phrases", {}).items()}
            return kind(**job.error["fields"] | said)
    return Unexpected(str(job.error["message"]))
