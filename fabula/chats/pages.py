"""Reading the shown path: whole, for a prompt, or page by page, for a screen. Knows no changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import CTE, Connection, Row, Select, bindparam, func, insert, select, text

from fabula.chats import rows
from fabula.chats.records import (
    Branch,
    ChatMessage,
    Checkpoint,
    Comparison,
    Outline,
    Page,
    PathMessage,
    Swipe,
    Version,
)
from fabula.core.errors import MessageNotFound
from fabula.store.schema.chats import counts as counted
from fabula.store.schema.chats import messages, versions

BATCH = 5000  # ids in one query; SQLite takes 32,766
PREVIEW = 120  # characters


def page(
    connection: Connection,
    owner: str,
    id: str,
    before: str | None,
    limit: int,
    offset: int | None,
    around: str = "",
) -> Page:
    """`around` is a message that stands in the middle. Raises MessageNotFound where it is not on the path."""
    chat = rows.find_chat(connection, owner, id)
    total = _depth(connection, chat, chat.head_id)
    if around:
        offset = max(0, _place_on_path(connection, chat, around) - limit // 2)
    start, last = chat.head_id, total
    if offset is not None:
        last = min(offset + limit, total)
    elif before:
        start = rows.find_message(connection, chat, before).parent_id
        last = _depth(connection, chat, start)
    first = max(0, last - limit if offset is None else offset)
    found = _walk(connection, chat, start, first, last)
    return Page(_dress(connection, chat, found), first > 0 and bool(found), chat.revision, total, first)


def _place_on_path(connection: Connection, chat: Row[Any], message_id: str) -> int:
    """How many messages of the shown path come before one of it. Raises MessageNotFound."""
    place = int(rows.find_message(connection, chat, message_id).depth) - 1
    if [row.id for row in _walk(connection, chat, chat.head_id, place, place + 1)] != [message_id]:
        raise MessageNotFound(message_id)
    return place


def outline(connection: Connection, owner: str, id: str) -> Outline:
    """All messages that can be reached, as the tree that they are."""
    chat = rows.find_chat(connection, owner, id)
    columns = messages.c
    query = select(columns.id, columns.parent_id, columns.role, columns.checkpoint)
    query = query.where(columns.chat_id == chat.id, columns.owner_id == owner, ~columns.hidden)
    found = Outline(chat.revision, chat.head_id, [], [], [], {})
    places = {"": -1}
    for row in connection.execute(query.order_by(columns.depth, columns.position)):
        if row.parent_id not in places:  # below a deleted one
            continue
        places[row.id] = len(found.ids)
        found.ids.append(row.id)
        found.parents.append(places[row.parent_id])
        found.roles.append(row.role)
        if row.checkpoint:
            found.checkpoints[row.id] = row.checkpoint
    return found


def message(connection: Connection, owner: str, id: str, message_id: str) -> ChatMessage:
    return show(connection, rows.find_chat(connection, owner, id), message_id)


def show(connection: Connection, chat: Row[Any], message_id: str) -> ChatMessage:
    depth = rows.find_message(connection, chat, message_id).depth
    return _dress(connection, chat, _walk(connection, chat, message_id, depth - 1, depth))[0]


def path(
    connection: Connection, owner: str, id: str, upto: str | None, most: int | None = None
) -> list[PathMessage]:
    chat = rows.find_chat(connection, owner, id)
    start = chat.head_id if upto is None else upto
    last = _depth(connection, chat, start)
    above = 0 if most is None else max(0, last - most)
    found = connection.execute(_PATH, {**_from(chat, start, above), "last": last}).all()
    return [  # every turn reads all of a chat: what is asked of a row by name takes as long as reading it
        PathMessage(
            id=id,
            role=role,
            name=author,
            version_id=version_id,
            text=text,
            tokenizer=tokenizer,
            token_ids=rows.unpack(ids),
            reasoning=reasoning,
            reasoning_ids=rows.unpack(reasoning_ids),
            left_out=left_out,
        )
        for id, role, author, version_id, left_out, text, tokenizer, ids, reasoning, reasoning_ids in found
    ]


def compare(connection: Connection, owner: str, id: str, left: str, right: str, limit: int) -> Comparison:
    """Two paths, each by the message at its end: where they part, and at most `limit` messages of each."""
    chat = rows.find_chat(connection, owner, id)
    deep = {end: rows.find_message(connection, chat, end).depth for end in (left, right)}
    common_id, common = _fork(connection, chat, left, right, min(deep.values()))
    sides = [
        _dress(connection, chat, _walk(connection, chat, end, common, min(deep[end], common + limit)))
        for end in (left, right)
    ]
    return Comparison(common_id=common_id, common=common, left=sides[0], right=sides[1])


def _fork(connection: Connection, chat: Row[Any], left: str, right: str, least: int) -> tuple[str, int]:
    """The last message of both paths and its depth; ("", 0) where they have nothing in common."""
    step = rows.CHUNK
    while True:
        above = max(least - step, 0)
        ways = [
            {node.id: node.depth for node in rows.climb(connection, chat, end, above)}
            for end in (left, right)
        ]
        both = ways[0].keys() & ways[1].keys()
        if both:
            last = max(both, key=lambda id: ways[0][id])
            return last, ways[0][last]
        if not above:
            return "", 0
        step *= 8


def branches(connection: Connection, owner: str, id: str, limit: int) -> list[Branch]:
    """The paths of a chat that were written furthest, the newest first, and the shown one before all."""
    chat = rows.find_chat(connection, owner, id)
    names = {"chat": chat.id, "most": limit, "head": chat.head_id, "cut": PREVIEW}
    found = connection.execute(_LEAVES, names | {"root": rows.first(connection, chat, chat.head_id)})
    return [
        Branch(
            id=row.id,
            fork_id=row.fork_id,
            messages=row.depth,
            own=row.depth - row.fork_depth,
            updated_at=row.created_at,
            preview=row.preview,
            shown=bool(row.shown),
        )
        for row in found
    ]


# Visible messages with nothing visible below them, of those that can be reached from the top; each with the
# last message of the shown path above it.
_LEAVES = text(
    """
    WITH RECURSIVE reached(id, depth, shown_id, fork_id, fork_depth) AS (
        SELECT id, depth, shown_id, CASE WHEN id = :root THEN id ELSE '' END,
            CASE WHEN id = :root THEN depth ELSE 0 END
        FROM messages WHERE chat_id = :chat AND parent_id = '' AND NOT hidden
        UNION ALL
        SELECT m.id, m.depth, m.shown_id,
            CASE WHEN r.fork_id = r.id AND r.shown_id = m.id AND r.id != :head THEN m.id ELSE r.fork_id END,
            CASE WHEN r.fork_id = r.id AND r.shown_id = m.id AND r.id != :head THEN m.depth
                ELSE r.fork_depth END
        FROM messages m JOIN reached r ON m.parent_id = r.id
        WHERE m.chat_id = :chat AND NOT m.hidden
    )
    SELECT m.id, m.depth, m.created_at, r.fork_id, r.fork_depth, m.id = :head AS shown,
        substr(v.text, 1, :cut) AS preview
    FROM reached r JOIN messages m ON m.id = r.id JOIN versions v ON v.id = m.version_id
    WHERE m.id = :head OR NOT EXISTS (
        SELECT 1 FROM messages c WHERE c.chat_id = :chat AND c.parent_id = m.id AND NOT c.hidden
    )
    ORDER BY m.id = :head DESC, m.created_at DESC, m.id LIMIT :most
    """
)


def checkpoints(connection: Connection, owner: str, id: str) -> list[Checkpoint]:
    """Named messages that were not deleted, in the order of their depth."""
    chat = rows.find_chat(connection, owner, id)
    columns = messages.c
    shown = columns.id, columns.checkpoint, columns.depth, func.substr(versions.c.text, 1, PREVIEW)
    query = select(*shown).join(versions, versions.c.id == columns.version_id)
    query = query.where(columns.chat_id == chat.id, columns.checkpoint != "", ~columns.hidden)
    named = connection.execute(query.order_by(columns.depth, columns.created_at)).all()
    return [Checkpoint(id=one[0], name=one[1], number=one[2], preview=one[3]) for one in named]


def versions_of(connection: Connection, owner: str, id: str, message_id: str) -> list[Version]:
    chat = rows.find_chat(connection, owner, id)
    rows.find_message(connection, chat, message_id)
    columns = versions.c
    shown = columns.id, columns.text, columns.reason, columns.created_at, columns.facts, columns.reasoning
    query = select(*shown)
    query = query.where(columns.message_id == message_id, columns.owner_id == owner)
    return [Version(*row) for row in connection.execute(query.order_by(columns.created_at, columns.id))]


def counts(connection: Connection, tokenizer: str, version_ids: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for batch in _batches(version_ids):
        query = select(counted.c.version_id, counted.c.tokens)
        query = query.where(counted.c.tokenizer == tokenizer, counted.c.version_id.in_(batch))
        found |= dict(connection.execute(query).all())
    return found


def remember_counts(connection: Connection, tokenizer: str, values: Mapping[str, int]) -> None:
    """Versions that are gone meanwhile, or counted already, are passed over."""
    known = counts(connection, tokenizer, list(values))
    for batch in _batches([id for id in values if id not in known]):
        existing = connection.scalars(select(versions.c.id).where(versions.c.id.in_(batch)))
        new = [{"version_id": id, "tokenizer": tokenizer, "tokens": values[id]} for id in existing]
        if new:
            connection.execute(insert(counted), new)


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def _depth(connection: Connection, chat: Row[Any], message_id: str) -> int:
    return rows.find_message(connection, chat, message_id).depth if message_id else 0


def _walk(connection: Connection, chat: Row[Any], start: str, first: int, last: int) -> list[Row[Any]]:
    """Messages `first` to `last` (exclusive, from 0) of the path to `start`, with the shown versions."""
    return list(connection.execute(_PAGE, {**_from(chat, start, first), "last": last}))


def _from(chat: Row[Any], start: str, above: int) -> dict[str, Any]:
    """The names of `_upwards`: the message `start` and those before it, down to a depth."""
    return {"chat": chat.id, "owner": chat.owner_id, "start": start, "above": above}


def _upwards(walked: Sequence[str]) -> CTE:
    columns = messages.c
    names = [columns[name] for name in dict.fromkeys(("parent_id", "depth", *walked))]
    owned = columns.chat_id == bindparam("chat"), columns.owner_id == bindparam("owner")
    mine = *owned, columns.depth > bindparam("above")
    walk = select(*names).where(columns.id == bindparam("start"), *mine).cte("walk", recursive=True)
    return walk.union_all(select(*names).join(walk, columns.id == walk.c.parent_id).where(*mine))


def _shown(walked: Sequence[str], told: Sequence[str]) -> Select[Any]:
    """The path with columns of its messages and of the versions shown. Built once, for building takes longer
    than running."""
    walk = _upwards(walked)
    query = select(*(walk.c[name] for name in walked), *(versions.c[name] for name in told))
    query = query.join(versions, versions.c.id == walk.c.version_id)
    return query.where(walk.c.depth <= bindparam("last")).order_by(walk.c.depth)


_PAGE = _shown(
    ("id", "parent_id", "role", "author", "created_at", "version_id", "checkpoint", "left_out"),
    ("text", "reason", "facts", "reasoning"),
)
_PATH = _shown(
    ("id", "role", "author", "version_id", "left_out"),
    ("text", "tokenizer", "token_ids", "reasoning", "reasoning_ids"),
)


def _dress(connection: Connection, chat: Row[Any], found: list[Row[Any]]) -> list[ChatMessage]:
    """Rows of the path with what is said about each: its swipes and the number of its versions."""
    swipes = _swipes(connection, chat, [row.parent_id for row in found])
    numbers = _version_numbers(connection, [row.id for row in found])
    return [
        ChatMessage(
            id=row.id,
            parent_id=row.parent_id,
            role=row.role,
            author=row.author,
            text=row.text,
            version_id=row.version_id,
            version_reason=row.reason,
            versions=numbers[row.id],
            created_at=row.created_at,
            swipe=_swipe(row.id, swipes.get(row.parent_id, ())),
            facts=row.facts,
            reasoning=row.reasoning,
            checkpoint=row.checkpoint,
            left_out=row.left_out,
        )
        for row in found
    ]


def _swipe(id: str, ids: tuple[str, ...]) -> Swipe:
    return Swipe(ids.index(id) if id in ids else 0, len(ids), ids)


def _swipes(connection: Connection, chat: Row[Any], parents: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The visible alternatives below each of some messages, oldest first."""
    columns = messages.c
    query = select(columns.parent_id, columns.id).where(columns.chat_id == chat.id, ~columns.hidden)
    query = query.where(columns.owner_id == chat.owner_id, columns.parent_id.in_(parents))
    found: dict[str, tuple[str, ...]] = {}
    for parent_id, id in connection.execute(query.order_by(columns.position)):
        found[parent_id] = (*found.get(parent_id, ()), id)
    return found


def _version_numbers(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    columns = versions.c
    query = select(columns.message_id, func.count()).where(columns.message_id.in_(ids))
    return dict(connection.execute(query.group_by(columns.message_id)).all())
