"""Backups: listed, looked into, downloaded, removed, put back in place. Knows no zip."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from fastapi import Request
from fastapi.responses import FileResponse, Response

from fabula.app import Studio
from fabula.core.errors import NotWhileStarting
from fabula.server.caller import caller_of
from fabula.server.routing import Routes
from fabula.store import backup_list


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/backups", tags=["Backups"])
    home = studio.home

    @routes.get("")
    async def listed(request: Request) -> dict[str, Any]:
        """Backups and folders of what was replaced, the newest first, and how the last restore ended."""
        rows, aside = await asyncio.to_thread(lambda: (backup_list.listed(home), backup_list.aside(home)))
        return {
            "folder": str(home.backups),
            "backups": [dataclasses.asdict(row) for row in rows],
            "replaced": [dataclasses.asdict(row) for row in aside],
            "restored": studio.restored.said(caller_of(request).language) if studio.restored else None,
        }

    @routes.get("/{name}")
    async def inside(name: str) -> dict[str, Any]:
        """What a backup, or what was put aside, holds beside what is here now; it is checked as a whole."""
        return dataclasses.asdict(await asyncio.to_thread(backup_list.look_into, home, name))

    @routes.get("/{name}/file")
    async def file(name: str) -> Response:
        path = backup_list.find(home, name)
        if path.is_dir():
            return Response(status_code=404)
        return FileResponse(path, filename=name, media_type="application/zip")

    @routes.post("/{name}/restore", status_code=202)
    async def restore(name: str) -> dict[str, Any]:
        """Put a backup, or what a restore has put aside, in the place of what is there: it is checked, then
        the studio closes and opens."""
        if studio.restore is None:
            raise NotWhileStarting
        await asyncio.to_thread(backup_list.look_into, home, name)
        studio.restore(home.backups / name)
        return {"name": name}

    @routes.delete("/{name}", status_code=204)
    async def remove(name: str) -> Response:
        """Delete a backup, or a folder of what was replaced."""
        await asyncio.to_thread(backup_list.remove, home, name)
        return Response(status_code=204)

    return routes
