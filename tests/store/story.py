"""A chat told in short: keeps the revision, so that tests read like what a person does."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import select

from fabula.chats.book import Chats
from fabula.chats.records import Change, TurnOutcome
from fabula.store.database import Database
from fabula.store.schema.chats import messages

ACTS = (
    "add",
    "add_at",
    "edit",
    "branch",
    "fork",
    "move_head",
    "hide",
    "reply",
    "swipe",
    "continue",
    "late",
    "alone",
    "earlier",
    "later",
    "leave_out",
    "checkpoint",
    "merge",
    "rename",
    "undo",
    "redo",
)
"""What a person can do in a chat, and what turns do."""


class Story:
    def __init__(self, chats: Chats, id: str, owner: str = "ann") -> None:
        self.chats = chats
        self.id = id
        self.owner = owner
        self.turns = 0

    @classmethod
    async def begin(cls, chats: Chats, *texts: str, owner: str = "ann") -> Story:
        """A new chat in which these texts were said, in turns."""
        chat = await chats.create(owner)
        story = cls(chats, chat.id, owner)
        for number, text in enumerate(texts):
            await story.do("add", "assistant" if number % 2 else "user", text)
        return story

    async def do(self, verb: str, *arguments: Any, **named: Any) -> Change:
        """One change, with the revision as it is now."""
        chat = await self.chats.get(self.owner, self.id)
        method = getattr(self.chats, verb)
        change: Change = await method(self.owner, self.id, chat.revision, *arguments, **named)
        return change

    async def reply(self, text: str, kind: str = "reply", turn_id: str = "", **named: Any) -> Change:
        """What a turn does at its end; the parent is the head (for a swipe, the head's parent)."""
        chat = await self.chats.get(self.owner, self.id)
        self.turns += 1
        turn_id = turn_id or f"turn-{self.id}-{self.turns}"
        fields: dict[str, Any] = {"message_id": f"message-{turn_id}", "parent_id": chat.head_id}
        if kind == "swipe":
            head = await self.chats.message(self.owner, self.id, chat.head_id)
            fields["parent_id"] = head.parent_id
        if kind == "continue":
            head = await self.chats.message(self.owner, self.id, chat.head_id)
            fields = {"message_id": head.id, "base_version_id": head.version_id}
        fields |= {"owner_id": self.owner, "chat_id": self.id, "turn_id": turn_id, "kind": kind, "text": text}
        return await self.chats.finish_turn(TurnOutcome(**(fields | named)))

    async def texts(self) -> list[str]:
        """What is shown."""
        return [message.text for message in (await self.chats.page(self.owner, self.id)).messages]

    async def id_of(self, text: str) -> str:
        """The message on the shown path with a text."""
        page = await self.chats.page(self.owner, self.id)
        return next(message.id for message in page.messages if message.text == text)

    async def act(self, database: Database, act: str, pick: int, text: str) -> None:
        """One of `ACTS`, at some message of the chat. Raises MessageNotFound or NothingToUndo."""
        query = select(messages.c.id).where(messages.c.chat_id == self.id).order_by(messages.c.created_at)
        ids = database.read_sync(lambda c: list(c.scalars(query)))
        some = ids[pick % len(ids)] if ids else "nowhere"
        doings: dict[str, Callable[[], Awaitable[object]]] = {
            "add": lambda: self.do("add", "user", text),
            "add_at": lambda: self.do("add", "user", text, parent_id=some),
            "edit": lambda: self.do("edit", some, text),
            "branch": lambda: self.do("branch", some, text),
            "fork": lambda: self.do("branch", some),
            "alone": lambda: self.do("hide", some, alone=True),
            "earlier": lambda: self.do("move", some),
            "later": lambda: self.do("move", some, later=True),
            "leave_out": lambda: self.do("leave_out", [some], pick % 2 == 0),
            "checkpoint": lambda: self.do("checkpoint", some, text),
            "rename": lambda: self.do("update", title=text),
            # the person had gone elsewhere when the turn ended
            "late": lambda: self.reply(text, parent_id=some if ids else "", head_id="elsewhere"),
            "undo": lambda: self.do("undo"),
            "redo": lambda: self.do("redo"),
        }
        doings |= {
            kind: functools.partial(self.reply, text, kind=kind) for kind in ("reply", "swipe", "continue")
        }
        await doings.get(act, lambda: self.do(act, some))()
