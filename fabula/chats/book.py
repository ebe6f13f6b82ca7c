"""All chats of a home: making, reading and changing them. Knows no HTTP, no engine and no SQL.

Each change takes the revision that its caller saw, and changes nothing when the chat has moved on. What it
does inside one transaction is written in `changes`, `fold`, `pages` and `chats`; here it is run and told.
"""

from __future__ import annotations

import asyncio
import builtins  # in this class `list` is what the shelf does
import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from fabula.chats import changes, finding, fold, pages, rows, shelf
from fabula.chats.characters.shelf import Marks
from fabula.chats.paths import Paths
from fabula.chats.records import (
    Branch,
    Change,
    Chat,
    ChatFilter,
    ChatMessage,
    Checkpoint,
    Comparison,
    Hit,
    ListedChat,
    Outline,
    Page,
    PathMessage,
    TurnOutcome,
    Version,
    Within,
)
from fabula.core.errors import StaleRevision, TurnNotFound
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
        self._paths = Paths()

    # ── chats ───────────────────────────────────────────────────────────────────────────────────────

    async def create(
        self,
        owner: str,
        title: str = "",
        model: str = "",
        system: str = "",
        sampling: Mapping[str, Any] | None = None,
        persona: Mapping[str, Any] | None = None,
        story: Mapping[str, Any] | None = None,
    ) -> Chat:
        fields = {"title": title, "model": model, "system": system, "sampling": dict(sampling or {})}
        fields |= {"persona": dict(persona or {}), "story": dict(story or {})}
        return self.announce(await self._database.write(lambda c: shelf.create(c, owner, fields)))

    async def get(self, owner: str, id: str) -> Chat:
        """Raises ChatNotFound, also for a chat in the trash."""
        return await self._database.read(lambda c: shelf.get(c, owner, id))

    async def list(
        self, owner: str, limit: int = 50, before: float | None = None, deleted: bool = False
    ) -> list[ListedChat]:
        """Newest first, those changed before a time; with `deleted` what is in the trash."""
        wanted = ChatFilter(trashed=deleted)
        return await self._database.read(lambda c: shelf.listed(c, owner, wanted, limit, before))

    async def find(
        self, owner: str, wanted: ChatFilter, limit: int = 50, before: float | None = None, offset: int = 0
    ) -> tuple[builtins.list[ListedChat], int]:
        """Those that a filter finds, newest first, and how many there are in all."""
        return await self._database.read(
            lambda c: (
                shelf.listed(c, owner, wanted, limit, before, offset),
                shelf.total(c, owner, wanted),
            )
        )

    async def ids(self, owner: str, wanted: ChatFilter) -> builtins.list[str]:
        """All that a filter finds, for a change of all of them."""
        return await self._database.read(lambda c: shelf.ids(c, owner, wanted))

    async def drawers(self, owner: str) -> tuple[dict[str, int], dict[str, int]]:
        """Folders and tags in use, with how many chats each has."""
        return await self._database.read(lambda c: (shelf.folders(c, owner), shelf.tags(c, owner)))

    async def mark(self, owner: str, ids: Sequence[str], marks: Marks) -> int:
        """Folder, favourite, tags and trash of many at once: all of them or none."""
        parts = [ids[at : at + rows.BATCH] for at in range(0, len(ids), rows.BATCH)]
        changed = await self._database.write(
            lambda c: sum(shelf.mark(c, owner, part, marks) for part in parts)
        )
        self._events.publish("studio", "chats", {})
        return changed

    async def search(
        self,
        owner: str,
        words: str,
        limit: int = 20,
        before: int | None = None,
        chat_id: str = "",
        within: Within | None = None,
    ) -> builtins.list[Hit]:
        """Messages in which all of the words stand, the newest first."""
        where = within or Within(chat_id=chat_id)
        return await self._database.read(lambda c: finding.search(c, owner, words, limit, before, where))

    async def update(self, owner: str, id: str, revision: int, **fields: Any) -> Chat:
        """Changes some of `shelf.FIELDS`; undo takes it back. Raises StaleRevision or BadParameter."""
        return self.announce(
            await self._database.write(lambda c: changes.update_fields(c, owner, id, revision, fields))
        )

    async def delete(self, owner: str, id: str, forever: bool = False) -> None:
        """Into the trash, or away with all that belongs to it (from the trash too)."""
        act = shelf.erase if forever else shelf.trash
        chat = await self._database.write(lambda c: act(c, owner, id))
        if forever:
            self._paths.forget(id)
            await asyncio.to_thread(self._forget_turns, id)
            await asyncio.to_thread(self._on_erased, id)
        self.announce(chat, deleted=True)

    async def restore(self, owner: str, id: str) -> Chat:
        """Out of the trash."""
        return self.announce(await self._database.write(lambda c: shelf.restore(c, owner, id)))

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────

    async def page(
        self,
        owner: str,
        id: str,
        before: str | None = None,
        limit: int = 100,
        offset: int | None = None,
        around: str = "",
    ) -> Page:
        """A page of the shown path: ending just before a message (or at the head), from an offset on, or with
        a message in its middle."""
        return await self._database.read(lambda c: pages.page(c, owner, id, before, limit, offset, around))

    async def outline(self, owner: str, id: str) -> Outline:
        """The whole tree, without its texts."""
        return await self._database.read(lambda c: pages.outline(c, owner, id))

    async def path(
        self, owner: str, id: str, upto: str | None = None, most: int | None = None
    ) -> builtins.list[PathMessage]:
        """All messages from the first to `upto` (default: the head), as the prompt needs them, or the last
        `most` of these."""
        if most is not None:
            return await self._database.read(lambda c: pages.path(c, owner, id, upto, most))
        return await self._database.read(lambda c: self._paths.read(c, owner, id, upto))

    async def message(self, owner: str, id: str, message_id: str) -> ChatMessage:
        return await self._database.read(lambda c: pages.message(c, owner, id, message_id))

    async def versions(self, owner: str, id: str, message_id: str) -> builtins.list[Version]:
        """All versions of a message, oldest first."""
        return await self._database.read(lambda c: pages.versions_of(c, owner, id, message_id))

    async def branches(self, owner: str, id: str, limit: int = 200) -> builtins.list[Branch]:
        """Where its paths end, the shown one first, then the newest."""
        return await self._database.read(lambda c: pages.branches(c, owner, id, limit))

    async def checkpoints(self, owner: str, id: str) -> builtins.list[Checkpoint]:
        return await self._database.read(lambda c: pages.checkpoints(c, owner, id))

    async def compare(self, owner: str, id: str, left: str, right: str, limit: int = 500) -> Comparison:
        """Two paths, each named by its last message: where they part, and what each has of its own."""
        return await self._database.read(lambda c: pages.compare(c, owner, id, left, right, limit))

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
            lambda c: changes.add(c, owner, id, revision, role, text, author, parent_id), text
        )

    async def edit(self, owner: str, id: str, revision: int, message_id: str, text: str) -> Change:
        """A new version of the message; what follows it stays."""
        return await self._change(lambda c: changes.edit(c, owner, id, revision, message_id, text), text)

    async def branch(
        self, owner: str, id: str, revision: int, message_id: str, text: str | None = None
    ) -> Change:
        """With a text, an alternative to the message becomes the head; without, the message itself does."""
        return await self._change(
            lambda c: changes.branch(c, owner, id, revision, message_id, text), text or ""
        )

    async def move_head(self, owner: str, id: str, revision: int, message_id: str) -> Change:
        """Shows the path through a message, down to where it was last left."""
        return await self._change(lambda c: changes.move_head(c, owner, id, revision, message_id))

    async def hide(self, owner: str, id: str, revision: int, message_id: str, alone: bool = False) -> Change:
        """Takes the message out of sight, with all below it or `alone`."""
        return await self._change(lambda c: changes.hide(c, owner, id, revision, message_id, alone))

    async def move(self, owner: str, id: str, revision: int, message_id: str, later: bool = False) -> Change:
        """The message changes places with the one before it on the shown path, or with the one after it."""
        return await self._change(lambda c: changes.move(c, owner, id, revision, message_id, later))

    async def leave_out(
        self, owner: str, id: str, revision: int, message_ids: Sequence[str], out: bool = True
    ) -> Change:
        """Prompts go without these messages, or with them again."""
        return await self._change(lambda c: changes.leave_out(c, owner, id, revision, message_ids, out))

    async def checkpoint(self, owner: str, id: str, revision: int, message_id: str, name: str) -> Change:
        """Names a message as a place to come back to; "" takes the name away."""
        return await self._change(lambda c: changes.checkpoint(c, owner, id, revision, message_id, name))

    async def merge(self, owner: str, id: str, revision: int, message_id: str) -> Change:
        """What the path to a message has of its own is told again after the head. The branch stays."""
        return await self._change(lambda c: changes.merge(c, owner, id, revision, message_id))

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

    async def _change(self, work: Callable[[Connection], Change], text: str = "") -> Change:
        """Who saw an older revision is told, and gets the text back."""
        try:
            change = await self._database.write(work)
        except StaleRevision as stale:
            raise dataclasses.replace(stale, text=text) from stale
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
