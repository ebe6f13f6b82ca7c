"""Chats as a whole: making, listing, renaming, trash. Knows nothing of what is in them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, exists, false, func, insert, select, update

from fabula.chats import rows
from fabula.chats.characters.shelf import TAG_LIMIT, Marks
from fabula.chats.records import Chat, ChatFilter, ListedChat
from fabula.chats.rows import KIND, TITLE
from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.store import search
from fabula.store.ids import new_id
from fabula.store.schema.chats import chat_changes, chat_tags, chats, messages, versions

PREVIEW = 120  # characters
FIELDS: dict[str, type] = {"title": str, "model": str, "system": str, "sampling": dict}
FIELDS |= {"character_id": str, "persona": dict, "story": dict, "folder": str}


def create(connection: Connection, owner: str, fields: Mapping[str, Any]) -> Chat:
    check(fields)
    id, now = new_id(), time.time()
    connection.execute(
        insert(chats).values(
            id=id, owner_id=owner, head_id="", revision=1, created_at=now, updated_at=now, **fields
        )
    )
    search.put(connection, TITLE, id, owner, "", str(fields.get("title", "")))
    return get(connection, owner, id)


def get(connection: Connection, owner: str, id: str, trashed: bool = False) -> Chat:
    rows.find_chat(connection, owner, id, trashed)
    return Chat(**_as_fields(connection.execute(_VIEW, {"id": id}).one()))


def listed(
    connection: Connection,
    owner: str,
    wanted: ChatFilter,
    limit: int,
    before: float | None = None,
    offset: int = 0,
) -> list[ListedChat]:
    """Newest first."""
    query = _views(func.substr(versions.c.text, 1, PREVIEW).label("preview"))
    query = _filtered(connection, query, owner, wanted)
    if before is not None:
        query = query.where(chats.c.updated_at < before)
    query = query.order_by(chats.c.updated_at.desc(), chats.c.id.desc()).limit(limit).offset(offset)
    found = connection.execute(query).all()
    tagged = _tags(connection, [row.id for row in found])
    return [
        ListedChat(**_as_fields(row), preview=row.preview or "", tags=tagged.get(row.id, ())) for row in found
    ]


def total(connection: Connection, owner: str, wanted: ChatFilter) -> int:
    query = _filtered(connection, select(func.count()).select_from(chats), owner, wanted)
    return int(connection.scalar(query) or 0)


def ids(connection: Connection, owner: str, wanted: ChatFilter) -> list[str]:
    """All that a filter finds, for a change of all of them."""
    return [str(id) for id in connection.scalars(_filtered(connection, select(chats.c.id), owner, wanted))]


def _filtered(connection: Connection, query: Select[Any], owner: str, wanted: ChatFilter) -> Select[Any]:
    columns = chats.c
    query = query.where(columns.owner_id == owner)
    query = query.where(columns.deleted_at.is_not(None) if wanted.trashed else columns.deleted_at.is_(None))
    same = {"folder": wanted.folder, "favourite": wanted.favourite, "character_id": wanted.character_id}
    query = query.where(*(columns[name] == value for name, value in same.items() if value is not None))
    for tag in wanted.tags:
        has = (chat_tags.c.owner_id == owner) & (chat_tags.c.tag == tag)
        query = query.where(columns.id.in_(select(chat_tags.c.chat_id).where(has)))
    if wanted.words:
        asked = search.Search(TITLE, owner, wanted.words, wanted.trashed)
        if asked.finds_nothing:
            return query.where(false())
        query = query.where(columns.id.in_(select(asked.found(connection).subquery().c.item_id)))
    return query


def folders(connection: Connection, owner: str) -> dict[str, int]:
    """Every folder that holds chats, with how many."""
    columns = chats.c
    query = select(columns.folder, func.count()).where(columns.owner_id == owner, columns.folder != "")
    query = query.where(columns.deleted_at.is_(None)).group_by(columns.folder).order_by(columns.folder)
    return {str(name): int(count) for name, count in connection.execute(query)}


def tags(connection: Connection, owner: str) -> dict[str, int]:
    """Every tag of chats outside the trash, with how many carry it; the most used first."""
    count, tagged = func.count().label("count"), chat_tags.c
    query = select(tagged.tag, count).join(chats, chats.c.id == tagged.chat_id)
    query = query.where(tagged.owner_id == owner, chats.c.deleted_at.is_(None)).group_by(tagged.tag)
    return {str(tag): int(n) for tag, n in connection.execute(query.order_by(count.desc(), tagged.tag))}


def _tags(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    query = select(chat_tags).where(chat_tags.c.chat_id.in_(ids)).order_by(chat_tags.c.tag)
    found: dict[str, tuple[str, ...]] = {}
    for row in connection.execute(query):
        found[row.chat_id] = (*found.get(row.chat_id, ()), row.tag)
    return found


def mark(connection: Connection, owner: str, ids: Sequence[str], marks: Marks) -> int:
    """Changes many at once; answers how many there were. What stands in them stays, and so do revisions."""
    mine = (chats.c.owner_id == owner) & chats.c.id.in_(ids)
    found = [str(id) for id in connection.scalars(select(chats.c.id).where(mine))]
    row: dict[str, Any] = {} if marks.folder is None else {"folder": marks.folder}
    row |= {} if marks.favourite is None else {"favourite": marks.favourite}
    row |= {} if marks.trashed is None else {"deleted_at": time.time() if marks.trashed else None}
    if row:
        connection.execute(update(chats).where(mine).values(**row))
    if marks.trashed is not None:
        search.set_aside(connection, TITLE, found, owner, marks.trashed)
    if marks.remove_tags:
        tagged = chat_tags.c.chat_id.in_(found) & chat_tags.c.tag.in_(marks.remove_tags)
        connection.execute(delete(chat_tags).where(tagged))
    known = _tags(connection, found)
    named = dict.fromkeys(tag.strip()[:TAG_LIMIT] for tag in marks.add_tags)
    new = [
        {"chat_id": id, "tag": tag, "owner_id": owner}
        for id in found
        for tag in named
        if tag and tag not in known.get(id, ())
    ]
    if new:
        connection.execute(insert(chat_tags), new)
    return len(found)


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
    search.remove(connection, KIND, select(messages.c.id).where(messages.c.chat_id == id))
    search.remove(connection, TITLE, [id])
    connection.execute(delete(chats).where(chats.c.id == id, chats.c.owner_id == owner))
    return chat


def _set_deleted(connection: Connection, chat: Row[Any], when: float | None) -> Chat:
    connection.execute(update(chats).where(chats.c.id == chat.id).values(deleted_at=when))
    search.set_aside(connection, TITLE, [chat.id], chat.owner_id, when is not None)
    rows.touch(connection, chat)
    return get(connection, chat.owner_id, chat.id, trashed=True)


def check(fields: Mapping[str, Any]) -> None:
    """Raises BadParameter."""
    for name, value in fields.items():
        if name not in FIELDS:
            raise BadParameter(name, str(value)[:80], phrase("expected.one_of", names=", ".join(FIELDS)))
        if not isinstance(value, FIELDS[name]):
            expected = phrase("expected.object" if FIELDS[name] is dict else "expected.text")
            raise BadParameter(name, str(value)[:80], expected)


_SHOWN = (
    *("id", "title", "model", "system", "sampling", "head_id", "revision", "created_at", "updated_at"),
    *("character_id", "persona", "story", "folder", "favourite"),
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
