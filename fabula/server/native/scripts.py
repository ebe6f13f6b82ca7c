"""Regex scripts, and templates of prompts: list, take from files, change, remove. Knows no expression."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app.studio import Studio
from fabula.chats import templates
from fabula.chats.items import Item, Links
from fabula.server.caller import caller_of
from fabula.server.native import story_bodies
from fabula.server.routing import Routes


def router(studio: Studio) -> Routes:
    routes = Routes()
    _scripts(routes, studio)
    _templates(routes, studio)
    return routes


def _scripts(routes: Routes, studio: Studio) -> None:
    scripts = studio.scripts
    tagged: dict[str, Any] = {"tags": ["Scripts"]}

    @routes.get("/scripts", **tagged)
    async def list_scripts(request: Request) -> dict[str, Any]:
        """In the order in which they run."""
        return {"scripts": [_shape(item) for item in await scripts.list(caller_of(request).owner_id)]}

    @routes.post("/scripts", status_code=201, **tagged)
    async def create(body: story_bodies.NewScript, request: Request) -> dict[str, Any]:
        links = Links.of(body.links.model_dump())
        return _shape(await scripts.add(caller_of(request).owner_id, body.fields, links))

    @routes.post("/scripts/import", status_code=201, **tagged)
    async def take(request: Request) -> dict[str, Any]:
        """All scripts of a file of SillyTavern; they hold everywhere."""
        found = await scripts.take(caller_of(request).owner_id, await request.body())
        return {"scripts": [_shape(item) for item in found]}

    @routes.post("/scripts/try", **tagged)
    async def attempt(body: story_bodies.Try) -> dict[str, str]:
        """A script on a text. Nothing is kept."""
        return {"text": await scripts.tried(body.fields, body.text)}

    @routes.get("/scripts/{id}", **tagged)
    async def get(id: str, request: Request) -> dict[str, Any]:
        return _shape(await scripts.get(caller_of(request).owner_id, id))

    @routes.patch("/scripts/{id}", **tagged)
    async def change(id: str, body: story_bodies.ScriptChanges, request: Request) -> dict[str, Any]:
        """Other values of its fields, where it holds, or its place in the order."""
        links = Links.of(body.links.model_dump()) if body.links else None
        owner = caller_of(request).owner_id
        return _shape(await scripts.change(owner, id, body.revision, body.fields, links, body.position))

    @routes.delete("/scripts/{id}", status_code=204, **tagged)
    async def remove(id: str, request: Request) -> Response:
        await scripts.remove(caller_of(request).owner_id, id)
        return Response(status_code=204)


def _templates(routes: Routes, studio: Studio) -> None:
    tagged: dict[str, Any] = {"tags": ["Templates"]}

    @routes.get("/templates", **tagged)
    async def list_templates(request: Request) -> dict[str, Any]:
        """One's own by form and name, then the names of those that come with Fabula."""
        own = await studio.templates.list(caller_of(request).owner_id)
        built_in = {form: list(found) for form, found in templates.BUILT_IN.items()}
        return {"templates": [asdict(template) for template in own], "built_in": built_in}

    @routes.post("/templates/import", status_code=201, **tagged)
    async def take_templates(request: Request, name: str = "template") -> dict[str, Any]:
        """All templates of a file of SillyTavern: context, instruct, system prompt, chat completion."""
        found = await studio.templates.take(caller_of(request).owner_id, name, await request.body())
        return {"templates": [asdict(template) for template in found]}

    @routes.delete("/templates/{id}", status_code=204, **tagged)
    async def remove_template(id: str, request: Request) -> Response:
        await studio.templates.remove(caller_of(request).owner_id, id)
        return Response(status_code=204)


def _shape(item: Item) -> dict[str, Any]:
    names = ("id", "name", "position", "revision", "created_at", "updated_at")
    more = {"links": asdict(item.links), "fields": dict(item.document)}
    return {name: getattr(item, name) for name in names} | more
