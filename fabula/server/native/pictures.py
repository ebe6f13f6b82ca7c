"""Pictures of other hosts, for the page: asked for by the studio where a person allowed it. Knows no host.

The page itself never asks another host; its content policy forbids it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from fabula.app import Studio
from fabula.chats.characters.thumbnails import kind_of
from fabula.chats.outside import way
from fabula.chats.outside.allowing import Place
from fabula.core.errors import BadParameter, PicturesForbidden
from fabula.core.texts import phrase
from fabula.server.caller import caller_of
from fabula.server.routing import Routes

HEADERS = {
    "Cache-Control": "private, max-age=86400",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


class Choice(BaseModel):
    """One of `chat` and `character`."""

    model_config = ConfigDict(extra="forbid")

    chat: str = ""
    character: str = ""
    allowed: bool


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/pictures", tags=["Pictures"])

    async def place_of(request: Request, chat: str, character: str) -> Place:
        if bool(chat) == bool(character):
            raise BadParameter("chat", chat or "–", phrase("expected.chat_or_character"))
        owner = caller_of(request).owner_id
        if chat:
            return await studio.allowing.of_chat(owner, chat)
        return await studio.allowing.of_character(owner, character)

    @routes.get("")
    async def picture(request: Request, address: str, chat: str = "", character: str = "") -> Response:
        """The bytes of a picture of another host. 403, and nothing is asked, where nobody has allowed it."""
        host, _ = way.checked(address)
        if not (await place_of(request, chat, character)).allowed:
            raise PicturesForbidden(host)
        content = await studio.outside.get(address)
        return Response(content, media_type=f"image/{kind_of(content, host).lower()}", headers=HEADERS)

    @routes.get("/allowed")
    async def allowed(request: Request, chat: str = "", character: str = "") -> dict[str, Any]:
        """Whether they are allowed there, and whether a character or the chat itself holds the choice."""
        return asdict(await place_of(request, chat, character))

    @routes.put("/allowed")
    async def choose(body: Choice, request: Request) -> dict[str, Any]:
        """Allow them, or forbid them again: for a character with all its chats, or for a chat without one."""
        place = await place_of(request, body.chat, body.character)
        return asdict(await studio.allowing.choose(caller_of(request).owner_id, place, body.allowed))

    return routes
