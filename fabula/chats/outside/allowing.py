"""Where pictures of other hosts are allowed: per character, or per chat without one. Knows no picture.

Nothing is allowed until somebody says so. The choice of a character holds for its card and its chats; a group
has its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection

from fabula.chats import shelf, story_settings
from fabula.chats.characters.library import Characters
from fabula.store.database import Database

KEY = "outside"
"""Of the settings of all stories: {"character": [ids], "chat": [ids]}."""

Kind = Literal["character", "chat"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a choice is kept, and what it is."""

    kind: Kind
    id: str
    allowed: bool


class Allowing:
    def __init__(self, database: Database, characters: Characters) -> None:
        self._database, self._characters = database, characters

    async def of_chat(self, owner: str, id: str) -> Place:
        """Of its character, if one speaks there alone. Raises ChatNotFound."""
        return await self._database.read(lambda connection: _of_chat(connection, owner, id))

    async def of_character(self, owner: str, id: str) -> Place:
        """Raises CharacterNotFound."""
        await self._characters.get(owner, id)
        return await self._database.read(lambda connection: _place(connection, owner, "character", id))

    async def choose(self, owner: str, place: Place, allowed: bool) -> Place:
        def work(connection: Connection) -> Place:
            settings, _ = story_settings.read(connection, owner)
            kept = _kept(settings)
            others = [id for id in kept[place.kind] if id != place.id]
            kept[place.kind] = [*others, place.id] if allowed else others
            story_settings.write(connection, owner, settings=settings | {KEY: kept})
            return Place(place.kind, place.id, allowed)

        return await self._database.write(work)


def _of_chat(connection: Connection, owner: str, id: str) -> Place:
    chat = shelf.get(connection, owner, id)
    if chat.character_id and not chat.story.get("group"):
        return _place(connection, owner, "character", chat.character_id)
    return _place(connection, owner, "chat", id)


def _place(connection: Connection, owner: str, kind: Kind, id: str) -> Place:
    settings, _ = story_settings.read(connection, owner)
    return Place(kind, id, id in _kept(settings)[kind])


def _kept(settings: dict[str, Any]) -> dict[Kind, list[str]]:
    row = settings.get(KEY)
    row = row if isinstance(row, dict) else {}
    return {"character": list(row.get("character") or ()), "chat": list(row.get("chat") or ())}
