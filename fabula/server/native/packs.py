"""The library of system prompts, and quick replies. Knows no prompt layout."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app.studio import Studio
from fabula.chats.quick_replies import ReplySet
from fabula.chats.reply_rows import Row
from fabula.core.errors import RepliesNotFound
from fabula.server.caller import caller_of
from fabula.server.native import novel_bodies as bodies
from fabula.server.routing import Routes


def router(studio: Studio) -> Routes:
    routes = Routes()
    _packs(routes, studio)
    _replies(routes, studio)
    return routes


def _packs(routes: Routes, studio: Studio) -> None:
    packs = studio.packs
    more: dict[str, Any] = {"tags": ["Packs"]}

    @routes.get("/packs", **more)
    async def list_packs(request: Request) -> dict[str, Any]:
        """System prompts: one's own, then those that come with Fabula; and where each was chosen."""
        owner = caller_of(request).owner_id
        return {
            "packs": [asdict(one) for one in await packs.list(owner)],
            "chosen": await packs.choices(owner),
        }

    @routes.post("/packs", status_code=201, **more)
    async def keep(body: bodies.NewPack, request: Request) -> dict[str, Any]:
        """One's own; one of the same name is replaced. With {{user}} and the other macros."""
        return asdict(await packs.keep(caller_of(request).owner_id, body.name, body.text))

    @routes.put("/packs/chosen", **more)
    async def choose(body: bodies.PackChoice, request: Request) -> dict[str, Any]:
        """For a model, for a character, or for all; "" takes a choice away."""
        owner = caller_of(request).owner_id
        if body.model:
            name = studio.find_model(body.model).name
            return await packs.choose(owner, body.pack, scope="models", name=name)
        if body.character_id:
            id = (await studio.characters.get(owner, body.character_id)).id
            return await packs.choose(owner, body.pack, scope="characters", name=id)
        return await packs.choose(owner, body.pack)

    @routes.get("/packs/{id}", **more)
    async def get(id: str, request: Request) -> dict[str, Any]:
        return asdict(await packs.get(caller_of(request).owner_id, id))

    @routes.get("/packs/{id}/file", **more)
    async def file(id: str, request: Request) -> dict[str, Any]:
        """As SillyTavern reads system prompts; such files come in under POST /templates/import."""
        found = await packs.get(caller_of(request).owner_id, id)
        return {"name": found.name, "content": found.text, "post_history": ""}

    @routes.delete("/packs/{id}", status_code=204, **more)
    async def remove(id: str, request: Request) -> Response:
        await packs.remove(caller_of(request).owner_id, id)
        return Response(status_code=204)


def _replies(routes: Routes, studio: Studio) -> None:
    replies = studio.quick_replies
    more: dict[str, Any] = {"tags": ["Quick replies"]}

    @routes.get("/replies", **more)
    async def list_replies(request: Request) -> dict[str, Any]:
        """Sets, each reply with what it does; `unknown` is what of its script is not run here."""
        return {"sets": [_shape(one) for one in await replies.list(caller_of(request).owner_id)]}

    @routes.post("/replies", status_code=201, **more)
    async def make(body: bodies.NewReplies, request: Request) -> dict[str, Any]:
        """A set of one's own."""
        owner, rows = caller_of(request).owner_id, _rows(body.replies)
        made = await replies.make(owner, body.name, rows, sends=body.sends, everywhere=body.everywhere)
        return _shape(made)

    @routes.patch("/replies/{id}", **more)
    async def change(id: str, body: bodies.ReplyChanges, request: Request) -> dict[str, Any]:
        """What is given; the rest of its file stays."""
        fields: dict[str, Any] = body.model_dump(include={"name", "sends", "everywhere"})
        rows = None if body.replies is None else _rows(body.replies)
        return _shape(
            await replies.change(caller_of(request).owner_id, id, body.revision, rows=rows, **fields)
        )

    @routes.post("/replies/import", status_code=201, **more)
    async def take(request: Request, name: str = "replies.json") -> dict[str, Any]:
        """The bytes of a set's file of SillyTavern as the body."""
        return _shape(await replies.take(caller_of(request).owner_id, name, await request.body()))

    @routes.get("/replies/{id}/file", **more)
    async def file(id: str, request: Request) -> dict[str, Any]:
        """As SillyTavern reads it: as it came in, with what was edited here."""
        return await replies.file(caller_of(request).owner_id, id)

    @routes.delete("/replies/{id}", status_code=204, **more)
    async def remove(id: str, request: Request) -> Response:
        await replies.remove(caller_of(request).owner_id, id)
        return Response(status_code=204)

    @routes.get("/chats/{chat_id}/replies", **more)
    async def of_chat(chat_id: str, request: Request) -> dict[str, Any]:
        """The sets that hold in a chat, hidden replies apart."""
        owner = caller_of(request).owner_id
        chat = await studio.chats.get(owner, chat_id)
        found = await replies.of_chat(owner, chat.story.get("replies") or ())
        return {"sets": [_shape(one, hidden=False) for one in found]}

    @routes.post("/chats/{chat_id}/replies/run", **more)
    async def run(chat_id: str, body: bodies.RunReply, request: Request) -> dict[str, Any]:
        """What a reply asks for, macros resolved, as steps for who shows the chat: a text to be sent or put
        where the person writes, a turn to be begun. Variables are set at once; the rest is the caller's."""
        owner = caller_of(request).owner_id
        chosen = await replies.get(owner, body.set)
        named = [one for one in chosen.replies if one.label == body.label]
        found = next((one for one in named if body.at in (None, one.at)), None)
        if found is None:
            raise RepliesNotFound(body.label)
        steps = await studio.stories.steps(owner, chat_id, found.steps, body.input)
        return {"steps": [asdict(one) for one in steps], "unknown": list(found.unknown)}


def _rows(replies: list[bodies.Reply]) -> list[Row]:
    return [Row(**one.model_dump()) for one in replies]


def _shape(one: ReplySet, *, hidden: bool = True) -> dict[str, Any]:
    told = asdict(one)
    return told | {"replies": [row for row in told["replies"] if hidden or not row["hidden"]]}
