"""How a chat with a character begins: its greetings, one beside the other. Knows no card and no macros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, update

from fabula.chats import rows, shelf
from fabula.chats.records import Chat
from fabula.store.ids import new_id
from fabula.store.schema.chats import chats, messages


def begin(
    connection: Connection,
    owner: str,
    fields: Mapping[str, Any],
    said: Sequence[tuple[str, Sequence[str]]],
) -> Chat:
    """A chat whose first message is the first greeting, the others being its alternatives; in a group all
    greet in turn, so `said` has authors with their texts. There is nothing to undo in it."""
    chat = rows.find_chat(connection, owner, shelf.create(connection, owner, fields).id)
    last = ""
    for author, texts in said:
        parent, first = last, ""
        for text in texts:
            version_id = new_id()
            node = rows.insert_message(connection, chat, parent, "assistant", author, version_id)
            rows.insert_version(connection, owner, node.id, version_id, text, "written")
            first = first or node.id
        if first and parent:
            connection.execute(update(messages).where(messages.c.id == parent).values(shown_id=first))
        last = first or last
    connection.execute(update(messages).where(messages.c.chat_id == chat.id).values(hidden=False))
    connection.execute(update(chats).where(chats.c.id == chat.id).values(head_id=last))
    return shelf.get(connection, owner, chat.id)
