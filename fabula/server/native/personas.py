"""Personas: who the person is in stories. Knows no prompt."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import Query, Request
from fastapi.responses import Response

from fabula.app.studio import Studio
from fabula.chats.characters.thumbnails import SIZES, made_small
from fabula.chats.items import Links
from fabula.chats.personas import Persona
from fabula.server.caller import caller_of
from fabula.server.native import story_bodies
from fabula.server.routing import Routes

FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/personas", tags=["Personas"])
    personas = studio.personas

    @routes.get("")
    async def list_personas(request: Request) -> dict[str, Any]:
        """By name. The one whose `links.everywhere` is set is taken where no other is chosen."""
        return {"personas": [asdict(one) for one in await personas.list(caller_of(request).owner_id)]}

    @routes.post("", status_code=201)
    async def create(body: story_bodies.NewPersona, request: Request) -> dict[str, Any]:
        fields = body.model_dump() | {"links": Links.of(body.links.model_dump())}
        return asdict(await personas.add(caller_of(request).owner_id, Persona(**fields)))

    @routes.get("/{id}")
    async def get(id: str, request: Request) -> dict[str, Any]:
        return asdict(await personas.get(caller_of(request).owner_id, id))

    @routes.patch("/{id}")
    async def change(id: str, body: story_bodies.PersonaChanges, request: Request) -> dict[str, Any]:
        """Other values of some fields. 409 for who saw an older revision."""
        changes = story_bodies.given(body)
        revision = changes.pop("revision")
        if body.links and "links" in changes:
            changes["links"] = Links.of(body.links.model_dump())
        return asdict(await personas.change(caller_of(request).owner_id, id, revision, changes))

    @routes.put("/{id}", status_code=201)
    async def put_back(id: str, body: story_bodies.PersonaBack, request: Request) -> dict[str, Any]:
        """One that was removed, where it was: chats that name it have it again."""
        fields = body.model_dump() | {"links": Links.of(body.links.model_dump()), "id": id}
        return asdict(await personas.put_back(caller_of(request).owner_id, Persona(**fields)))

    @routes.get("/{id}/uses")
    async def uses(id: str, request: Request) -> dict[str, Any]:
        """The chats that name it, the newest first; at most 100."""
        found = await personas.uses(caller_of(request).owner_id, id)
        return {"chats": [asdict(one) for one in found]}

    @routes.delete("/{id}", status_code=204)
    async def remove(id: str, request: Request) -> Response:
        """Chats that it was chosen for go on with the usual one."""
        await personas.remove(caller_of(request).owner_id, id)
        return Response(status_code=204)

    _pictures(routes, studio)
    return routes


def _pictures(routes: Routes, studio: Studio) -> None:
    personas = studio.personas

    @routes.put("/{id}/picture")
    async def draw(id: str, revision: int, request: Request) -> dict[str, Any]:
        """Another picture: PNG, JPEG, WebP or GIF; an empty body takes it away."""
        content = await request.body()
        digest = await asyncio.to_thread(_kept, studio, content) if content else ""
        return asdict(await personas.draw(caller_of(request).owner_id, id, revision, digest))

    @routes.get("/{id}/thumbnail")
    async def thumbnail(id: str, request: Request, size: int = Query(192, ge=16, le=384)) -> Response:
        """The picture made small, as WebP; 404 where there is none. With the query `v` it never changes."""
        persona = await personas.get(caller_of(request).owner_id, id)
        small = await studio.thumbnails.get(persona.picture, size) if persona.picture else None
        if small is None:
            return Response(status_code=404)
        return Response(small, media_type="image/webp", headers=FOREVER)


def _kept(studio: Studio, picture: bytes) -> str:
    """Its digest. Raises PictureUnusable for what cannot be shown small."""
    made_small(picture, SIZES[0])
    return studio.media.put(picture)
