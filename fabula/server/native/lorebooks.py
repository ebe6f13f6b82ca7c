"""Lorebooks: list, take from files, edit entry by entry, hand out. Knows no file format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app.studio import Studio
from fabula.chats.items import Item, Links
from fabula.chats.lorebooks.files import rows_of
from fabula.chats.lorebooks.library import Edited, Format
from fabula.chats.lorebooks.testing import UNKNOWN_CONTEXT, Question, Tested, label
from fabula.engine.at_hand import Counted
from fabula.server.caller import caller_of
from fabula.server.native import story_bodies
from fabula.server.routing import Routes


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/lorebooks", tags=["Lorebooks"])
    library = studio.lorebooks

    @routes.get("")
    async def list_lorebooks(request: Request) -> dict[str, Any]:
        """By name, with the number of entries and where each holds."""
        return {"lorebooks": [shape(item) for item in await library.list(caller_of(request).owner_id)]}

    @routes.post("", status_code=201)
    async def create(body: story_bodies.NewLorebook, request: Request) -> dict[str, Any]:
        """An empty one."""
        links = Links.of(body.links.model_dump())
        return whole(await library.keep(caller_of(request).owner_id, body.name, links=links))

    @routes.post("/import", status_code=201)
    async def take(request: Request, name: str = "lorebook") -> dict[str, Any]:
        """From the bytes of a file: SillyTavern, Character Card V2 or V3, NovelAI, Agnaistic, RisuAI."""
        return whole(await library.take(caller_of(request).owner_id, name, await request.body()))

    @routes.get("/{id}")
    async def get(id: str, request: Request) -> dict[str, Any]:
        """With all entries."""
        return whole(await library.get(caller_of(request).owner_id, id))

    @routes.patch("/{id}")
    async def change(id: str, body: story_bodies.LorebookChanges, request: Request) -> dict[str, Any]:
        """Its name, or where it holds. 409 for who saw an older revision."""
        links = Links.of(body.links.model_dump()) if body.links else None
        owner = caller_of(request).owner_id
        return shape(await library.change(owner, id, body.revision, body.name or None, links))

    @routes.delete("/{id}", status_code=204)
    async def remove(id: str, request: Request) -> Response:
        await library.remove(caller_of(request).owner_id, id)
        return Response(status_code=204)

    _files(routes, studio)
    _test(routes, studio)
    _entries(routes, studio)
    return routes


def _files(routes: Routes, studio: Studio) -> None:
    library = studio.lorebooks

    @routes.get("/{id}/file")
    async def file(id: str, request: Request, format: Format = "world") -> dict[str, Any]:
        """For other programs: a world file of SillyTavern, or Character Card V3's form."""
        return await library.file(caller_of(request).owner_id, id, format)

    @routes.put("/{id}", status_code=201)
    async def put_back(id: str, body: story_bodies.LorebookBack, request: Request) -> dict[str, Any]:
        """One that was removed, where it was: chats that name it have it again."""
        links = Links.of(body.links.model_dump())
        owner = caller_of(request).owner_id
        return whole(await library.put_back(owner, id, body.name, body.document, links))


def _test(routes: Routes, studio: Studio) -> None:
    @routes.post("/{id}/test")
    async def test(id: str, body: story_bodies.LoreTest, request: Request) -> dict[str, Any]:
        """What a message would bring in, and why. A model that is loaded counts; else sizes are guessed."""
        seen: list[Counted] = []

        async def count(texts: Sequence[str]) -> Sequence[int]:
            seen.append(await studio.at_hand.count(texts, body.model))
            return seen[-1].counts

        window = (await studio.at_hand.count([], body.model)).context
        question = Question(
            text=body.text,
            chat_id=body.chat_id,
            character_id=body.character_id,
            context=body.context or window or UNKNOWN_CONTEXT,
        )
        tested = await studio.lore_tests.test(caller_of(request).owner_id, id, question, count)
        counter = next((one.model for one in seen), "")
        return _tested(tested) | {"model": counter, "estimated": not counter, "context": question.context}


def _entries(routes: Routes, studio: Studio) -> None:
    library = studio.lorebooks

    @routes.post("/{id}/entries", status_code=201)
    async def add(id: str, body: story_bodies.Entry, request: Request) -> dict[str, Any]:
        """A new entry from some of its fields."""
        owner = caller_of(request).owner_id
        return _edited(await library.put_entry(owner, id, body.revision, "", body.fields))

    @routes.patch("/{id}/entries/{uid}")
    async def edit(id: str, uid: str, body: story_bodies.Entry, request: Request) -> dict[str, Any]:
        """Other values of an entry's fields; those that are not given stay."""
        owner = caller_of(request).owner_id
        return _edited(await library.put_entry(owner, id, body.revision, uid, body.fields))

    @routes.post("/{id}/mark")
    async def mark(id: str, body: story_bodies.EntryMarks, request: Request) -> dict[str, Any]:
        """Change many entries at once, or take them out."""
        fields = None if body.remove else {name: body.fields[name] for name in body.fields if name != "uid"}
        owner = caller_of(request).owner_id
        return whole(await library.mark(owner, id, body.revision, body.uids, fields))

    @routes.put("/{id}/order")
    async def sort(id: str, body: story_bodies.EntryOrder, request: Request) -> dict[str, Any]:
        """The order in which entries are listed; prompts follow their `order`."""
        return whole(await library.sort(caller_of(request).owner_id, id, body.revision, body.uids))

    @routes.delete("/{id}/entries/{uid}")
    async def cut(id: str, uid: str, revision: int, request: Request) -> dict[str, Any]:
        return _edited(await library.remove_entry(caller_of(request).owner_id, id, revision, uid))


def _tested(tested: Tested) -> dict[str, Any]:
    rows = [
        {
            "uid": one.verdict.entry.uid,
            "book": one.verdict.entry.book,
            "label": label(one.verdict.entry),
            "told": one.verdict.fired,
            "reason": one.verdict.reason,
            "key": one.verdict.key,
            "brought_by": one.brought_by,
            "step": one.verdict.step,
            "tokens": one.verdict.tokens,
        }
        for one in tested.told
    ]
    names = ("tokens", "budget", "overflowed", "searched")
    return {"entries": rows} | {name: getattr(tested, name) for name in names}


def shape(item: Item) -> dict[str, Any]:
    names = ("id", "name", "size", "revision", "created_at", "updated_at")
    return {name: getattr(item, name) for name in names} | {"links": asdict(item.links)}


def whole(item: Item) -> dict[str, Any]:
    description = item.document.get("description")
    return shape(item) | {
        "description": description if isinstance(description, str) else "",
        "entries": rows_of(item.document),
    }


def _edited(edited: Edited) -> dict[str, Any]:
    return whole(edited.lorebook) | {"entry": edited.entry}
