"""Chats and their messages. Knows no turn: replies begin in `turns`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.chats import traits
from fabula.chats.records import ChatFilter
from fabula.server.caller import caller_of
from fabula.server.native import bodies, keeping, shapes, story_bodies
from fabula.server.routing import Routes

Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int | None, Query(ge=0, le=2**31)]

PLAIN = ("title", "model", "system", "sampling", "persona", "story")


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/chats", tags=["Chats"])
    chats = studio.chats

    @routes.get("")
    async def list_chats(
        request: Request,
        wanted: Annotated[ChatFilter, Depends(keeping.chat_filter)],
        limit: Limit = 50,
        before: float | None = None,
        offset: int = Query(0, ge=0),
    ) -> dict[str, Any]:
        """The newest chats first, all or those that a filter finds; `before` pages by `updated_at`."""
        rows, total = await chats.find(caller_of(request).owner_id, wanted, limit, before, offset)
        return {"chats": [shapes.chat(studio, row) for row in rows], "total": total}

    @routes.post("", status_code=201)
    async def create(body: story_bodies.NewChat, request: Request) -> dict[str, Any]:
        """A new chat: empty, or opened by the greetings of a character."""
        owner = caller_of(request).owner_id
        await studio.presets.sampling(owner, body.sampling)  # refused now rather than at the first reply
        fields = body.model_dump() | {"persona": body.persona.model_dump() if body.persona else {}}
        fields["story"] = story_bodies.given(body.story)
        fields["sampling"] = await _with_traits(studio, owner, body)
        if body.character_id or fields["story"].get("group"):
            return shapes.chat(studio, await studio.stories.begin(owner, fields))
        return shapes.chat(studio, await chats.create(owner, **{name: fields[name] for name in PLAIN}))

    @routes.get("/{chat_id}")
    async def get(chat_id: str, request: Request) -> dict[str, Any]:
        return shapes.chat(studio, await chats.get(caller_of(request).owner_id, chat_id))

    @routes.patch("/{chat_id}")
    async def update(chat_id: str, body: bodies.ChatChanges, request: Request) -> dict[str, Any]:
        """Change title, model, system prompt, sampling, character or persona."""
        changes = body.model_dump(exclude={"revision"}, exclude_none=True)
        owner = caller_of(request).owner_id
        await studio.presets.sampling(owner, changes.get("sampling", {}))
        if changes.get("character_id"):
            await studio.characters.get(owner, changes["character_id"])
        chat = await chats.update(owner, chat_id, body.revision, **changes)
        return shapes.chat(studio, chat)

    @routes.get("/{chat_id}/prompt")
    async def prompt(chat_id: str, request: Request, message_id: str = "") -> dict[str, Any]:
        """What the prompt is made of, what each part costs and why; the model is loaded to count it."""
        model, looked = await studio.replies.look(caller_of(request), chat_id, message_id)
        return shapes.prompt(model, looked)

    @routes.delete("/{chat_id}", status_code=204)
    async def delete(chat_id: str, request: Request, forever: bool = False) -> Response:
        """Into the trash, or gone for ever with all that belongs to it."""
        await studio.replies.stop_in(chat_id)
        await chats.delete(caller_of(request).owner_id, chat_id, forever=forever)
        return Response(status_code=204)

    @routes.post("/{chat_id}/restore")
    async def restore(chat_id: str, request: Request) -> dict[str, Any]:
        return shapes.chat(studio, await chats.restore(caller_of(request).owner_id, chat_id))

    _tree(routes, studio)
    _messages(routes, studio)
    return routes


async def _with_traits(studio: Studio, owner: str, body: story_bodies.NewChat) -> dict[str, Any]:
    """What was asked for, over the traits of the character."""
    if not body.character_id:
        return body.sampling
    character = await studio.characters.get(owner, body.character_id)
    return traits.of_card(character.card.data) | body.sampling


def _tree(routes: Routes, studio: Studio) -> None:
    chats = studio.chats

    @routes.post("/{chat_id}/head")
    async def head(chat_id: str, body: bodies.Head, request: Request) -> dict[str, Any]:
        """Show another swipe or branch."""
        change = await chats.move_head(caller_of(request).owner_id, chat_id, body.revision, body.message_id)
        return shapes.change(studio, change, caller_of(request).language)

    @routes.post("/{chat_id}/undo")
    async def undo(chat_id: str, body: bodies.Revision, request: Request) -> dict[str, Any]:
        """Take the last change of the tree back; not while a reply is being written."""
        studio.replies.require_idle(chat_id)
        change = await chats.undo(caller_of(request).owner_id, chat_id, body.revision)
        return shapes.change(studio, change, caller_of(request).language)

    @routes.post("/{chat_id}/redo")
    async def redo(chat_id: str, body: bodies.Revision, request: Request) -> dict[str, Any]:
        studio.replies.require_idle(chat_id)
        change = await chats.redo(caller_of(request).owner_id, chat_id, body.revision)
        return shapes.change(studio, change, caller_of(request).language)


def _messages(routes: Routes, studio: Studio) -> None:
    chats = studio.chats

    @routes.get("/{chat_id}/messages")
    async def page(
        chat_id: str,
        request: Request,
        before: str = "",
        limit: Limit = 100,
        offset: Offset = None,
        around: str = "",
    ) -> dict[str, Any]:
        """A page of the current path, oldest first: up to `before`, up to the head, from `offset` on, or
        with a message in its middle."""
        owner = caller_of(request).owner_id
        found = await chats.page(owner, chat_id, before or None, limit, offset, around)
        behind = found.total - found.start - len(found.messages)
        shown = await studio.stories.shown(owner, chat_id, found.messages, behind)
        return shapes.page(found, caller_of(request).language, shown)

    @routes.get("/{chat_id}/messages/{message_id}")
    async def one(chat_id: str, message_id: str, request: Request) -> dict[str, Any]:
        """A message, wherever in the tree it is."""
        found = await chats.message(caller_of(request).owner_id, chat_id, message_id)
        return shapes.told(shapes.plain(found), caller_of(request).language)

    @routes.get("/{chat_id}/messages/{message_id}/versions")
    async def versions(chat_id: str, message_id: str, request: Request) -> dict[str, Any]:
        """Every text that a message has had, oldest first."""
        found = await chats.versions(caller_of(request).owner_id, chat_id, message_id)
        language = caller_of(request).language
        return {"versions": [shapes.told(shapes.plain(version), language) for version in found]}

    @routes.post("/{chat_id}/messages", status_code=201)
    async def add(chat_id: str, body: bodies.NewMessage, request: Request) -> dict[str, Any]:
        """Add a message without asking for a reply."""
        change = await chats.add(caller_of(request).owner_id, chat_id, **body.model_dump())
        return shapes.change(studio, change, caller_of(request).language)

    @routes.patch("/{chat_id}/messages/{message_id}")
    async def edit(chat_id: str, message_id: str, body: bodies.Edit, request: Request) -> dict[str, Any]:
        """A new version of a message; what follows it stays."""
        change = await chats.edit(caller_of(request).owner_id, chat_id, body.revision, message_id, body.text)
        return shapes.change(studio, change, caller_of(request).language)

    @routes.post("/{chat_id}/messages/{message_id}/branch")
    async def branch(chat_id: str, message_id: str, body: bodies.Branch, request: Request) -> dict[str, Any]:
        """Another path from this message on."""
        change = await chats.branch(
            caller_of(request).owner_id, chat_id, body.revision, message_id, body.text
        )
        return shapes.change(studio, change, caller_of(request).language)

    @routes.delete("/{chat_id}/messages/{message_id}")
    async def hide(
        chat_id: str, message_id: str, revision: int, request: Request, alone: bool = False
    ) -> dict[str, Any]:
        """Delete a message and all that follows it, or it `alone`; undo brings back what was deleted."""
        change = await chats.hide(caller_of(request).owner_id, chat_id, revision, message_id, alone)
        return shapes.change(studio, change, caller_of(request).language)
