"""Files of any kind, as they are dropped on the window: cards, lorebooks, chats, quick replies, ZIP files of
these. Knows whom to ask about a file, and no format."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import PurePosixPath
from typing import Any

from fastapi import Query, Request

from fabula.app import Studio
from fabula.chats.characters import archive
from fabula.chats.characters.archive import BadArchive
from fabula.chats.characters.shelf import Marks
from fabula.chats.outside.asking import file_at
from fabula.core.errors import CardUnreadable, FabulaError
from fabula.core.request import Caller
from fabula.core.texts import phrase
from fabula.server.caller import caller_of
from fabula.server.native import bodies
from fabula.server.native.keeping import unpacked
from fabula.server.routing import Routes

CHAT_ENDING = ".jsonl"
TEXT_ENDINGS = (".json", ".jsonl", ".txt", ".lorebook")
IGNORED = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
Row = dict[str, Any]
Way = Callable[[str, str, bytes], Awaitable[list[Row]]]


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["Keeping"])
    desk = _Desk(studio)

    @routes.post("/take")
    async def take(
        request: Request, name: str = "file", folder: str = Query("", max_length=1000)
    ) -> dict[str, Any]:
        """The bytes of any file: what it was taken for, and what could not be read. Of a ZIP file, of all in
        it. `folder` is where its characters go."""
        return await taken_in(caller_of(request), name, await request.body(), folder)

    @routes.post("/take/address")
    async def take_address(body: bodies.Address, request: Request) -> dict[str, Any]:
        """The same of a file that lies on another host: asked for once, because a person said so."""
        name, content = await file_at(body.address)
        return await taken_in(caller_of(request), name, content, body.folder)

    async def taken_in(caller: Caller, name: str, content: bytes, folder: str) -> dict[str, Any]:
        taken: list[Row] = []
        refused: list[Row] = []
        files = await asyncio.to_thread(_files, name, content)
        chats = [one for one in files if one[0].lower().endswith(CHAT_ENDING)]
        with contextlib.suppress(FabulaError):  # then each is tried by itself, and told by its own name
            taken += [{"file": name} | row for row in await desk.chats(caller.owner_id, chats)]
            files = [one for one in files if one not in chats]
        for file, inner in files:
            try:
                taken += [{"file": file} | row for row in await desk.take(caller.owner_id, file, inner)]
            except FabulaError as wrong:
                refused.append({"file": file, "reason": wrong.sentence(caller.language)})
        if folder and (ids := [row["id"] for row in taken if row.get("already") is False]):
            await studio.characters.mark(caller.owner_id, ids, Marks(folder=folder))
        return {"taken": taken, "refused": refused}

    return routes


class _Desk:
    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def take(self, owner: str, file: str, content: bytes) -> list[Row]:
        """Raises the refusal of whom a file of this name is usually for."""
        refusals: list[FabulaError] = []
        for way in self._ways(file, content):
            try:
                return await way(owner, PurePosixPath(file).name, content)
            except FabulaError as wrong:
                refusals.append(wrong)
        raise refusals[-1]

    def _ways(self, file: str, content: bytes) -> list[Way]:
        """The card's comes last: its refusal is the one to tell."""
        is_text = file.lower().endswith(TEXT_ENDINGS) or content.lstrip()[:1] in (b"{", b"[")
        return [self._chats, self._lorebook, self._replies, self._character] if is_text else [self._character]

    async def _character(self, owner: str, file: str, content: bytes) -> list[Row]:
        made, already = await self._studio.characters.take_once(owner, file, content)
        return [{"kind": "character", "id": made.id, "name": made.name, "already": already}]

    async def _lorebook(self, owner: str, file: str, content: bytes) -> list[Row]:
        if _has_card(content):
            raise CardUnreadable(file, phrase("cards.reason.not_card"))
        made = await self._studio.lorebooks.take(owner, file, content)
        return [{"kind": "lorebook", "id": made.id, "name": made.name}]

    async def _chats(self, owner: str, file: str, content: bytes) -> list[Row]:
        return await self.chats(owner, unpacked(file, content))

    async def chats(self, owner: str, files: list[tuple[str, bytes]]) -> list[Row]:
        """Files that are branches of one chat become one tree."""
        taken = await self._studio.exchange.take(owner, files, {}) if files else []
        return [{"kind": "chat", "id": one.chat.id, "name": one.chat.title} for one in taken]

    async def _replies(self, owner: str, file: str, content: bytes) -> list[Row]:
        made = await self._studio.quick_replies.take(owner, file, content)
        return [{"kind": "replies", "id": made.id, "name": made.name}]


def _files(name: str, content: bytes) -> list[tuple[str, bytes]]:
    """The file itself, or those of a ZIP file that is no card of its own."""
    if not content.startswith(b"PK\x03\x04"):
        return [(name, content)]
    try:
        files = archive.unpacked(content)
    except BadArchive:
        return [(name, content)]  # whoever reads it tells what is wrong with it
    if any(path == "card.json" or path.endswith("manifest.json") for path in files):
        return [(name, content)]
    return [(path, inner) for path, inner in files.items() if not _is_litter(path)]


def _is_litter(path: str) -> bool:
    return any(part in IGNORED or part.startswith("._") for part in PurePosixPath(path).parts)


def _has_card(content: bytes) -> bool:
    """A card with a lorebook inside is a card."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(found, dict)
        and ("spec" in found or "first_mes" in found)
        and "lorebook" not in str(found.get("spec", ""))
    )
