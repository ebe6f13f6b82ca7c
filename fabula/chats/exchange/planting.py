"""Trees of files into the database and out of it. Each is one transaction's work. Knows no file format."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, select, update

from fabula.chats import rows, shelf
from fabula.chats.exchange.said import Growth, Said
from fabula.chats.records import Chat
from fabula.store.ids import new_id
from fabula.store.schema.chats import chats, messages, versions


def plant(
    connection: Connection, owner: str, fields: Mapping[str, Any], growth: Growth, head: str, origin: Any
) -> Chat:
    """A new chat with these messages. There is nothing to undo in it."""
    given = {name: value for name, value in fields.items() if name in shelf.FIELDS}
    known: dict[str, Any] = {"title": "", "model": "", "system": "", "sampling": {}} | given
    chat = rows.find_chat(connection, owner, shelf.create(connection, owner, known).id)
    now, spoken, told = time.time(), [], []
    for one, depth in growth:
        version_id = new_id()
        spoken.append(_message(chat, one, depth, version_id, now))
        told.append(_version(chat, one, version_id, now))
    rows.insert_all(connection, chat, spoken, told)
    last = max((one.created for one in growth.all.values()), default=0.0) or now
    more: dict[str, Any] = {"head_id": head, "origin": origin or {}, "updated_at": min(last, now)}
    more |= {"variables": fields["variables"]} if fields.get("variables") else {}
    connection.execute(update(chats).where(chats.c.id == chat.id).values(**more))
    return shelf.get(connection, owner, chat.id)


def _message(chat: Row[Any], one: Said, depth: int, version_id: str, now: float) -> dict[str, Any]:
    kept = ("id", "parent_id", "position", "role", "author", "shown_id", "checkpoint", "left_out", "origin")
    place = {"owner_id": chat.owner_id, "chat_id": chat.id, "depth": depth, "version_id": version_id}
    return (
        {name: getattr(one, name) for name in kept}
        | place
        | {"hidden": False, "created_at": one.created or now}
    )


def _version(chat: Row[Any], one: Said, version_id: str, now: float) -> dict[str, Any]:
    return {
        "id": version_id,
        "owner_id": chat.owner_id,
        "message_id": one.id,
        "turn_id": None,
        "text": one.text,
        "reason": "imported",
        "tokenizer": "",
        "facts": None,
        "created_at": one.created or now,
        "token_ids": b"",
        "reasoning": one.reasoning,
        "reasoning_ids": b"",
    }


def dig(connection: Connection, owner: str, id: str) -> tuple[Chat, Growth, dict[str, Any], dict[str, Any]]:
    """The chat with all that was not deleted, what its files said besides, and its variables."""
    chat = rows.find_chat(connection, owner, id)
    columns = messages.c
    query = _DUG.where(columns.chat_id == chat.id, columns.owner_id == owner, ~columns.hidden)
    found = connection.execute(query.order_by(columns.depth, columns.position)).all()
    reached = {""}
    said = []
    for message_id, parent_id, *rest in found:
        if parent_id in reached:
            reached.add(message_id)
            said.append(_said(message_id, parent_id, *rest))
    return shelf.get(connection, owner, id), Growth(said), chat.origin, chat.variables


_HERE = ("id", "parent_id", "position", "role", "author", "left_out", "checkpoint", "origin", "shown_id")
_DUG = select(
    *(messages.c[name] for name in (*_HERE, "created_at")),
    *(versions.c[name] for name in ("text", "reason", "reasoning", "facts")),
).join(versions, versions.c.id == messages.c.version_id)


def _said(*row: Any) -> Said:
    """From the columns of `_DUG`, in their order: to ask for each by its name takes as long as to read it."""
    *here, created, text, reason, reasoning, facts = row
    return Said(
        **dict(zip(_HERE, here, strict=True)),
        text=text,
        created=created,
        reasoning=reasoning,
        model=str((facts or {}).get("model", "")),
        fresh=reason != "imported",
    )
