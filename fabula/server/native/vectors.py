"""Control vectors: list them, take one in, remove one. Knows no file format."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fastapi.responses import Response

from fabula.app import Studio
from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.engine.vectors import ControlVector, Vectors
from fabula.server.native import bodies
from fabula.server.routing import Routes

Json = dict[str, Any]


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/vectors", tags=["Control vectors"])
    vectors = Vectors(studio.home.vectors)

    @routes.get("")
    async def list_vectors() -> Json:
        """All control vectors."""
        return {"vectors": [_shown(one) for one in await asyncio.to_thread(vectors.list)]}

    @routes.post("", status_code=201)
    async def new(body: bodies.NewVector) -> Json:
        """Take in a file, or make one of directions."""
        if bool(body.path) == bool(body.directions):
            raise BadParameter("path", body.path, phrase("expected.path_or_directions"))
        if body.path:
            return _shown(await asyncio.to_thread(vectors.take, body.name, Path(body.path).expanduser()))
        return _shown(await asyncio.to_thread(vectors.make, body.name, body.directions))

    @routes.delete("/{name}", status_code=204)
    async def remove(name: str) -> Response:
        """Delete its file."""
        await asyncio.to_thread(vectors.remove, name)
        return Response(status_code=204)

    return routes


def _shown(one: ControlVector) -> Json:
    told = {"name": one.name, "size": one.size, "layers": list(one.layers), "width": one.width}
    return told | {"model": one.model, "path": str(one.path)}
