"""Chats and characters as things to keep: found, marked, compared, merged, and in and out as files.

Knows no file format and no turn.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
import tempfile
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Query, Request
from fastapi.responses import Response
from pydantic import Field

from fabula.app import Studio
from fabula.chats.characters import archive
from fabula.chats.characters.archive import BadArchive
from fabula.chats.characters.shelf import Filter, Marks
from fabula.chats.exchange.desk import Format, Taken
from fabula.chats.exchange.folders import Move, Report, Rooms
from fabula.chats.exchange.ledger import Ledger
from fabula.chats.records import ChatFilter, Within
from fabula.core import texts
from fabula.core.errors import ChatUnreadable, FolderUnreadable
from fabula.core.texts import phrase
from fabula.server.caller import caller_of
from fabula.server.native import shapes
from fabula.server.native.bodies import Body, CharacterMarks, Revision
from fabula.server.routing import Routes

FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
Words = Annotated[str, Query(max_length=1000)]


class MergeBody(Revision):
    message_id: str


class MoveBody(Revision):
    """`later`: with the message after it, else with the one before."""

    later: bool = False


class CheckpointBody(Revision):
    name: str = Field(max_length=200)


class LeaveOutBody(Revision):
    message_ids: list[str] = Field(max_length=30_000)
    out: bool = True


class FolderBody(Body):
    folder: str = Field(max_length=4000)


def chat_filter(
    words: Words = "",
    tag: list[str] = Query([]),  # noqa: B008  # FastAPI's way
    folder: str | None = None,
    favourite: bool | None = None,
    character_id: str | None = None,
    trashed: bool = False,
) -> ChatFilter:
    """What of a list of chats is wanted. `words` are of titles."""
    return ChatFilter(
        words=words,
        tags=tuple(tag),
        folder=folder,
        favourite=favourite,
        character_id=character_id,
        trashed=trashed,
    )


def within(
    chat_id: str = "",
    character_id: str = "",
    folder: str | None = None,
    tag: str = "",
    favourite: bool | None = None,
    since: float | None = None,
    until: float | None = None,
) -> Within:
    """Where words are looked for. `since` and `until` are Unix seconds."""
    return Within(
        chat_id=chat_id,
        character_id=character_id,
        folder=folder,
        tag=tag,
        favourite=favourite,
        since=since,
        until=until,
    )


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["Keeping"])
    _finding(routes, studio)
    _files(routes, studio)
    _branches(routes, studio)
    _messages(routes, studio)
    _characters(routes, studio)
    return routes


def _finding(routes: Routes, studio: Studio) -> None:
    chats = studio.chats

    @routes.get("/chats/search")
    async def search(
        request: Request,
        words: Words,
        where: Annotated[Within, Depends(within)],
        limit: int = Query(20, ge=1, le=200),
        before: int | None = None,
    ) -> dict[str, Any]:
        """Messages in which all of the words stand, in any script, the newest first."""
        owner = caller_of(request).owner_id
        hits = await chats.search(owner, words, limit, before, within=where)
        return {"hits": [shapes.plain(hit) for hit in hits]}

    @routes.get("/chats/tags")
    async def drawers(request: Request) -> dict[str, Any]:
        """Folders and tags of chats, with how many each has."""
        folders, tags = await chats.drawers(caller_of(request).owner_id)
        return {"folders": folders, "tags": tags}

    @routes.get("/chats/ids")
    async def ids(
        request: Request,
        words: Words = "",
        tag: list[str] = Query([]),  # noqa: B008  # FastAPI's way
        folder: str | None = None,
        favourite: bool | None = None,
        character_id: str | None = None,
        trashed: bool = False,
    ) -> dict[str, Any]:
        """Ids of all chats that a filter finds, for a change of all of them."""
        wanted = chat_filter(words, tag, folder, favourite, character_id, trashed)
        return {"ids": await chats.ids(caller_of(request).owner_id, wanted)}

    @routes.post("/chats/mark")
    async def mark(body: CharacterMarks, request: Request) -> dict[str, int]:
        """Change many chats at once: folder, favourite, tags, into the trash and out of it."""
        marks = Marks(**body.model_dump(exclude={"ids"}))
        return {"changed": await chats.mark(caller_of(request).owner_id, body.ids, marks)}


def _files(routes: Routes, studio: Studio) -> None:
    exchange = studio.exchange

    @routes.post("/chats/import", status_code=201)
    async def take(request: Request, name: str = "chat.jsonl", character_id: str = "") -> dict[str, Any]:
        """Chats of a file of any program, or of a ZIP file of such files; `name` is the file's."""
        owner, content = caller_of(request).owner_id, await request.body()
        if character_id:
            await studio.characters.get(owner, character_id)
        fields = {"character_id": character_id} if character_id else {}
        taken = await exchange.take(owner, unpacked(name, content), fields)
        return {"chats": [_taken(studio, one) for one in taken]}

    @routes.get("/chats/{chat_id}/export")
    async def give(chat_id: str, request: Request, format: Format = "jsonl") -> Response:
        """The chat as a file: SillyTavern's (a ZIP of several where it has branches), or one to read."""
        written = await exchange.give(caller_of(request).owner_id, chat_id, format)
        return Response(written.content, media_type=written.kind, headers=_download(written.name))

    @routes.post("/import", status_code=201)
    async def take_folder(body: FolderBody, request: Request) -> dict[str, Any]:
        """All that a data folder of SillyTavern on the studio's machine holds; and what did not come over."""
        caller = caller_of(request)
        folder = Path(body.folder).expanduser()
        moved = await Move(_rooms(studio), caller.owner_id, folder).run()
        return report(moved, caller.language)

    @routes.post("/import/archive", status_code=201)
    async def take_archive(request: Request) -> dict[str, Any]:
        """The same, of a folder that lies elsewhere: the bytes of a ZIP file of it as the body."""
        caller, content = caller_of(request), await request.body()
        with tempfile.TemporaryDirectory(prefix="fabula-import-") as place:
            folder = await asyncio.to_thread(_unpack, content, Path(place))
            moved = await Move(_rooms(studio), caller.owner_id, folder).run()
        return report(dataclasses.replace(moved, folder=""), caller.language)


def _rooms(studio: Studio) -> Rooms:
    return Rooms(
        characters=studio.characters,
        exchange=studio.exchange,
        lorebooks=studio.lorebooks,
        personas=studio.personas,
        scripts=studio.scripts,
        templates=studio.templates,
        presets=studio.presets,
        quick_replies=studio.quick_replies,
        ledger=Ledger(studio.database),
    )


def _unpack(content: bytes, place: Path) -> Path:
    """Where the folder is: an archive of a folder often has nothing else above it. Raises FolderUnreadable.
    Paths have been checked: none leads out of the place."""
    try:
        files = archive.unpacked(content)
    except BadArchive as bad:
        raise FolderUnreadable("ZIP", phrase(f"cards.reason.{bad.reason}")) from bad
    for path, data in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
    above = list(place.iterdir())
    return above[0] if len(above) == 1 and above[0].is_dir() else place


def _branches(routes: Routes, studio: Studio) -> None:
    chats = studio.chats

    @routes.get("/chats/{chat_id}/branches")
    async def branches(chat_id: str, request: Request) -> dict[str, Any]:
        """Where the paths of a chat end, the shown one first, then the newest."""
        found = await chats.branches(caller_of(request).owner_id, chat_id)
        return {"branches": [shapes.plain(one) for one in found]}

    @routes.get("/chats/{chat_id}/tree")
    async def tree(chat_id: str, request: Request) -> dict[str, Any]:
        """The whole tree without its texts: ids, the index of the message before each, roles."""
        return shapes.plain(await chats.outline(caller_of(request).owner_id, chat_id))

    @routes.get("/chats/{chat_id}/checkpoints")
    async def checkpoints(chat_id: str, request: Request) -> dict[str, Any]:
        found = await chats.checkpoints(caller_of(request).owner_id, chat_id)
        return {"checkpoints": [shapes.plain(one) for one in found]}

    @routes.get("/chats/{chat_id}/compare")
    async def compare(
        chat_id: str, left: str, right: str, request: Request, limit: int = Query(500, ge=1, le=5000)
    ) -> dict[str, Any]:
        """Two paths, each named by its last message: where they part, and what each has of its own."""
        caller = caller_of(request)
        found = await chats.compare(caller.owner_id, chat_id, left, right, limit)
        shown = shapes.plain(found)
        sides = {
            side: [shapes.told(one, caller.language) for one in shown[side]] for side in ("left", "right")
        }
        return shown | sides

    @routes.post("/chats/{chat_id}/merge")
    async def merge(chat_id: str, body: MergeBody, request: Request) -> dict[str, Any]:
        """Tell what another path has of its own once more after the head; the branch stays."""
        caller = caller_of(request)
        change = await chats.merge(caller.owner_id, chat_id, body.revision, body.message_id)
        return shapes.change(studio, change, caller.language)


def _messages(routes: Routes, studio: Studio) -> None:
    chats = studio.chats

    @routes.post("/chats/{chat_id}/messages/{message_id}/move")
    async def move(chat_id: str, message_id: str, body: MoveBody, request: Request) -> dict[str, Any]:
        """Let a message change places with the one before or after it, each with its alternatives."""
        caller = caller_of(request)
        change = await chats.move(caller.owner_id, chat_id, body.revision, message_id, body.later)
        return shapes.change(studio, change, caller.language)

    @routes.put("/chats/{chat_id}/messages/{message_id}/checkpoint")
    async def checkpoint(
        chat_id: str, message_id: str, body: CheckpointBody, request: Request
    ) -> dict[str, Any]:
        """Name a message as a place to come back to; "" takes the name away."""
        caller = caller_of(request)
        change = await chats.checkpoint(caller.owner_id, chat_id, body.revision, message_id, body.name)
        return shapes.change(studio, change, caller.language)

    @routes.post("/chats/{chat_id}/leave_out")
    async def leave_out(chat_id: str, body: LeaveOutBody, request: Request) -> dict[str, Any]:
        """Let prompts go without some messages, which stay in sight, or with them again."""
        caller = caller_of(request)
        change = await chats.leave_out(caller.owner_id, chat_id, body.revision, body.message_ids, body.out)
        return shapes.change(studio, change, caller.language)


def _characters(routes: Routes, studio: Studio) -> None:
    library = studio.characters

    @routes.get("/characters/ids")
    async def ids(
        request: Request,
        words: Words = "",
        tag: list[str] = Query([]),  # noqa: B008  # FastAPI's way
        folder: str | None = None,
        favourite: bool | None = None,
        trashed: bool = False,
    ) -> dict[str, Any]:
        """Ids of all characters that a filter finds, for a change of all of them."""
        wanted = Filter(words=words, tags=tuple(tag), folder=folder, favourite=favourite, trashed=trashed)
        return {"ids": await library.find(caller_of(request).owner_id, wanted)}

    @routes.get("/characters/{id}/thumbnail")
    async def thumbnail(id: str, request: Request, size: int = Query(192, ge=16, le=384)) -> Response:
        """The picture made small, as WebP; 404 where there is none. With the query `v` it never changes."""
        character = await library.get(caller_of(request).owner_id, id)
        small = await studio.thumbnails.get(character.picture, size) if character.picture else None
        if small is None:
            return Response(status_code=404)
        return Response(small, media_type="image/webp", headers=FOREVER)


def unpacked(name: str, content: bytes) -> list[tuple[str, bytes]]:
    """The chat files of a ZIP file, or the one file that it is. Raises ChatUnreadable."""
    if not content.startswith(b"PK\x03\x04"):
        return [(name, content)]
    try:
        files = archive.unpacked(content)
    except BadArchive as bad:
        raise ChatUnreadable(name, phrase(f"cards.reason.{bad.reason}")) from bad
    return [(path, data) for path, data in files.items() if path.lower().endswith((".jsonl", ".json"))]


def _taken(studio: Studio, one: Taken) -> dict[str, Any]:
    return {"chat": shapes.chat(studio, one.chat)} | {
        name: getattr(one, name) for name in ("program", "messages", "files", "bad")
    }


def report(found: Report, language: str) -> dict[str, Any]:
    kinds = []
    for tally in found.tallies.values():
        refused = [{"file": file, "reason": wrong.sentence(language)} for file, wrong in tally.refused]
        kinds.append(dataclasses.asdict(dataclasses.replace(tally, refused=[])) | {"refused": refused})
    why = {name: texts.say(f"chats.left.{name.replace(' ', '_').lower()}", language) for name in found.left}
    notes = [{"file": file, "replies": labels} for file, labels in found.notes]
    told = {"folder": found.folder, "kinds": kinds, "left": found.left}
    return told | {"left_reasons": why, "not_run": notes}


def _download(name: str) -> dict[str, str]:
    """RFC 6266; a name from outside never holds a path."""
    plain = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", name)
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(plain)}"}
