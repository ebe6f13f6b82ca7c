"""Pictures that are attached to messages. Knows no chat."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.server.routing import Routes

TYPES = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "bmp": "image/bmp"}
HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/chats/attachments", tags=["Chats"])

    @routes.post("", status_code=201)
    async def keep(request: Request) -> dict[str, Any]:
        """The bytes of a picture as the body; a message names it as `![words](attachment:NAME)`."""
        return asdict(await asyncio.to_thread(studio.pictures.keep, await request.body()))

    @routes.get("/{name}")
    async def picture(name: str) -> Response:
        """The bytes, which never change under a name. 404 where there is none."""
        content = await asyncio.to_thread(studio.pictures.find, name)
        if content is None:
            return Response(status_code=404)
        return Response(content, media_type=TYPES[name.rpartition(".")[2]], headers=HEADERS)

    return routes
