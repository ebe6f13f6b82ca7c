"""Personas: who the person is in stories. Knows no prompt."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fabula.app.studio import Studio
from fabula.chats.items import Links
from fabula.chats.personas import Persona
from fabula.server.caller import caller_of
from fabula.server.native import story_bodies


def router(studio: Studio) -> APIRouter:
    routes = APIRouter(prefix="/personas", tags=["Personas"])
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

    @routes.delete("/{id}", status_code=204)
    async def remove(id: str, request: Request) -> Response:
        """Chats that it was chosen for go on with the usual one."""
        await personas.remove(caller_of(request).owner_id, id)
        return Response(status_code=204)

    return routes
