"""All chats of a home: making, reading and changing them. Knows no HTTP, no engine and no SQL.

Each change takes the revision that its caller saw, and changes nothing when the chat has moved on. What it
does inside one transaction is written in `changes`, `fold`, `pages` and `chats`; here it is run and told.
"""

from __future__ import annotations

import asyncio
import builtins  # in this class `list` is what the shelf does
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from fabula.chats import changes, fold, pages, shelf
from fabula.chats.records import (
    Change,
    Chat,
    ChatMessage,
    ListedChat,
    Page,
    PathMessage,
    TurnOutcome,
    Version,
)
from fabula.core.errors import TurnNotFound
from fabula.core.messages import Role
from fabula.core.seams import Events, Journal
from fabula.store.database import Database


class Chats:
    def __init__(
        self,
        database: Database,
        events: Events,
        journal: Journal | None = None,
        on_erased: Callable[[str], None] = lambda chat_id: None,
    ) -> None:
        """With a journal, deleting a chat for ever removes its unfinished turns too.

        `on_erased` is told of it, for what other rooms keep of a chat; it may take its time.
        """
        self._on_erased = on_erased
        self._database = database
        self._events = events
        self._journal = journal

    # ── chats ───────────────────────────────────────────────────────────────────────────────────────

    async def create(
        self,
        owner: str,
        title: str = "",
        model: str = "",
        system: str = "",
        sampling: Mapping[str, Any] | None = None,
        persona: Mapping[str, Any] | None = None,
    ) -> Chat:
        fields = {"title": title, "model": model, "system": system, "sampling": dict(sampling or {})}
        fields["persona"] = dict(persona or {})
        return self.announce(await self._database.write(lambda c: shelf.create(c, owner, fields)))

    async def get(self, owner: str, id: str) -> Chat:
        """Raises ChatNotFound, also for a chat in the trash."""
        return await self._database.read(lambda c: shelf.get(c, owner, id))

    async def list(
        self, owner: str, limit: int = 50, before: float | None = None, deleted: bool = False
    ) -> list[ListedChat]:
        """Newest first, those changed before a time; with `deleted` what is in the trash."""
        return await self._database.read(lambda c: shelf.listed(c, owner, limit, before, deleted))

    async def update(self, owner: str, id: str, revision: int, **fields: Any) -> Chat:
        """Changes some of `shelf.FIELDS`. Raises StaleRevision or BadParameter."""
        return self.announce(
            await self._database.write(lambda c: shelf.update_fields(c, owner, id, revision, fields))
        )

    async def delete(self, owner: str, id: str, forever: bool = False) -> None:
        """Into the trash, or away with all that belongs to it (from the trash too)."""
        act = shelf.erase if forever else shelf.trash
        chat = await self._database.write(lambda c: act(c, owner, id))
        if forever:
            await asyncio.to_thread(self._forget_turns, id)
            await asyncio.to_thread(self._on_erased, id)
        self.announce(chat, deleted=True)

    async def restore(self, owner: str, id: str) -> Chat:
        """Out of the trash."""
        return self.announce(await self._database.write(lambda c: shelf.restore(c, owner, id)))

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────

    async def page(
        self, owner: str, id: str, before: str | None = None, limit: int = 100, offset: int | None = None
    ) -> Page:
        """A page of the shown path: ending just before a message (or at the head), or from an offset on."""
        return await self._database.read(lambda c: pages.page(c, owner, id, before, limit, offset))

    async def path(self, owner: str, id: str, upto: str | None = None) -> builtins.list[PathMessage]:
        """All messages from the first to `upto` (default: the head), as the prompt needs them."""
        return await self._database.read(lambda c: pages.path(c, owner, id, upto))

    async def message(self, owner: str, id: str, message_id: str) -> ChatMessage:
        return await self._database.read(lambda c: pages.message(c, owner, id, message_id))

    async def versions(self, owner: str, id: str, message_id: str) -> builtins.list[Version]:
        """All versions of a message, oldest first."""
        return await self._database.read(lambda c: pages.versions_of(c, owner, id, message_id))

    # ── changing the tree ───────────────────────────────────────────────────────────────────────────

    async def add(
        self,
        owner: str,
        id: str,
        revision: int,
        role: Role,
        text: str,
        author: str = "",
        parent_id: str | None = None,
    ) -> Change:
        """A message below `parent_id` (default: the head; "": a new first message); it becomes the head."""
        return await self._change(
            lambda c: changes.add(c, owner, id, revision, role, text, author, parent_id)
        )

    async def edit(self, owner: str, id: str, revision: int, message_id: str, text: str) -> Change:
        """A new version of the message; what follows it stays."""
        return await self._change(lambda c: changes.edit(c, owner, id, revision, message_id, text))

    async def branch(
        self, owner: str, id: str, revision: int, message_id: str, text: str | None = None
    ) -> Change:
        """With a text, an alternative to the message becomes the head; without, the message itself does."""
        return await self._change(lambda c: changes.branch(c, owner, id, revision, message_id, text))

    async def move_head(self, owner: str, id: str, revision: int, message_id: str) -> Change:
        """Shows the path through a message, down to where it was last left."""
        return await self._change(lambda c: changes.move_head(c, owner, id, revision, message_id))

    async def hide(self, owner: str, id: str, revision: int, message_id: str) -> Change:
        """Takes the message and all below it out of sight."""
        return await self._change(lambda c: changes.hide(c, owner, id, revision, message_id))

    async def undo(self, owner: str, id: str, revision: int) -> Change:
        """Raises NothingToUndo."""
        return await self._change(lambda c: changes.undo(c, owner, id, revision))

    async def redo(self, owner: str, id: str, revision: int) -> Change:
        """Raises NothingToUndo."""
        return await self._change(lambda c: changes.redo(c, owner, id, revision))

    async def finish_turn(self, *outcomes: TurnOutcome) -> Change:
        """Puts what a turn brought into the tree, as one change. Safe to repeat: it is taken in once."""
        return await self._change(lambda c: fold.finish_turn(c, outcomes))

    # ── token counts ────────────────────────────────────────────────────────────────────────────────

    async def counts(self, tokenizer: str, version_ids: Sequence[str]) -> dict[str, int]:
        """The remembered token counts by version id; versions that were never counted are left out."""
        return await self._database.read(lambda c: pages.counts(c, tokenizer, version_ids))

    async def remember_counts(self, tokenizer: str, counts: Mapping[str, int]) -> None:
        if counts:
            await self._database.write(lambda c: pages.remember_counts(c, tokenizer, counts))

    # ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _change(self, work: Callable[[Connection], Change]) -> Change:
        change = await self._database.write(work)
        self.announce(change.chat)
        return change

    def announce(self, chat: Chat, deleted: bool = False) -> Chat:
        """Tells every reader of the studio's events that something about this chat is new."""
        data = {"id": chat.id, "revision": chat.revision, "updated_at": chat.updated_at, "deleted": deleted}
        self._events.publish("studio", "chat", data)
        return chat

    def _forget_turns(self, chat_id: str) -> None:
        if not self._journal:
            return
        for turn_id in self._journal.unfinished():
            with contextlib.suppress(TurnNotFound):  # folded while we look
                header, _ = self._journal.read(turn_id)
                if header.get("chat_id") == chat_id:
                    self._journal.fold(turn_id)
