"""Chats as a whole: making, listing, renaming, trash. Knows nothing of what is in them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, exists, func, insert, select, update

from fabula.chats import rows
from fabula.chats.records import Chat, ListedChat
from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.store.ids import new_id
from fabula.store.schema.chats import chat_changes, chats, messages, versions

PREVIEW = 120  # characters
FIELDS: dict[str, type] = {"title": str, "model": str, "system": str, "sampling": dict}
FIELDS |= {"character_id": str, "persona": dict, "story": dict}


def create(connection: Connection, owner: str, fields: Mapping[str, Any]) -> Chat:
    _check(fields)
    id, now = new_id(), time.time()
    connection.execute(
        insert(chats).values(
            id=id, owner_id=owner, head_id="", revision=1, created_at=now, updated_at=now, **fields
        )
    )
    return get(connection, owner, id)


def get(connection: Connection, owner: str, id: str, trashed: bool = False) -> Chat:
    rows.find_chat(connection, owner, id, trashed)
    return Chat(**_as_fields(connection.execute(_VIEW, {"id": id}).one()))


def listed(
    connection: Connection, owner: str, limit: int, before: float | None, deleted: bool
) -> list[ListedChat]:
    query = _views(func.substr(versions.c.text, 1, PREVIEW).label("preview"))
    query = query.where(chats.c.owner_id == owner)
    query = query.where(chats.c.deleted_at.is_not(None) if deleted else chats.c.deleted_at.is_(None))
    if before is not None:
        query = query.where(chats.c.updated_at < before)
    query = query.order_by(chats.c.updated_at.desc(), chats.c.id.desc()).limit(limit)
    return [ListedChat(**_as_fields(row), preview=row.preview or "") for row in connection.execute(query)]


def update_fields(
    connection: Connection, owner: str, id: str, revision: int, fields: Mapping[str, Any]
) -> Chat:
    _check(fields)
    chat = rows.expect(connection, owner, id, revision)
    if fields:
        connection.execute(update(chats).where(chats.c.id == chat.id).values(**fields))
        rows.touch(connection, chat)
    return get(connection, owner, id)


def remembered(connection: Connection, owner: str, id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the next prompt needs of the last one, and the variables of macros."""
    row = rows.find_chat(connection, owner, id)
    return row.memory, row.variables


def remember(
    connection: Connection, owner: str, id: str, memory: Mapping[str, Any], variables: Mapping[str, Any]
) -> None:
    """Not a change that anybody sees: the revision stays. A chat that is gone meanwhile is passed over."""
    mine = chats.c.id == id, chats.c.owner_id == owner
    connection.execute(update(chats).where(*mine).values(memory=dict(memory), variables=dict(variables)))


def trash(connection: Connection, owner: str, id: str) -> Chat:
    return _set_deleted(connection, rows.find_chat(connection, owner, id), time.time())


def restore(connection: Connection, owner: str, id: str) -> Chat:
    return _set_deleted(connection, rows.find_chat(connection, owner, id, trashed=True), None)


def erase(connection: Connection, owner: str, id: str) -> Chat:
    """All rows of the chat go with it. Answers what it was."""
    chat = get(connection, owner, id, trashed=True)
    connection.execute(delete(chats).where(chats.c.id == id, chats.c.owner_id == owner))
    return chat


def _set_deleted(connection: Connection, chat: Row[Any], when: float | None) -> Chat:
    connection.execute(update(chats).where(chats.c.id == chat.id).values(deleted_at=when))
    rows.touch(connection, chat)
    return get(connection, chat.owner_id, chat.id, trashed=True)


def _check(fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        if name not in FIELDS:
            raise BadParameter(name, str(value)[:80], phrase("expected.one_of", names=", ".join(FIELDS)))
        if not isinstance(value, FIELDS[name]):
            expected = phrase("expected.object" if FIELDS[name] is dict else "expected.text")
            raise BadParameter(name, str(value)[:80], expected)


_SHOWN = (
    *("id", "title", "model", "system", "sampling", "head_id", "revision", "created_at", "updated_at"),
    *("character_id", "persona", "story"),
)


def _views(*more: Any) -> Select[Any]:
    """Chats with what follows from their messages and changes."""
    changes = select(1).where(chat_changes.c.chat_id == chats.c.id)
    return (
        select(
            *(chats.c[name] for name in _SHOWN),
            exists(changes.where(chat_changes.c.state == "done")).label("can_undo"),
            exists(changes.where(chat_changes.c.state == "undone")).label("can_redo"),
            func.coalesce(messages.c.depth, 0).label("message_count"),
            *more,
        )
        .outerjoin(messages, messages.c.id == chats.c.head_id)
        .outerjoin(versions, versions.c.id == messages.c.version_id)
    )


_VIEW = _views().where(chats.c.id == bindparam("id"))


def _as_fields(row: Row[Any]) -> dict[str, Any]:
    fields = row._asdict()
    fields.pop("preview", None)
    return fields
