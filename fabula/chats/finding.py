"""Finding messages by their words, over all chats or in one. Knows no screen.

The index finds the newest first; what was deleted, with what is above it, or lies in the trash is left out
here, hit by hit, until a page is full.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from fabula.chats import rows
from fabula.chats.records import Hit, Within
from fabula.store.schema.chats import chat_tags, chats, messages, versions
from fabula.store.search import Search

BEFORE, AFTER = 60, 140  # characters of an excerpt around the first word that was found
MOST_LOOKED_AT = 50_000  # hits, where nearly all of them lie in other chats
_WORD = re.compile(r"\w+")


def search(
    connection: Connection, owner: str, asked: str, limit: int, before: int | None, within: Within
) -> list[Hit]:
    """The newest first; `before` is the number of the last hit of the page before."""
    words, found, looked = Search(rows.KIND, owner, asked), list[Hit](), 0
    step = max(limit * 2, 50) if not within.is_narrow else 1000
    while len(found) < limit and looked < MOST_LOOKED_AT:
        numbers = words.newest(connection, step, before)
        found += _shown(connection, asked, dict(numbers), within)
        looked += len(numbers)
        if len(numbers) < step:
            break
        before = numbers[-1][0]
    return found[:limit]


def _shown(connection: Connection, asked: str, numbers: dict[int, str], within: Within) -> list[Hit]:
    by_id = {id: number for number, id in numbers.items()}
    query = _FOUND.where(messages.c.id.in_(by_id), chats.c.deleted_at.is_(None), ~messages.c.hidden)
    query = query.where(*_conditions(within))
    told: list[Any] = sorted(connection.execute(query), key=lambda row: -by_id[row.id])
    gone = _below_deleted(connection, told)
    return [_hit(row, by_id[row.id], asked) for row in told if row.id not in gone]


def _conditions(within: Within) -> list[Any]:
    tagged = select(chat_tags.c.chat_id).where(chat_tags.c.tag == within.tag)
    wanted = [
        (within.chat_id, chats.c.id == within.chat_id),
        (within.character_id, chats.c.character_id == within.character_id),
        (within.folder is not None, chats.c.folder == within.folder),
        (within.tag, chats.c.id.in_(tagged)),
        (within.favourite is not None, chats.c.favourite == within.favourite),
        (within.since is not None, messages.c.created_at >= (within.since or 0.0)),
        (within.until is not None, messages.c.created_at < (within.until or 0.0)),
    ]
    return [condition for matters, condition in wanted if matters]


_FOUND: Select[Any] = (
    select(
        *(messages.c[name] for name in ("id", "chat_id", "depth", "role", "author", "created_at")),
        chats.c.title,
        chats.c.character_id,
        versions.c.text,
    )
    .join(chats, chats.c.id == messages.c.chat_id)
    .join(versions, versions.c.id == messages.c.version_id)
)


def _below_deleted(connection: Connection, told: Sequence[Any]) -> set[str]:
    """Those that hang from a deleted message. Only chats in which one lies that high are climbed."""
    columns = messages.c
    ids = {row.chat_id for row in told}
    highest = select(columns.chat_id, func.min(columns.depth)).where(columns.chat_id.in_(ids), columns.hidden)
    least = dict(connection.execute(highest.group_by(columns.chat_id)).all())
    gone = set()
    for row in told:
        if row.depth > least.get(row.chat_id, row.depth):
            way = rows.climb_in(connection, row.chat_id, row.id, least[row.chat_id] - 1)
            if any(node.hidden for node in way):
                gone.add(row.id)
    return gone


def _hit(row: Row[Any], number: int, asked: str) -> Hit:
    excerpt, match = excerpt_of(row.text, asked)
    return Hit(
        number=number,
        chat_id=row.chat_id,
        chat_title=row.title,
        character_id=row.character_id,
        message_id=row.id,
        role=row.role,
        author=row.author,
        excerpt=excerpt,
        match=match,
        created_at=row.created_at,
    )


def excerpt_of(written: str, asked: str) -> tuple[str, tuple[int, int] | None]:
    """What stands around the first word of a search, and where the word is in that."""
    folded = unicodedata.normalize("NFKC", written).casefold()
    wanted = _WORD.findall(unicodedata.normalize("NFKC", asked).casefold())
    places = [(folded.find(word), len(word)) for word in wanted]
    found = min(((at, size) for at, size in places if at >= 0), default=None)
    if found is None or len(folded) != len(written):  # folding has moved the places
        return written[: BEFORE + AFTER], None
    at, size = found
    start = max(at - BEFORE, 0)
    return written[start : at + size + AFTER], (at - start, at - start + size)
