"""What an import would bring, before it is done. Knows no format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Request

from fabula.app import Studio
from fabula.app.rehearsal import rehearse
from fabula.server.caller import caller_of
from fabula.server.native.keeping import FolderBody, report
from fabula.server.routing import Routes


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["Keeping"])

    @routes.post("/import/rehearse")
    async def look(body: FolderBody, request: Request) -> dict[str, Any]:
        """What `POST /import` would answer; nothing is taken over."""
        caller = caller_of(request)
        found = await rehearse(studio.home, caller.owner_id, Path(body.folder).expanduser())
        return report(found, caller.language)

    return routes
