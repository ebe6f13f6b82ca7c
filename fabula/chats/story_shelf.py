"""What people set for their stories: in one chat, in all, for one character. Knows no HTTP and no prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from fabula.chats import gathering, items, shelf, story_settings
from fabula.chats.book import Chats
from fabula.chats.characters import shelf as character_shelf
from fabula.chats.items import Links
from fabula.chats.records import Chat
from fabula.chats.story_settings import Member, StoryDefaults, StorySettings
from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.prompt.lore.settings import LoreSettings
from fabula.store.database import Database

MOST_VARIABLES = 10_000


class StoryShelf:
    """What asks for an owner shows nothing of anyone else."""

    def __init__(self, database: Database, chats: Chats):
        self._database = database
        self._chats = chats

    # ── one chat ────────────────────────────────────────────────────────────────────────────────────

    async def of_chat(self, owner: str, chat: Chat) -> dict[str, Any]:
        """Every setting, with the variables of the chat's macros."""
        _, variables = await self._database.read(lambda c: shelf.remembered(c, owner, chat.id))
        return StorySettings.of(chat.story).all() | {"revision": chat.revision, "variables": variables}

    async def change(self, owner: str, chat_id: str, revision: int, changes: Mapping[str, Any]) -> Chat:
        """Other values of some settings; in the note too. Raises StaleRevision or CharacterNotFound."""
        chat = await self._chats.get(owner, chat_id)
        story = chat.story | dict(changes)
        if "note" in changes:
            story["note"] = dict(chat.story.get("note") or {}) | dict(changes["note"])
        group = StorySettings.of(story).group
        await self._database.read(lambda c: _require(c, owner, group.members if group else ()))
        return await self._chats.update(owner, chat_id, revision, story=story)

    async def set_variables(self, owner: str, chat_id: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        _check(variables)

        def work(connection: Connection) -> None:
            memory, _ = shelf.remembered(connection, owner, chat_id)
            shelf.remember(connection, owner, chat_id, memory, variables)

        await self._database.write(work)
        return dict(variables)

    # ── all stories ─────────────────────────────────────────────────────────────────────────────────

    async def of_all(self, owner: str) -> dict[str, Any]:
        settings, variables = await self._database.read(lambda c: story_settings.read(c, owner))
        found = asdict(StoryDefaults.of(settings))
        lore = asdict(LoreSettings(unicode_words=True, v3_regex=True)) | dict(settings.get("lore") or {})
        return found | {"lore": lore, "variables": variables}

    async def set(self, owner: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Other values of some settings; those of lorebooks too. None takes one back to what is usual."""

        def work(connection: Connection) -> None:
            before, _ = story_settings.read(connection, owner)
            after = before | dict(changes)
            if "lore" in changes:
                after["lore"] = dict(before.get("lore") or {}) | dict(changes["lore"])
            story_settings.write(connection, owner, settings=after)

        await self._database.write(work)
        return await self.of_all(owner)

    async def set_shared(self, owner: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The variables that all chats share."""
        _check(variables)
        await self._database.write(lambda c: story_settings.write(c, owner, variables=dict(variables)))
        return await self.of_all(owner)

    # ── one character ───────────────────────────────────────────────────────────────────────────────

    async def note(self, owner: str, character_id: str) -> dict[str, Any]:
        """Raises CharacterNotFound."""

        def work(connection: Connection) -> Mapping[str, Any]:
            character_shelf.find(connection, owner, character_id)
            return gathering.notes(connection, owner).get(character_id, {})

        return {"text": "", "place": "replace"} | dict(await self._database.read(work))

    async def set_note(self, owner: str, character_id: str, note: Mapping[str, Any]) -> dict[str, Any]:
        """An empty text takes it away. Raises CharacterNotFound."""

        def work(connection: Connection) -> None:
            character_shelf.find(connection, owner, character_id)
            for item in items.listed(connection, owner, "note"):
                if character_id in item.links.characters:
                    items.remove(connection, owner, item.id)
            if note["text"]:
                links = Links(characters=(character_id,))
                items.add(connection, owner, "note", "note", note, links)

        await self._database.write(work)
        return await self.note(owner, character_id)


def _require(connection: Connection, owner: str, members: Sequence[Member]) -> None:
    """Raises CharacterNotFound."""
    for member in members:
        character_shelf.find(connection, owner, member.character_id)


def _check(variables: Mapping[str, Any]) -> None:
    if len(variables) > MOST_VARIABLES:
        raise BadParameter("variables", f"{len(variables)}", phrase("expected.fewer", most=MOST_VARIABLES))
