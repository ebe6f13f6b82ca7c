"""All that chats remember: keeping it, writing summaries, finding passages. Knows no HTTP and no SQL.

A summary is written when a turn has ended and nobody waits; the next turn of its chat interrupts it. What
goes wrong then is no error of a turn: it is kept and told with the chat's memory.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fabula.chats import shelf as chats_shelf
from fabula.chats.book import Chats
from fabula.chats.memory import shelf, told, writing
from fabula.chats.memory.afterwards import Afterwards
from fabula.chats.memory.embedding import Embeds
from fabula.chats.memory.recall import Recall
from fabula.chats.memory.records import Kind, Memory, MemorySettings, Passage, Remembered
from fabula.chats.records import Chat, PathMessage
from fabula.chats.replies import Aside, Companion, Replies
from fabula.chats.stories import is_story
from fabula.core.errors import BadParameter, ChatNotFound, FabulaError, NothingToSum
from fabula.core.request import Caller, Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Token
from fabula.core.texts import phrase
from fabula.prompt.lore.entry import Entry
from fabula.store.database import Database
from fabula.turn.request import TurnRequest
from fabula.turn.stream import Turns

NEARLY_FULL = 0.8  # of the window's room, from which on a summary is written
SUMMARY, RECALL = "summary", "recall"
MOST_TEXT = 2_000_000  # characters of a document
log = logging.getLogger(__name__)


class Memories(Companion):
    """What chats remember. Nothing of it is another owner's."""

    def __init__(self, database: Database, chats: Chats, turns: Turns, replies: Replies, embeds: Embeds):
        self._database, self._chats, self._turns = database, chats, turns
        self._replies = replies
        self.recall = Recall(database, embeds)
        self.afterwards = Afterwards()
        self._problems: dict[tuple[str, str], FabulaError] = {}  # by chat, and what was tried

    # ── what is kept ────────────────────────────────────────────────────────────────────────────────

    async def of(self, owner: str, chat_id: str) -> dict[str, Any]:
        """All that a chat remembers; of each summary how many messages of the shown path it covers."""
        remembered = await self._read(owner, chat_id)
        path = await self._chats.path(owner, chat_id)
        best, _ = told.in_force(remembered.summaries, path)
        counts = told.reaches(remembered.summaries, path)
        summaries = [
            {**_row(one), "covers": counts[one.id], "in_force": one is best} for one in remembered.summaries
        ]
        problems = (self._problems.get((chat_id, tried)) for tried in (SUMMARY, RECALL))
        problem = next((one for one in problems if one), None)
        return {
            "settings": remembered.settings.all(),
            "embedder": self._embedder_row(remembered.settings),
            "facts": [_row(one) for one in remembered.facts],
            "summaries": summaries,
            "documents": [_row(one) | {"text": "", "size": len(one.text)} for one in remembered.documents],
            "writing": chat_id in self.afterwards,
            "problem": problem.kept() if problem else None,
        }

    async def change(self, owner: str, chat_id: str, changes: Mapping[str, Any]) -> MemorySettings:
        """Raises ModelNotFound for an embedder that is not there, and BadParameter for what only chats with
        a character do."""
        chat = await self._chats.get(owner, chat_id)
        for name in ("summary", "recall"):
            if changes.get(name, "off") not in ("off", 0) and not is_story(chat):
                raise BadParameter(name, f"{changes[name]}", phrase("expected.of_a_story"))
        if changes.get("embedder"):
            self.recall.embeds.chosen(changes["embedder"])
        return await self._database.write(lambda c: shelf.set_settings(c, owner, chat_id, changes))

    async def add(self, owner: str, chat_id: str, kind: Kind, text: str, name: str = "") -> Memory:
        """A fact or a document."""
        if not text.strip() or len(text) > MOST_TEXT:
            raise BadParameter("text", f"{len(text)}", phrase("expected.some_text"))
        return await self._database.write(
            lambda c: shelf.add(c, owner, chat_id, kind, text.strip(), name=name)
        )

    async def edit(self, owner: str, chat_id: str, id: str, text: str) -> Memory:
        if not text.strip():
            raise BadParameter("text", "", phrase("expected.some_text"))
        return await self._database.write(lambda c: shelf.edit(c, owner, chat_id, id, text.strip()))

    async def remove(self, owner: str, chat_id: str, id: str) -> None:
        await self._database.write(lambda c: shelf.remove(c, owner, chat_id, id))

    async def _read(self, owner: str, chat_id: str) -> Remembered:
        return await self._database.read(lambda c: shelf.read(c, owner, chat_id))

    def _embedder_row(self, settings: MemorySettings) -> dict[str, Any] | None:
        with contextlib.suppress(FabulaError):
            chosen = self.recall.embeds.chosen(settings.embedder)
            return {"model": chosen.model, "weak": chosen.weak}
        return None

    # ── summaries ───────────────────────────────────────────────────────────────────────────────────

    def begun(self, chat_id: str) -> None:
        """A turn begins: what is written for the chat in the background gives way."""
        self.afterwards.interrupt(chat_id)

    def settled(self, owner: str, chat_id: str) -> None:
        """A turn has ended."""
        self.afterwards.begin(chat_id, self._after(Caller(owner), chat_id))

    async def close(self) -> None:
        await self.afterwards.close()

    async def _after(self, caller: Caller, chat_id: str) -> None:
        try:
            remembered = await self._read(caller.owner_id, chat_id)
            if remembered.settings.summary == "auto" and await self._is_due(caller, chat_id, remembered):
                await self.sum_up(caller, chat_id)
        except ChatNotFound:
            log.info("chat %s went before it was summed up", chat_id)
        except FabulaError as problem:
            log.warning("no summary of chat %s: %s", chat_id, problem)
            self._problems[chat_id, SUMMARY] = problem

    async def _is_due(self, caller: Caller, chat_id: str, remembered: Remembered) -> bool:
        """When messages were cut that no summary covers, or soon will be."""
        path, first, filled = await self._window(caller.owner_id, chat_id)
        _, covered = told.in_force(remembered.summaries, path)
        return covered < first or (filled >= NEARLY_FULL and covered <= first and len(path) > first)

    async def _window(self, owner: str, chat_id: str) -> tuple[list[PathMessage], int, float]:
        """The path, the place of the first message that is in the window, and how full that is."""
        path = await self._chats.path(owner, chat_id)
        memory, _ = await self._database.read(lambda c: chats_shelf.remembered(c, owner, chat_id))
        first = memory.get("layout", {}).get("first", "")
        places = {message.id: place for place, message in enumerate(path)}
        return path, places.get(first, 0), float(memory.get("filled", 0.0))

    async def sum_up(self, caller: Caller, chat_id: str) -> Memory:
        """Write a summary of all that was said, and keep it. Raises NothingToSum, or what a turn raises."""
        owner = caller.owner_id
        chat = await self._chats.get(owner, chat_id)
        path, first, _ = await self._window(owner, chat_id)
        if not path:
            raise NothingToSum(chat_id)
        remembered = await self._read(owner, chat_id)
        best, covered = told.in_force(remembered.summaries, path)
        words = remembered.settings.words
        if is_story(chat) and covered >= first:
            text = await self._behind(caller, chat_id, words)
        else:
            text = await self._anew(caller, chat, path[covered:], best.text if best else "", words)
        if not text:
            raise NothingToSum(chat_id)
        self._problems.pop((chat_id, SUMMARY), None)
        last, covers = path[-1].id, told.covered(path)
        return await self._database.write(
            lambda c: shelf.add(c, owner, chat_id, "summary", text, upto_id=last, covered=covers)
        )

    async def _behind(self, caller: Caller, chat_id: str, words: int) -> str:
        """Behind the last reply: only the question is read."""
        asked = Aside(
            chat_id=chat_id, kind="quiet", prompt=writing.behind(words), sampling=writing.sampling(words)
        )
        request, tidy = await self._replies.aside(caller, asked)
        context = replace(request.context, purpose="summary")
        return tidy(await self._written(replace(request, context=context)))

    async def _anew(
        self, caller: Caller, chat: Chat, path: Sequence[PathMessage], before: str, words: int
    ) -> str:
        """From the messages themselves, block by block, beside the chat's own slot."""
        sampling = Sampling.of(writing.sampling(words))
        for block in writing.blocks(path):
            request = TurnRequest(
                model=self._replies.model_of(chat).name,
                context=Context(caller, chat.id, "title"),
                messages=writing.anew(words, before, block),
                sampling=sampling,
                overflow="cut",
            )
            before = (await self._written(request)).strip()
        return before

    async def _written(self, request: TurnRequest) -> str:
        async with contextlib.aclosing(self._turns.stream(request)) as deltas:
            return "".join([delta.text async for delta in deltas if isinstance(delta, Token)])

    # ── passages ────────────────────────────────────────────────────────────────────────────────────

    async def recalled(self, owner: str, chat_id: str, path: Sequence[PathMessage]) -> list[Entry]:
        """Passages of documents and of messages that the window holds no more, which fit what was said last.

        Where they cannot be found the turn goes on without them, and the chat's memory says why.
        """
        remembered = await self._read(owner, chat_id)
        asked = next((message for message in reversed(path) if message.role == "user"), None)
        if not remembered.settings.recall or asked is None:
            return []
        try:
            found = await self._found(owner, chat_id, remembered, path, asked.text)
        except FabulaError as problem:
            log.warning("nothing is recalled in chat %s: %s", chat_id, problem)
            self._problems[chat_id, RECALL] = problem
            return []
        self._problems.pop((chat_id, RECALL), None)
        names = {document.id: document.name for document in remembered.documents}
        names |= {message.version_id: message.name or message.role for message in path}
        return told.entries(found, names)

    async def in_mind(self, owner: str, chat_id: str, path: Sequence[PathMessage]) -> str:
        remembered = await self._read(owner, chat_id)
        return "\n\n".join(told.in_mind(remembered, path).values())

    async def search(self, owner: str, chat_id: str, text: str, count: int) -> list[Passage]:
        """The passages that fit a text best. Raises what embedding raises."""
        remembered = await self._read(owner, chat_id)
        path = await self._chats.path(owner, chat_id)
        settings = replace(remembered.settings, recall=count)
        return await self._found(owner, chat_id, replace(remembered, settings=settings), path, text)

    async def _found(
        self, owner: str, chat_id: str, remembered: Remembered, path: Sequence[PathMessage], text: str
    ) -> list[Passage]:
        _, first, _ = await self._window(owner, chat_id)
        sources = {document.id: document.text for document in remembered.documents}
        sources |= {message.version_id: message.text for message in path[:first]}
        settings = remembered.settings
        return await self.recall.found(owner, chat_id, settings.embedder, sources, text, settings.recall)


def _row(memory: Memory) -> dict[str, Any]:
    names = ("id", "kind", "text", "name", "upto_id", "edited", "created_at", "updated_at")
    return {name: getattr(memory, name) for name in names}
