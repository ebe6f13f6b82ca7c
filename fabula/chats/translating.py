"""Messages in another language, shown beside what was said. Knows no screen; what was said never changes.

A translation belongs to one version of a message: after an edit it is not shown any more. It is kept where
the chat's memory is, and goes with the chat.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, select

from fabula.chats.book import Chats
from fabula.chats.memory import shelf
from fabula.chats.memory.records import Kind
from fabula.chats.records import ChatMessage
from fabula.chats.rows import find_chat
from fabula.core.errors import BadParameter
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.request import Caller, Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Token
from fabula.core.texts import phrase
from fabula.store.database import Database
from fabula.store.schema.memory import memories
from fabula.turn.request import TurnRequest
from fabula.turn.stream import Turns

LANGUAGES = {
    "en": "English",
    "zh-Hant": "Traditional Chinese as written in Taiwan",
    "zh-Hans": "Simplified Chinese",
    "ja": "Japanese",
    "ko": "Korean",
    "es": "Spanish",
    "fr": "French",
    "de": "German",
    "pt": "Portuguese",
    "ru": "Russian",
    "vi": "Vietnamese",
}
ASKED = (
    "You translate. Write the user's text in {language}. Keep names, Markdown and line breaks as they are. "
    "Write only the translation: no notes, no quotation marks around it."
)
SAMPLING = {"temperature": 0.2, "stop": []}
LEAST, PER_CHARACTER = 200, 3  # tokens of room: a character of Chinese may become three tokens
KIND: Kind = "translation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """`model` is not kept: who reads it sees the text."""

    message_id: str
    version_id: str
    language: str
    text: str


class Translations:
    def __init__(
        self, database: Database, chats: Chats, turns: Turns, find: Callable[[str], LocalModel]
    ) -> None:
        self._database, self._chats, self._turns, self._find = database, chats, turns, find

    async def of(self, owner: str, chat_id: str) -> list[Translation]:
        """Of all messages of a chat, those of other versions too. Raises ChatNotFound."""
        return await self._database.read(lambda c: _all(c, owner, chat_id))

    async def make(
        self, caller: Caller, chat_id: str, message_id: str, language: str, model: str = ""
    ) -> Translation:
        """Written by the chat's model or another one; in the place of an earlier one of that language."""
        if language not in LANGUAGES:
            raise BadParameter("to", language, phrase("expected.one_of", names=", ".join(LANGUAGES)))
        chat = await self._chats.get(caller.owner_id, chat_id)
        message = await self._chats.message(caller.owner_id, chat_id, message_id)
        request = TurnRequest(
            model=self._find(model or chat.model).name,
            context=Context(caller, chat_id, "title"),
            messages=(
                Message(role="system", text=ASKED.format(language=LANGUAGES[language])),
                Message(role="user", text=message.text),
            ),
            sampling=Sampling.of(SAMPLING | {"max_tokens": LEAST + PER_CHARACTER * len(message.text)}),
        )
        text = (await self._written(request)).strip()
        return await self._database.write(
            lambda c: _keep(c, caller.owner_id, chat_id, message, language, text)
        )

    async def remove(self, owner: str, chat_id: str, message_id: str) -> None:
        """All translations of a message. Raises ChatNotFound."""

        def work(connection: Connection) -> None:
            find_chat(connection, owner, chat_id)
            connection.execute(delete(memories).where(*_mine(chat_id), memories.c.upto_id == message_id))

        await self._database.write(work)

    async def _written(self, request: TurnRequest) -> str:
        async with contextlib.aclosing(self._turns.stream(request)) as deltas:
            return "".join([delta.text async for delta in deltas if isinstance(delta, Token)])


def _mine(chat_id: str) -> tuple[ColumnElement[bool], ...]:
    return memories.c.chat_id == chat_id, memories.c.kind == KIND


def _all(connection: Connection, owner: str, chat_id: str) -> list[Translation]:
    find_chat(connection, owner, chat_id)
    columns = memories.c
    query = select(columns.upto_id, columns.covered, columns.name, columns.text).where(*_mine(chat_id))
    found = connection.execute(query.order_by(columns.created_at))
    return [Translation(message_id=row[0], version_id=row[1], language=row[2], text=row[3]) for row in found]


def _keep(
    connection: Connection, owner: str, chat_id: str, message: ChatMessage, language: str, text: str
) -> Translation:
    id, version = message.id, message.version_id
    same = memories.c.name == language, memories.c.upto_id == id, memories.c.covered == version
    connection.execute(delete(memories).where(*_mine(chat_id), *same))
    shelf.add(connection, owner, chat_id, KIND, text, name=language, upto_id=id, covered=version)
    return Translation(message_id=id, version_id=version, language=language, text=text)
