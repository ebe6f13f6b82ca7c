"""How the app looks on all of a person's devices. Knows no page and no colour."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Annotated, Any

from fastapi import Body, Request
from fastapi.responses import Response
from pydantic import Field

from fabula.app import Studio
from fabula.server.native import bodies
from fabula.server.native.characters import SANDBOX
from fabula.server.routing import Routes
from fabula.store.look import CHOICES, MOST_STYLE, Look, defaults
from fabula.store.settings import Setting

FRESH = {"Cache-Control": "no-cache"}


class Style(bodies.Body):
    style: str = Field(max_length=MOST_STYLE)


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/appearance", tags=["Appearance"])
    _choices(routes, studio)
    _style(routes, studio)
    _pictures(routes, studio)
    return routes


def _choices(routes: Routes, studio: Studio) -> None:
    @routes.get("")
    async def look() -> dict[str, Any]:
        """What holds on all devices, what there is to choose from, and which pictures are kept."""
        return await asyncio.to_thread(_shown, studio.look)

    @routes.put("")
    async def share(values: Annotated[bodies.Values, Body()]) -> dict[str, Any]:
        """Let choices hold on all devices."""
        await asyncio.to_thread(studio.look.share, values)
        return await _changed(studio)

    @routes.delete("")
    async def part() -> dict[str, Any]:
        """Let each device have its own again."""
        await asyncio.to_thread(studio.look.part)
        return await _changed(studio)


def _style(routes: Routes, studio: Studio) -> None:
    @routes.get("/style")
    async def style() -> Response:
        """The person's own style sheet."""
        return Response(await asyncio.to_thread(studio.look.style), media_type="text/css", headers=FRESH)

    @routes.put("/style")
    async def dress(body: Style) -> dict[str, Any]:
        """Keep a style sheet; "" takes it away."""
        await asyncio.to_thread(studio.look.dress, body.style)
        return await _changed(studio)


def _pictures(routes: Routes, studio: Studio) -> None:
    @routes.post("/pictures", status_code=201)
    async def hang(request: Request) -> dict[str, Any]:
        """Keep a picture: the body is its file."""
        picture = await asyncio.to_thread(studio.look.hang, await request.body())
        return dataclasses.asdict(picture)

    @routes.get("/pictures/{id}")
    async def picture(id: str) -> Response:
        content, kind = await asyncio.to_thread(studio.look.picture, id)
        return Response(content, media_type=kind, headers=SANDBOX)

    @routes.delete("/pictures/{id}")
    async def take_down(id: str) -> dict[str, Any]:
        """Remove a picture."""
        await asyncio.to_thread(studio.look.take_down, id)
        return await _changed(studio)


async def _changed(studio: Studio) -> dict[str, Any]:
    """Every open page hears of it."""
    studio.events.publish("studio", "appearance", {})
    return await asyncio.to_thread(_shown, studio.look)


def _shown(look: Look) -> dict[str, Any]:
    return {
        "shared": look.shared(),
        "defaults": defaults(),
        "choices": {choice.name: _span(choice) for choice in CHOICES},
        "style": look.stamp(),
        "pictures": [dataclasses.asdict(picture) for picture in look.pictures()],
    }


def _span(choice: Setting) -> dict[str, Any]:
    """What a choice may be: names, or the ends of a range; {} for a switch or an id."""
    if choice.choices:
        return {"names": list(choice.choices)}
    return {"low": choice.low, "high": choice.high} if isinstance(choice.default, float) else {}
