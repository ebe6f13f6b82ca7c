"""Servers that run models elsewhere: list, add, ask again, give a key, remove. Knows no dialect.

A key goes in and never comes out again.
"""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from fabula.app import Studio
from fabula.engine.remote.kinds import LABELS
from fabula.server.native import bodies, shapes
from fabula.server.routing import Routes


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/remotes", tags=["Servers"])
    remotes = studio.shelf.remotes

    @routes.get("")
    async def list_remotes() -> dict[str, Any]:
        """The servers that were added, with what they said when they were asked last."""
        kinds = [{"kind": kind, "label": label} for kind, label in LABELS.items()]
        return {"remotes": [shapes.remote(studio, remote) for remote in remotes.servers()], "kinds": kinds}

    @routes.post("", status_code=201)
    async def add(body: bodies.NewRemote) -> dict[str, Any]:
        """Ask a server what it is and has, and add it."""
        return shapes.remote(studio, await remotes.add(**body.model_dump()))

    @routes.post("/{name}/check")
    async def check(name: str) -> dict[str, Any]:
        """Ask a server for its models again."""
        return shapes.remote(studio, await remotes.check(name))

    @routes.put("/{name}/key")
    async def set_key(name: str, body: bodies.RemoteKey) -> dict[str, Any]:
        """Use another key, or none."""
        remotes.set_key(name, body.key)
        return shapes.remote(studio, remotes.get(name))

    @routes.delete("/{name}", status_code=204)
    async def remove(name: str) -> Response:
        """Forget a server, its key and its models."""
        await studio.remove_remote(name)
        return Response(status_code=204)

    return routes
