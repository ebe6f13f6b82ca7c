"""Reading the shown path: whole, for a prompt, or page by page, for a screen. Knows no changes.

Columns of rows are taken by their place: to ask a row for each by its name takes as long as to read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import CTE, Connection, FromClause, Row, Select, bindparam, func, insert, select

from fabula.chats import branching, rows
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
from fabula.core.messages import Role
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
        offset = max(0, _depth(connection, chat, around) - 1 - limit // 2)
    start, last = chat.head_id, total
    if offset is not None:
        last = min(offset + limit, total)
    elif before:
        start = rows.find_message(connection, chat, before).parent_id
        last = _depth(connection, chat, start)
    first = max(0, last - limit if offset is None else offset)
    found = _walk(connection, chat, start, first, last)
    if around and around not in [row.id for row in found]:
        raise MessageNotFound(around)
    return Page(_dress(connection, chat, found), first > 0 and bool(found), chat.revision, total, first)


def outline(connection: Connection, owner: str, id: str) -> Outline:
    """All messages that can be reached, as the tree that they are."""
    chat = rows.find_chat(connection, owner, id)
    columns = messages.c
    query = select(columns.id, columns.parent_id, columns.role, columns.checkpoint)
    query = query.where(columns.chat_id == chat.id, columns.owner_id == owner, ~columns.hidden)
    found = Outline(chat.revision, chat.head_id, [], [], [], {})
    places = {"": -1}
    in_order = query.order_by(columns.depth, columns.position)
    for message_id, parent_id, role, name in connection.execute(in_order).all():
        if parent_id not in places:  # below a deleted one
            continue
        places[message_id] = len(found.ids)
        found.ids.append(message_id)
        found.parents.append(places[parent_id])
        found.roles.append(role)
        if name:
            found.checkpoints[message_id] = name
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
    return [told(*row) for row in found]


def told(
    id: str,
    role: Role,
    author: str,
    version_id: str,
    left_out: bool,
    text: str,
    tokenizer: str,
    token_ids: bytes,
    reasoning: str,
    reasoning_ids: bytes,
) -> PathMessage:
    """From the columns `OF_MESSAGES` and `OF_VERSIONS`, in their order."""
    return PathMessage(
        id=id,
        role=role,
        name=author,
        version_id=version_id,
        text=text,
        tokenizer=tokenizer,
        token_ids=rows.unpack(token_ids),
        reasoning=reasoning,
        reasoning_ids=rows.unpack(reasoning_ids),
        left_out=left_out,
    )


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
    found = connection.execute(_BONES, {"chat": chat.id, "owner": owner})
    ends = branching.ends(found.all(), chat.head_id, limit)
    previews = _previews(connection, [end.id for end in ends])
    return [
        Branch(
            id=end.id,
            fork_id=end.fork_id,
            messages=end.depth,
            own=end.own,
            updated_at=end.created_at,
            preview=previews[end.id],
            shown=end.id == chat.head_id,
        )
        for end in ends
    ]


_BONES = select(*(messages.c[name] for name in ("id", "parent_id", "depth", "created_at"))).where(
    messages.c.chat_id == bindparam("chat"), messages.c.owner_id == bindparam("owner"), ~messages.c.hidden
)


def _previews(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    query = select(messages.c.id, func.substr(versions.c.text, 1, PREVIEW))
    query = query.join(versions, versions.c.id == messages.c.version_id).where(messages.c.id.in_(ids))
    return dict(connection.execute(query).all())


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
    """The names of `upwards`: the message `start` and those before it, down to a depth."""
    return {"chat": chat.id, "owner": chat.owner_id, "start": start, "above": above}


def upwards(walked: Sequence[str]) -> CTE:
    """A message `start` and those before it, down to a depth `above`; other columns of theirs."""
    columns = messages.c
    names = [columns[name] for name in dict.fromkeys(("parent_id", "depth", *walked))]
    owned = columns.chat_id == bindparam("chat"), columns.owner_id == bindparam("owner")
    mine = *owned, columns.depth > bindparam("above")
    walk = select(*names).where(columns.id == bindparam("start"), *mine).cte("walk", recursive=True)
    return walk.union_all(select(*names).join(walk, columns.id == walk.c.parent_id).where(*mine))


def shown(found: FromClause, walked: Sequence[str], told: Sequence[str]) -> Select[Any]:
    """Columns of messages and of the versions of them that are shown. Built once, for building a query takes
    longer than running it."""
    query = select(*(found.c[name] for name in walked), *(versions.c[name] for name in told))
    return query.join(versions, versions.c.id == found.c.version_id)


def _way(walked: Sequence[str], told: Sequence[str]) -> Select[Any]:
    walk = upwards(walked)
    return shown(walk, walked, told).where(walk.c.depth <= bindparam("last")).order_by(walk.c.depth)


OF_MESSAGES = ("id", "role", "author", "version_id", "left_out")
OF_VERSIONS = ("text", "tokenizer", "token_ids", "reasoning", "reasoning_ids")
_PATH = _way(OF_MESSAGES, OF_VERSIONS)
_PAGE = _way(
    ("id", "parent_id", "role", "author", "created_at", "version_id", "checkpoint", "left_out"),
    ("text", "reason", "facts", "reasoning"),
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
