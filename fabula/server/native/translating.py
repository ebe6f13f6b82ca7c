"""Messages of chats in another language. Knows no model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.chats.translating import LANGUAGES
from fabula.server.caller import caller_of
from fabula.server.native.bodies import Body
from fabula.server.routing import Routes


class Wish(Body):
    """`to` is a language's tag; without a model the chat's own translates."""

    to: str
    model: str = ""


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/chats/{chat_id}", tags=["Chats"])
    translations = studio.translations

    @routes.get("/translations")
    async def of_chat(chat_id: str, request: Request) -> dict[str, Any]:
        """What was translated, and into what can be."""
        found = await translations.of(caller_of(request).owner_id, chat_id)
        return {"translations": [asdict(one) for one in found], "languages": list(LANGUAGES)}

    @routes.post("/messages/{message_id}/translate", status_code=201)
    async def translate(chat_id: str, message_id: str, body: Wish, request: Request) -> dict[str, Any]:
        """By any model that is here; the answer comes when it is written, and the message stays."""
        made = await translations.make(caller_of(request), chat_id, message_id, body.to, body.model)
        return asdict(made)

    @routes.delete("/messages/{message_id}/translations", status_code=204)
    async def forget(chat_id: str, message_id: str, request: Request) -> Response:
        await translations.remove(caller_of(request).owner_id, chat_id, message_id)
        return Response(status_code=204)

    return routes
