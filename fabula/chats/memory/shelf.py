"""What chats and novels remember, in the database. Knows no prompt and no engine.

Both keep it alike, each in tables of its own: `of` names them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, insert, select, update

from fabula.chats import rows
from fabula.chats.memory.records import Kind, Memory, MemorySettings, Passage, Remembered
from fabula.core.errors import MemoryNotFound
from fabula.store.ids import new_id
from fabula.store.schema.memory import memories, memory_passages, memory_settings
from fabula.store.vectors import has_distances


@dataclass(frozen=True, slots=True)
class Tables:
    """Where it is kept. `whose` is the column of the id; `find` raises where that is not the owner's."""

    memories: Table
    passages: Table
    whose: str
    find: Callable[[Connection, str, str], Row[Any]]


CHATS = Tables(memories, memory_passages, "chat_id", rows.find_chat)
_FIELDS = ("id", "kind", "text", "name", "upto_id", "covered", "edited", "created_at", "updated_at")


def read(connection: Connection, owner: str, chat_id: str) -> Remembered:
    """Raises ChatNotFound."""
    return replace(kept(connection, owner, chat_id), settings=settings(connection, chat_id))


def kept(connection: Connection, owner: str, id: str, of: Tables = CHATS) -> Remembered:
    """But for the settings. Raises ChatNotFound or NovelNotFound."""
    of.find(connection, owner, id)
    columns = of.memories.c
    query = select(*(columns[name] for name in _FIELDS)).where(columns[of.whose] == id)
    query = query.where(columns.kind != "translation")  # which is for readers
    found = [Memory(**row) for row in connection.execute(query.order_by(columns.created_at)).mappings()]
    by_kind = {
        kind: tuple(one for one in found if one.kind == kind) for kind in ("fact", "summary", "document")
    }
    return Remembered(facts=by_kind["fact"], summaries=by_kind["summary"], documents=by_kind["document"])


def settings(connection: Connection, chat_id: str) -> MemorySettings:
    query = select(memory_settings.c.settings).where(memory_settings.c.chat_id == chat_id)
    return MemorySettings.of(connection.scalar(query) or {})


def set_settings(
    connection: Connection, owner: str, chat_id: str, changes: Mapping[str, Any]
) -> MemorySettings:
    """Fields that are not given stay as they are."""
    rows.find_chat(connection, owner, chat_id)
    now = MemorySettings.of(settings(connection, chat_id).all() | dict(changes))
    connection.execute(delete(memory_settings).where(memory_settings.c.chat_id == chat_id))
    connection.execute(insert(memory_settings).values(chat_id=chat_id, owner_id=owner, settings=now.all()))
    return now


def add(
    connection: Connection,
    owner: str,
    id: str,
    kind: Kind,
    text: str,
    *,
    name: str = "",
    upto_id: str = "",
    covered: str = "",
    of: Tables = CHATS,
) -> Memory:
    of.find(connection, owner, id)
    now = time.time()
    made = Memory(
        id=new_id(),
        kind=kind,
        text=text,
        name=name,
        upto_id=upto_id,
        covered=covered,
        created_at=now,
        updated_at=now,
    )
    values = {field: getattr(made, field) for field in _FIELDS} | {of.whose: id}
    connection.execute(insert(of.memories).values(owner_id=owner, **values))
    return made


def edit(connection: Connection, owner: str, chat_id: str, id: str, text: str) -> Memory:
    """Another text for a fact or a summary, which goes on covering what it did. Raises MemoryNotFound."""
    mine = _one(connection, owner, chat_id, id)
    now = time.time()
    connection.execute(
        update(memories).where(memories.c.id == mine.id).values(text=text, edited=True, updated_at=now)
    )
    return _one(connection, owner, chat_id, id)


def remove(connection: Connection, owner: str, whose: str, id: str, of: Tables = CHATS) -> None:
    """With the passages of a document. Raises MemoryNotFound."""
    mine = _one(connection, owner, whose, id, of)
    connection.execute(delete(of.passages).where(of.passages.c.source_id == mine.id))
    connection.execute(delete(of.memories).where(of.memories.c.id == mine.id))


def _one(connection: Connection, owner: str, whose: str, id: str, of: Tables = CHATS) -> Memory:
    of.find(connection, owner, whose)
    columns = of.memories.c
    query = select(*(columns[name] for name in _FIELDS))
    query = query.where(columns.id == id, columns[of.whose] == whose)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise MemoryNotFound(id)
    return Memory(**row)


# ── passages ────────────────────────────────────────────────────────────────────────────────────────────


def known(connection: Connection, id: str, embedder: str, of: Tables = CHATS) -> set[str]:
    """The sources of a chat or novel whose passages have vectors of this model."""
    columns = of.passages.c
    query = select(columns.source_id).where(columns[of.whose] == id, columns.embedder == embedder)
    return set(connection.scalars(query.distinct()))


def keep(
    connection: Connection,
    owner: str,
    id: str,
    embedder: str,
    passages: Sequence[Passage],
    vectors: Sequence[bytes],
    of: Tables = CHATS,
) -> None:
    """Vectors are float32, little-endian. Passages that are there already stay."""
    there = known(connection, id, embedder, of)
    fresh = [
        {
            of.whose: id,
            "source_id": passage.source_id,
            "number": passage.number,
            "embedder": embedder,
            "owner_id": owner,
            "text": passage.text,
            "vector": vector,
        }
        for passage, vector in zip(passages, vectors, strict=True)
        if passage.source_id not in there
    ]
    if fresh:
        connection.execute(insert(of.passages), fresh)


def forget(
    connection: Connection, id: str, embedder: str, sources: Collection[str], of: Tables = CHATS
) -> None:
    """The passages of these sources."""
    columns = of.passages.c
    for source in sources:
        mine = (columns[of.whose] == id, columns.embedder == embedder, columns.source_id == source)
        connection.execute(delete(of.passages).where(*mine))


def passages(
    connection: Connection, id: str, embedder: str, sources: Collection[str], of: Tables = CHATS
) -> list[tuple[Passage, bytes]]:
    """Those of these sources, with their vectors."""
    columns = of.passages.c
    query = select(columns.source_id, columns.number, columns.text, columns.vector)
    query = query.where(columns[of.whose] == id, columns.embedder == embedder)
    query = query.order_by(columns.source_id, columns.number)
    return [
        (Passage(row.source_id, row.number, row.text), row.vector)
        for row in connection.execute(query)
        if row.source_id in sources
    ]


def nearest(
    connection: Connection,
    id: str,
    embedder: str,
    sources: Collection[str],
    asked: bytes,
    count: int,
    of: Tables = CHATS,
) -> list[Passage] | None:
    """Those of these sources that are most like a vector, best first, found by the database itself; None
    where it cannot. The order is that of `passages.nearest`; a vector without a length is like nothing."""
    if not has_distances(connection):
        return None
    columns = of.passages.c
    distance = func.coalesce(func.vec_distance_cosine(columns.vector, asked), 1.0)
    query = select(columns.source_id, columns.number, columns.text, distance.label("distance"))
    query = query.where(columns[of.whose] == id, columns.embedder == embedder)
    rows = connection.execute(query.order_by(distance, columns.source_id, columns.number))
    found = (row for row in rows if row.source_id in sources)
    return [
        Passage(row.source_id, row.number, row.text, 1.0 - row.distance)
        for row in islice(found, max(count, 0))
    ]
