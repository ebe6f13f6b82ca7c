"""Presets: list, keep, remove, and take over files of other programs. Knows no file format."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.core import texts
from fabula.engine.presets.importing import LeftOut, exported, imported
from fabula.engine.presets.shelf import Preset
from fabula.server.caller import caller_of
from fabula.server.native import bodies
from fabula.server.routing import Routes


class PresetChanges(bodies.Body):
    name: str | None = None
    about: str | None = None


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/presets", tags=["Presets"])
    presets = studio.presets

    @routes.get("")
    async def list_presets(request: Request) -> dict[str, Any]:
        """Those that come with Fabula, then one's own."""
        caller = caller_of(request)
        return {"presets": [_shape(row, caller.language) for row in await presets.list(caller.owner_id)]}

    @routes.post("", status_code=201)
    async def save(body: bodies.NewPreset, request: Request) -> dict[str, Any]:
        """Keep a sampling under a name."""
        caller = caller_of(request)
        saved = await presets.save(
            caller.owner_id, body.name, body.sampling, body.about, replace=body.replace
        )
        return _shape(saved, caller.language)

    @routes.post("/import", status_code=201)
    async def take(body: bodies.PresetFile, request: Request) -> dict[str, Any]:
        """Keep the sampling of another program's preset file; tells what of it was left out, and why."""
        caller = caller_of(request)
        found = imported(body.content)
        saved = await presets.save(
            caller.owner_id, body.name or found.name, found.sampling, replace=body.replace
        )
        left = [_left(row, caller.language) for row in found.left_out]
        return {"preset": _shape(saved, caller.language), "left_out": left}

    @routes.get("/{name:path}/export")
    async def export(name: str, request: Request) -> dict[str, Any]:
        """The preset as a file's content, which can be imported again."""
        found = await presets.get(caller_of(request).owner_id, name)
        return exported(found.name, found.sampling)

    @routes.get("/{name:path}")
    async def get(name: str, request: Request) -> dict[str, Any]:
        caller = caller_of(request)
        return _shape(await presets.get(caller.owner_id, name), caller.language)

    @routes.patch("/{name:path}")
    async def change(name: str, body: PresetChanges, request: Request) -> dict[str, Any]:
        """Another name or description; chats that name it follow."""
        caller = caller_of(request)
        changed = await presets.change(caller.owner_id, name, body.name, body.about)
        return _shape(changed, caller.language)

    @routes.delete("/{name:path}", status_code=204)
    async def remove(name: str, request: Request) -> Response:
        await presets.remove(caller_of(request).owner_id, name)
        return Response(status_code=204)

    return routes


def _shape(preset: Preset, language: str) -> dict[str, Any]:
    """What comes with Fabula has its title and description in the reader's language."""
    words = {"title": preset.name}
    if preset.built_in:
        words = {part: texts.say(f"presets.{preset.name}.{part}", language) for part in ("title", "about")}
    return dataclasses.asdict(preset) | words


def _left(row: LeftOut, language: str) -> dict[str, Any]:
    return {"key": row.key, "why": row.why, "message": texts.say(f"presets.left.{row.why}", language)}
