"""Lorebooks: list, take from files, edit entry by entry, hand out. Knows no file format."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fabula.app.studio import Studio
from fabula.chats.items import Item, Links
from fabula.chats.lorebooks.files import rows_of
from fabula.chats.lorebooks.library import Edited, Format
from fabula.server.caller import caller_of
from fabula.server.native import story_bodies


def router(studio: Studio) -> APIRouter:
    routes = APIRouter(prefix="/lorebooks", tags=["Lorebooks"])
    library = studio.lorebooks

    @routes.get("")
    async def list_lorebooks(request: Request) -> dict[str, Any]:
        """By name, with the number of entries and where each holds."""
        return {"lorebooks": [shape(item) for item in await library.list(caller_of(request).owner_id)]}

    @routes.post("", status_code=201)
    async def create(body: story_bodies.NewLorebook, request: Request) -> dict[str, Any]:
        """An empty one."""
        links = Links.of(body.links.model_dump())
        return whole(await library.keep(caller_of(request).owner_id, body.name, links=links))

    @routes.post("/import", status_code=201)
    async def take(request: Request, name: str = "lorebook") -> dict[str, Any]:
        """From the bytes of a file: SillyTavern, Character Card V2 or V3, NovelAI, Agnaistic, RisuAI."""
        return whole(await library.take(caller_of(request).owner_id, name, await request.body()))

    @routes.get("/{id}")
    async def get(id: str, request: Request) -> dict[str, Any]:
        """With all entries."""
        return whole(await library.get(caller_of(request).owner_id, id))

    @routes.patch("/{id}")
    async def change(id: str, body: story_bodies.LorebookChanges, request: Request) -> dict[str, Any]:
        """Its name, or where it holds. 409 for who saw an older revision."""
        links = Links.of(body.links.model_dump()) if body.links else None
        owner = caller_of(request).owner_id
        return shape(await library.change(owner, id, body.revision, body.name or None, links))

    @routes.delete("/{id}", status_code=204)
    async def remove(id: str, request: Request) -> Response:
        await library.remove(caller_of(request).owner_id, id)
        return Response(status_code=204)

    @routes.get("/{id}/file")
    async def file(id: str, request: Request, format: Format = "world") -> dict[str, Any]:
        """For other programs: a world file of SillyTavern, or Character Card V3's form."""
        return await library.file(caller_of(request).owner_id, id, format)

    _entries(routes, studio)
    return routes


def _entries(routes: APIRouter, studio: Studio) -> None:
    library = studio.lorebooks

    @routes.post("/{id}/entries", status_code=201)
    async def add(id: str, body: story_bodies.Entry, request: Request) -> dict[str, Any]:
        """A new entry from some of its fields."""
        owner = caller_of(request).owner_id
        return _edited(await library.put_entry(owner, id, body.revision, "", body.fields))

    @routes.patch("/{id}/entries/{uid}")
    async def edit(id: str, uid: str, body: story_bodies.Entry, request: Request) -> dict[str, Any]:
        """Other values of an entry's fields; those that are not given stay."""
        owner = caller_of(request).owner_id
        return _edited(await library.put_entry(owner, id, body.revision, uid, body.fields))

    @routes.delete("/{id}/entries/{uid}")
    async def cut(id: str, uid: str, revision: int, request: Request) -> dict[str, Any]:
        return _edited(await library.remove_entry(caller_of(request).owner_id, id, revision, uid))


def shape(item: Item) -> dict[str, Any]:
    names = ("id", "name", "size", "revision", "created_at", "updated_at")
    return {name: getattr(item, name) for name in names} | {"links": asdict(item.links)}


def whole(item: Item) -> dict[str, Any]:
    description = item.document.get("description")
    return shape(item) | {
        "description": description if isinstance(description, str) else "",
        "entries": rows_of(item.document),
    }


def _edited(edited: Edited) -> dict[str, Any]:
    return whole(edited.lorebook) | {"entry": edited.entry}
