"""The machine, the settings, the texts, the studio's events, backups. Knows no chat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from fastapi import Body, Query, Request
from fastapi.responses import Response

from fabula.app import Studio, about
from fabula.core import texts
from fabula.core.errors import BadParameter, NoWayBack
from fabula.server.caller import caller_of
from fabula.server.native import bodies, catalog, fitting, jobs, models, shapes
from fabula.server.reception import require_here
from fabula.server.routing import Routes
from fabula.server.scopes import MODELS
from fabula.server.sse import EventStream, event, resume_point
from fabula.server.visit import visit_of
from fabula.store.files import free_space

Also = Literal["models", "jobs"]


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["System"])

    _life(routes, studio)

    @routes.get("/system")
    async def system(
        request: Request,
        also: list[Also] = Query([]),  # noqa: B008  # FastAPI's way
    ) -> dict[str, Any]:
        """What this machine has, what runs, and what would be worth getting; `also` its models and jobs."""
        caller = caller_of(request)
        await asyncio.to_thread(studio.suggestions, caller.language)  # kept from then on
        told = shapes.system(studio, caller.language)
        if "models" in also:
            told |= models.listed(studio, caller.language)
        if "jobs" in also and _may(request, MODELS):
            told |= await jobs.listed(studio, caller)
        return told

    _about(routes, studio)

    @routes.get("/texts/{language}")
    async def catalogue(language: str) -> dict[str, Any]:
        """All sentences of one language."""
        if language not in texts.LANGUAGES:
            raise BadParameter(
                "language", language, texts.phrase("expected.one_of", names=", ".join(texts.LANGUAGES))
            )
        tree: dict[str, Any] = json.loads((texts.FOLDER / f"{language}.json").read_text(encoding="utf-8"))
        return tree

    @routes.get("/settings")
    async def settings(request: Request) -> dict[str, Any]:
        return {"settings": studio.describe_settings(caller_of(request).language)}

    @routes.patch("/settings")
    async def change(request: Request, changes: Annotated[bodies.Values, Body()]) -> dict[str, Any]:
        """Set settings by name; null returns one to its default."""
        studio.config.change(changes)
        return {"settings": studio.describe_settings(caller_of(request).language)}

    @routes.get("/events", response_model=None)
    async def events(request: Request, after: int = -1) -> Response:
        """What happens in the whole studio, from now on or after a number."""
        start = resume_point(request.headers, after)
        start = start if start >= 0 else studio.events.latest("studio")  # before anything is answered
        return EventStream(_studio_events(studio, start, caller_of(request).language))

    @routes.post("/backup")
    async def backup() -> dict[str, Any]:
        """Write a backup into the home folder."""
        path = await studio.backup()
        return {"path": str(path), "size": path.stat().st_size}

    routes.include(fitting.router(studio))
    routes.include(catalog.router(studio))
    return routes


def _may(request: Request, scope: str) -> bool:
    key = visit_of(request.scope).key
    return key is None or scope in key.scopes


def _life(routes: Routes, studio: Studio) -> None:
    @routes.get("/health")
    async def health() -> dict[str, bool]:
        """Whether the studio answers, without touching engine or database."""
        return {"ok": True}

    @routes.post("/restart", status_code=202)
    async def restart(request: Request) -> dict[str, Any]:
        """End the studio and begin it anew; only whoever sits at its own machine."""
        require_here(request, studio.settings)
        if studio.restart is None:
            raise NoWayBack
        return {"address": studio.restart(), "began": studio.opened_at}


def _about(routes: Routes, studio: Studio) -> None:
    @routes.get("/system/home")
    async def parts() -> dict[str, Any]:
        """The home folder, part by part, and how much space is left on its disk."""
        found = await asyncio.to_thread(about.parts, studio.home)
        return {
            "path": str(studio.home.path),
            "free": free_space(studio.home.path),
            "parts": [shapes.plain(part) for part in found],
        }

    @routes.get("/system/report")
    async def report() -> dict[str, str]:
        """What a report of a fault should tell, in English, without names, addresses and secrets."""
        return {"text": await asyncio.to_thread(about.report, studio, studio.supervisor.running())}


async def _studio_events(studio: Studio, after: int, language: str) -> AsyncGenerator[bytes, None]:
    async for item in studio.events.follow("studio", after):
        data = item.data
        if item.kind == "models":  # told as they are now: an older state helps nobody
            data = {"running": [shapes.running(row, language) for row in studio.supervisor.running()]}
        elif item.kind == "job":
            data = shapes.job_data(data, language)
        yield event(item.id, item.kind, data)
