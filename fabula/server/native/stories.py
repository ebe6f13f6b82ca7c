"""What holds in a chat's story and in all stories; who speaks next; what is written beside a chat. Knows no
prompt."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula.app.studio import Studio
from fabula.chats.replies import Aside
from fabula.chats.stories import Tidy
from fabula.core.stream import Delta, Finished, Token
from fabula.server.caller import caller_of
from fabula.server.native import shapes, story_bodies
from fabula.server.native.turns import told_deltas
from fabula.server.routing import Routes
from fabula.server.sse import EventStream


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["Stories"])
    _settings(routes, studio)
    _chat(routes, studio)
    _character(routes, studio)
    return routes


def _settings(routes: Routes, studio: Studio) -> None:
    shelf = studio.story_shelf

    @routes.get("/stories/settings")
    async def get(request: Request) -> dict[str, Any]:
        """What holds in all stories, and the variables of macros that all chats share."""
        return await shelf.of_all(caller_of(request).owner_id)

    @routes.patch("/stories/settings")
    async def change(body: story_bodies.Defaults, request: Request) -> dict[str, Any]:
        """Fields that are not given stay as they are."""
        return await shelf.set(caller_of(request).owner_id, story_bodies.given(body))

    @routes.put("/stories/variables")
    async def set_variables(body: story_bodies.Variables, request: Request) -> dict[str, Any]:
        """All variables that chats share, at once."""
        return await shelf.set_shared(caller_of(request).owner_id, body.variables)


def _chat(routes: Routes, studio: Studio) -> None:
    shelf, chats = studio.story_shelf, studio.chats

    @routes.get("/chats/{chat_id}/story")
    async def get(chat_id: str, request: Request) -> dict[str, Any]:
        """All settings of one chat's story, and its variables."""
        owner = caller_of(request).owner_id
        return await shelf.of_chat(owner, await chats.get(owner, chat_id))

    @routes.patch("/chats/{chat_id}/story")
    async def change(chat_id: str, body: story_bodies.StoryChanges, request: Request) -> dict[str, Any]:
        """Fields that are not given stay as they are; the next reply is told with them."""
        changes = story_bodies.given(body)
        revision = changes.pop("revision")
        chat = await shelf.change(caller_of(request).owner_id, chat_id, revision, changes)
        return shapes.chat(studio, chat)

    @routes.put("/chats/{chat_id}/variables")
    async def set_variables(chat_id: str, body: story_bodies.Variables, request: Request) -> dict[str, Any]:
        """All variables of one chat's macros, at once."""
        return await shelf.set_variables(caller_of(request).owner_id, chat_id, body.variables)

    @routes.post("/chats/{chat_id}/speakers")
    async def speakers(chat_id: str, body: story_bodies.Speakers, request: Request) -> dict[str, Any]:
        """Who of a group would answer now, in order; by chance where the order is natural or pooled."""
        found = await studio.replies.speakers(caller_of(request), chat_id, asked=body.asked)
        return {"characters": [{"id": one.id, "name": one.card.called} for one in found]}

    @routes.post("/chats/{chat_id}/aside", response_model=None)
    async def aside(chat_id: str, body: story_bodies.Aside, request: Request) -> Response:
        """Write what the person might say next, or answer a quiet prompt. Nothing is kept. With `Accept:
        text/event-stream`, as an event stream whose last event has the whole `text`, put in order."""
        caller = caller_of(request)
        asked, tidy = await studio.replies.aside(caller, Aside(chat_id=chat_id, **body.model_dump()))
        deltas = _Heard(studio.turns.stream(asked), tidy)
        if "text/event-stream" not in request.headers.get("accept", ""):
            return JSONResponse(await deltas.whole())
        return EventStream(told_deltas(deltas.stream(), asked.model, caller.language, deltas.more))


def _character(routes: Routes, studio: Studio) -> None:
    shelf = studio.story_shelf

    @routes.get("/characters/{id}/note")
    async def get(id: str, request: Request) -> dict[str, Any]:
        """The note that goes wherever the character speaks; an empty text where there is none."""
        return await shelf.note(caller_of(request).owner_id, id)

    @routes.put("/characters/{id}/note")
    async def put(id: str, body: story_bodies.CharacterNote, request: Request) -> dict[str, Any]:
        """An empty text takes it away."""
        return await shelf.set_note(caller_of(request).owner_id, id, body.model_dump())


class _Heard:
    """Passes deltas on, and knows the whole text at their end."""

    def __init__(self, deltas: AsyncGenerator[Delta, None], tidy: Tidy) -> None:
        self._deltas, self._tidy = deltas, tidy
        self._text: list[str] = []

    async def stream(self) -> AsyncGenerator[Delta, None]:
        async with aclosing(self._deltas) as deltas:
            async for delta in deltas:
                if isinstance(delta, Token):
                    self._text.append(delta.text)
                yield delta

    def more(self, end: Finished) -> dict[str, Any]:
        del end
        return {"text": self._tidy("".join(self._text))}

    async def whole(self) -> dict[str, Any]:
        async for _ in self.stream():
            pass
        return {"text": self._tidy("".join(self._text))}
