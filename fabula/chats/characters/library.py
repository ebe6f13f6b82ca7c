"""The library of characters: files in, files out, and everything between. Knows no HTTP."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Mapping, Sequence
from typing import IO, Any, Literal

from sqlalchemy import Connection

from fabula.chats.characters import reading, shelf, writing
from fabula.chats.characters.card import Card, Version, card
from fabula.chats.characters.png import BadPicture
from fabula.chats.characters.reading import Bundle
from fabula.chats.characters.shelf import Character, Filter, Marks, Page
from fabula.core.errors import BadParameter, CardUnreadable
from fabula.core.texts import phrase
from fabula.store.database import Database
from fabula.store.media import Media

Format = Literal["png", "json", "charx"]
PAGE_LIMIT = 500
BATCH = 5000  # ids in one statement; SQLite takes 32,766


class Characters:
    """What asks for an owner shows no character of anyone else."""

    def __init__(self, database: Database, media: Media) -> None:
        self._database = database
        self._media = media

    # ── in and out ──────────────────────────────────────────────────────────────────────────────────

    async def take(self, owner: str, name: str, content: bytes) -> Character:
        """A character from any file that holds one. Raises CardUnreadable, NoDiskSpace or StoreUnwritable."""
        bundle = await asyncio.to_thread(reading.read, name, content)
        picture, files = await asyncio.to_thread(self._stored, bundle)
        return await self._database.write(lambda c: shelf.add(c, owner, bundle.card, picture, files))

    async def take_once(self, owner: str, name: str, content: bytes) -> tuple[Character, bool]:
        """As `take`; whether the same card with the same picture was here, and is answered instead."""
        made = await self.take(owner, name, content)

        def work(connection: Connection) -> Character | None:
            found = shelf.twin(connection, owner, made)
            if not found:
                return None
            shelf.erase(connection, owner, [made.id])
            return shelf.get(connection, owner, found)

        twin = await self._database.write(work)
        return twin or made, twin is not None

    async def create(self, owner: str, document: Mapping[str, Any]) -> Character:
        """A new one from a card's document of any version. Raises BadParameter."""
        made = card(document)
        _require_name(made)
        return await self._database.write(lambda c: shelf.add(c, owner, made))

    async def copy(self, owner: str, id: str, name: str) -> Character:
        """Another one like it, with its picture, files, folder and tags, under another name."""
        before = await self.get(owner, id)
        made = before.card.edited({"name": name})
        _require_name(made)

        def work(connection: Connection) -> Character:
            copied = shelf.add(connection, owner, made, before.picture, before.files)
            marks = Marks(folder=before.folder, add_tags=before.tags)
            shelf.mark(connection, owner, [copied.id], marks)
            return shelf.get(connection, owner, copied.id)

        return await self._database.write(work)

    async def file(self, owner: str, id: str, format: Format, version: Version = 3) -> bytes:
        """Raises CharacterNotFound, or CardUnreadable where the picture is no PNG and one is wanted."""
        character = await self.get(owner, id)
        return await asyncio.to_thread(self._written, character, format, version)

    async def pack(self, owner: str, ids: Sequence[str], format: Format, into: IO[bytes]) -> int:
        """A ZIP file of a file for each; answers how many. Raises as `file`."""
        names: set[str] = set()
        with zipfile.ZipFile(into, "w", zipfile.ZIP_STORED) as archive:  # pictures do not get smaller
            for id in ids:
                character = await self.get(owner, id)
                name = writing.free_name(character.name, format, names)
                content = await asyncio.to_thread(self._written, character, format, 3)
                await asyncio.to_thread(archive.writestr, name, content)
        return len(names)

    def _written(self, character: Character, format: Format, version: Version) -> bytes:
        if format == "json":
            return writing.as_json(character.card, version)
        picture = self._media.get(character.picture) if character.picture else None
        if format == "charx":
            found = {path: self._media.get(digest) for path, digest in character.files.items()}
            files = {path: content for path, content in found.items() if content is not None}
            return writing.as_charx(Bundle(character.card, picture, files))
        try:
            return writing.as_png(character.card, picture)
        except BadPicture as bad:
            raise CardUnreadable(character.name, phrase(f"cards.reason.{bad.reason}")) from bad

    def _stored(self, bundle: Bundle) -> tuple[str, dict[str, str]]:
        picture = self._media.put(bundle.picture) if bundle.picture else ""
        return picture, {path: self._media.put(content) for path, content in bundle.files.items()}

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────

    async def get(self, owner: str, id: str) -> Character:
        return await self._database.read(lambda c: shelf.get(c, owner, id))

    async def page(self, owner: str, wanted: Filter, offset: int = 0, limit: int = 100) -> Page:
        most = min(max(limit, 1), PAGE_LIMIT)
        return await self._database.read(lambda c: shelf.page(c, owner, wanted, max(offset, 0), most))

    async def picture(self, owner: str, id: str) -> bytes | None:
        character = await self.get(owner, id)
        return await asyncio.to_thread(self._media.get, character.picture) if character.picture else None

    async def tags(self, owner: str) -> dict[str, int]:
        return await self._database.read(lambda c: shelf.tags(c, owner))

    async def folders(self, owner: str) -> dict[str, int]:
        return await self._database.read(lambda c: shelf.folders(c, owner))

    # ── changing ────────────────────────────────────────────────────────────────────────────────────

    async def edit(self, owner: str, id: str, revision: int, fields: Mapping[str, Any]) -> Character:
        """Other values of fields of the card; None takes one out. Raises CharacterChanged or BadParameter."""
        before = await self.get(owner, id)
        after = before.card.edited(fields)
        _require_name(after)
        return await self._database.write(lambda c: shelf.edit(c, owner, id, revision, after))

    async def draw(self, owner: str, id: str, revision: int, picture: bytes) -> Character:
        """Another picture. Raises CharacterChanged."""
        digest = await asyncio.to_thread(self._media.put, picture)
        before = await self.get(owner, id)
        return await self._database.write(lambda c: shelf.edit(c, owner, id, revision, before.card, digest))

    async def mark(self, owner: str, ids: Sequence[str], marks: Marks) -> int:
        """All of them or none; answers how many there were."""
        parts = [ids[at : at + BATCH] for at in range(0, len(ids), BATCH)]
        return await self._database.write(lambda c: sum(shelf.mark(c, owner, part, marks) for part in parts))

    async def find(self, owner: str, wanted: Filter) -> list[str]:
        """The ids of all that a filter finds."""
        return await self._database.read(lambda c: shelf.ids(c, owner, wanted))

    async def erase(self, owner: str, ids: Sequence[str]) -> int:
        parts = [ids[at : at + BATCH] for at in range(0, len(ids), BATCH)]
        return await self._database.write(lambda c: sum(shelf.erase(c, owner, part) for part in parts))


def _require_name(made: Card) -> None:
    if not made.name.strip():
        raise BadParameter("name", "", phrase("expected.text"))
