"""Whole paths of chats, held from turn to turn: a long chat is read once. Knows no change and no turn.

A message keeps the revision of its chat at which it was changed last. What is held is brought up to date by
asking for those that were changed since, whoever changed them: undo and other processes too. What is new is
climbed from its end until something is met that is known.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam

from fabula.chats import pages, rows
from fabula.chats.records import PathMessage
from fabula.store.schema.chats import messages

MOST = 96 << 20  # bytes of all that is held, as `_size` takes them
EACH = 700  # bytes of a message without its texts and ids, and of its place here (measured)
LETTER = 2  # bytes; of Chinese as much, of English half as much
ID = 8  # bytes of a token's id
FURTHER = 8  # times as far as the climb before, where that met nothing known

_Known = tuple[str, PathMessage]
"""The id of the message before ("" = none), and the message."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What is known of a chat as it was at a revision, by ids, and the path that was read last."""

    revision: int = 0
    known: Mapping[str, _Known] = field(default_factory=dict)
    size: int = 0  # bytes
    end: str = ""
    path: tuple[PathMessage, ...] = ()


class Paths:
    """What was read of each chat; of those that were read longest ago nothing, where it gets too much.
    Threads may share it: what is held is never changed, only replaced."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def read(self, connection: Connection, owner: str, id: str, upto: str | None = None) -> list[PathMessage]:
        """As `pages.path`. Not for a transaction that writes: what it may take back must not be held."""
        chat = rows.find_chat(connection, owner, id)
        end = chat.head_id if upto is None else upto
        with self._lock:
            held = self._held.get(id, _Held())
        if held.revision > chat.revision:  # another reader is ahead of this one
            return pages.path(connection, owner, id, upto)
        if (held.revision, held.end) != (chat.revision, end):
            held = _read(connection, chat, held, end)
            self._keep(id, held)
        return list(held.path)

    def forget(self, id: str) -> None:
        with self._lock:
            self._size -= self._held.pop(id, _Held()).size

    def _keep(self, id: str, found: _Held) -> None:
        if found.size > self._most:
            found = _alone(found)
        with self._lock:
            before = self._held.pop(id, _Held())
            self._held[id] = newer = found if found.revision >= before.revision else before
            self._size += newer.size - before.size
            while self._size > self._most:
                _, gone = self._held.popitem(last=False)
                self._size -= gone.size


def _read(connection: Connection, chat: Row[Any], held: _Held, end: str) -> _Held:
    """The same at the chat's revision, with the path to a message. Raises MessageNotFound."""
    names = {"chat": chat.id, "owner": chat.owner_id}
    known, fresh = dict(held.known), dict[str, _Known]()
    if known and held.revision < chat.revision:
        fresh = _told(connection, _CHANGED, {**names, "since": held.revision})
        known |= fresh
    path, id, step = list[PathMessage](), end, rows.CHUNK
    while id:
        if id not in known:
            depth = rows.find_message(connection, chat, id).depth
            above = max(depth - step, 0) if known else 0
            climbed = _told(connection, _CLIMBED, {**names, "start": id, "above": above})
            fresh |= climbed
            known |= climbed
            step *= FURTHER
        id, message = known[id]
        path.append(message)
    gone = (held.known[one][1] for one in fresh if one in held.known)
    size = held.size + _size(message for _, message in fresh.values()) - _size(gone)
    return _Held(chat.revision, known, size, end, tuple(reversed(path)))


def _told(connection: Connection, query: Select[Any], names: dict[str, Any]) -> dict[str, _Known]:
    found = connection.execute(query, names).all()
    return {row[1]: (row[0], pages.told(*row[1:])) for row in found}


def _alone(held: _Held) -> _Held:
    """Without what is not on the path."""
    before = ("", *(message.id for message in held.path))
    known = {message.id: (above, message) for above, message in zip(before, held.path, strict=False)}
    return replace(held, known=known, size=_size(held.path))


def _size(found: Iterable[PathMessage]) -> int:
    """Bytes that these take, about."""
    return sum(
        EACH
        + LETTER * (len(message.text) + len(message.reasoning))
        + ID * (len(message.token_ids) + len(message.reasoning_ids))
        for message in found
    )


_WALKED = ("parent_id", *pages.OF_MESSAGES)
_CLIMBED = pages.shown(pages.upwards(_WALKED), _WALKED, pages.OF_VERSIONS)
_CHANGED = pages.shown(messages, _WALKED, pages.OF_VERSIONS).where(
    messages.c.chat_id == bindparam("chat"),
    messages.c.owner_id == bindparam("owner"),
    messages.c.revision > bindparam("since"),
)
