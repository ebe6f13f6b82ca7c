"""What a chat remembers: facts, summaries, documents, settings. Knows no prompt."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import Field

from fabula.app.studio import Studio
from fabula.chats.memory.records import MOST_RECALLED, MOST_WORDS
from fabula.server.caller import caller_of
from fabula.server.native.bodies import Body
from fabula.server.routing import Routes

Count = Annotated[int, Query(ge=1, le=MOST_RECALLED)]


class Changes(Body):
    summary: Literal["off", "auto"] | None = None
    words: int | None = Field(None, ge=20, le=MOST_WORDS)
    recall: int | None = Field(None, ge=0, le=MOST_RECALLED)
    embedder: str | None = None


class Fact(Body):
    text: str


class Document(Body):
    name: str
    text: str


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/chats/{chat_id}/memory", tags=["Memory"])
    memories = studio.memories

    @routes.get("")
    async def get(chat_id: str, request: Request) -> dict[str, Any]:
        """All of it, with what went wrong the last time."""
        return await memories.of(caller_of(request).owner_id, chat_id)

    @routes.patch("")
    async def change(chat_id: str, body: Changes, request: Request) -> dict[str, Any]:
        """Fields that are not given stay as they are; the next turn is told with them."""
        owner = caller_of(request).owner_id
        await memories.change(owner, chat_id, body.model_dump(exclude_none=True))
        return await memories.of(owner, chat_id)

    @routes.post("/facts", status_code=201)
    async def add_fact(chat_id: str, body: Fact, request: Request) -> dict[str, Any]:
        """Something to keep in mind in every turn."""
        return asdict(await memories.add(caller_of(request).owner_id, chat_id, "fact", body.text))

    @routes.post("/documents", status_code=201)
    async def add_document(chat_id: str, body: Document, request: Request) -> dict[str, Any]:
        """A text of which fitting passages are told, where `recall` is set."""
        owner = caller_of(request).owner_id
        made = await memories.add(owner, chat_id, "document", body.text, body.name)
        return asdict(made) | {"text": "", "size": len(made.text)}

    @routes.post("/summaries", status_code=201)
    async def sum_up(chat_id: str, request: Request) -> dict[str, Any]:
        """Write a summary now; the answer comes when it is written."""
        studio.replies.require_idle(chat_id)
        return asdict(await memories.sum_up(caller_of(request), chat_id))

    @routes.get("/passages")
    async def passages(chat_id: str, q: str, request: Request, count: Count = 5) -> dict[str, Any]:
        """What would be recalled for a text, with how much alike it is."""
        found = await memories.search(caller_of(request).owner_id, chat_id, q, count)
        return {"passages": [asdict(one) for one in found]}

    @routes.put("/{memory_id}")
    async def edit(chat_id: str, memory_id: str, body: Fact, request: Request) -> dict[str, Any]:
        """Another text for a fact or a summary."""
        return asdict(await memories.edit(caller_of(request).owner_id, chat_id, memory_id, body.text))

    @routes.delete("/{memory_id}", status_code=204)
    async def remove(chat_id: str, memory_id: str, request: Request) -> Response:
        await memories.remove(caller_of(request).owner_id, chat_id, memory_id)
        return Response(status_code=204)

    return routes
