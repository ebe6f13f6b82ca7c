"""Reading and writing single rows of chats. Knows the tables, not what a change means."""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from fabula.chats.records import Reason
from fabula.chats.tree import Node, Pointer, Tree
from fabula.core.errors import ChatNotFound, MessageNotFound, StaleRevision
from fabula.core.messages import Role
from fabula.store.ids import new_id
from fabula.store.schema.chats import chats, messages, versions

POINTERS = {"chats": (chats, {"head_id"}), "messages": (messages, {"version_id", "hidden", "shown_id"})}

# Built once: making a statement takes several times as long as running it.
_CHAT = select(chats).where(chats.c.id == bindparam("id"), chats.c.owner_id == bindparam("owner"))
_MESSAGE = select(messages).where(
    messages.c.id == bindparam("id"),
    messages.c.chat_id == bindparam("chat"),
    messages.c.owner_id == bindparam("owner"),
)


def find_chat(connection: Connection, owner: str, id: str, trashed: bool = False) -> Row[Any]:
    """The chat's row, of one in the trash only when that is wanted. Raises ChatNotFound."""
    row = connection.execute(_CHAT, {"id": id, "owner": owner}).first()
    if row is None or (row.deleted_at is not None and not trashed):
        raise ChatNotFound(id)
    return row


def expect(connection: Connection, owner: str, id: str, revision: int) -> Row[Any]:
    """The chat's row, if its caller saw it as it is. Raises StaleRevision."""
    row = find_chat(connection, owner, id)
    if row.revision != revision:
        raise StaleRevision(id, revision, row.revision)
    return row


def find_message(connection: Connection, chat: Row[Any], message_id: str) -> Row[Any]:
    """The row of a message of this chat, hidden or not. Raises MessageNotFound."""
    names = {"id": message_id, "chat": chat.id, "owner": chat.owner_id}
    row = connection.execute(_MESSAGE, names).first()
    if row is None:
        raise MessageNotFound(message_id)
    return row


def read_tree(connection: Connection, chat: Row[Any], parent_id: str | None = None) -> Tree:
    """The chat's tree; for growing at the head, which is most common, the head is enough of it."""
    columns = messages.c
    query = select(columns.id, columns.parent_id, columns.position, columns.hidden, columns.shown_id)
    query = query.where(columns.chat_id == chat.id, columns.owner_id == chat.owner_id)
    if parent_id is not None and parent_id == chat.head_id:
        query = query.where(columns.id == chat.head_id)
    return Tree(chat.id, chat.head_id, (Node(*row) for row in connection.execute(query)))


def insert_message(
    connection: Connection,
    chat: Row[Any],
    parent_id: str,
    role: Role,
    author: str,
    version_id: str,
    id: str = "",
) -> Node:
    """A new message, out of sight until a change shows it."""
    columns = messages.c
    siblings = select(func.max(columns.position)).where(
        columns.chat_id == chat.id, columns.parent_id == parent_id
    )
    last = connection.scalar(siblings)
    depth = connection.scalar(select(columns.depth).where(columns.id == parent_id)) or 0
    node = Node(id or new_id(), parent_id, 0 if last is None else last + 1, hidden=True)
    connection.execute(
        insert(messages).values(
            id=node.id,
            owner_id=chat.owner_id,
            chat_id=chat.id,
            parent_id=parent_id,
            position=node.position,
            depth=depth + 1,
            role=role,
            author=author,
            created_at=time.time(),
            version_id=version_id,
            hidden=True,
            shown_id="",
        )
    )
    return node


def insert_version(
    connection: Connection,
    owner: str,
    message_id: str,
    id: str,
    text: str,
    reason: Reason,
    turn_id: str | None = None,
    token_ids: Sequence[int] = (),
    tokenizer: str = "",
    facts: dict[str, Any] | None = None,
    reasoning: str = "",
    reasoning_ids: Sequence[int] = (),
) -> None:
    connection.execute(
        insert(versions).values(
            id=id,
            owner_id=owner,
            message_id=message_id,
            turn_id=turn_id,
            text=text,
            reason=reason,
            tokenizer=tokenizer,
            facts=facts,
            created_at=time.time(),
            token_ids=pack(token_ids),
            reasoning=reasoning,
            reasoning_ids=pack(reasoning_ids),
        )
    )


def turn_message(connection: Connection, owner: str, turn_id: str) -> str | None:
    """The message that a turn has written, if it has been taken in."""
    query = select(versions.c.message_id).where(versions.c.turn_id == turn_id, versions.c.owner_id == owner)
    return connection.scalar(query)


def apply(connection: Connection, chat: Row[Any], pointers: Iterable[Pointer]) -> None:
    for pointer in pointers:
        table, fields = POINTERS[pointer.table]
        if pointer.field not in fields:
            raise ValueError(pointer.field)
        owned = table.c.owner_id == chat.owner_id
        change = update(table).where(table.c.id == pointer.id, owned)
        connection.execute(change.values({pointer.field: pointer.after}))


def touch(connection: Connection, chat: Row[Any]) -> int:
    """The chat was changed: gives its new revision."""
    revision: int = chat.revision + 1
    change = update(chats).where(chats.c.id == chat.id, chats.c.owner_id == chat.owner_id)
    connection.execute(change.values(revision=revision, updated_at=time.time()))
    return revision


def pack(ids: Sequence[int]) -> bytes:
    """Token ids as int32, little-endian."""
    packed = array("i", ids)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack(data: bytes) -> tuple[int, ...]:
    packed = array("i")
    packed.frombytes(data)
    if sys.byteorder == "big":
        packed.byteswap()
    return tuple(packed)
