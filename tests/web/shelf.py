"""Writes a long chat past the API, which would take one request per message. Knows no browser."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, update

from fabula.core.request import LOCAL_OWNER
from fabula.store.database import Database
from fabula.store.schema.chats import chats, messages, versions

Facts = dict[str, Any] | None


def fill(database_file: Path, chat_id: str, texts: Sequence[str], facts: Facts = None) -> None:
    """The texts become the chat's path, a person and the model in turns. `facts` are those of each reply."""
    database = Database(database_file)
    database.open()
    database.write_sync(lambda connection: _write(connection, chat_id, texts, facts))
    database.close()


def _write(connection: Connection, chat_id: str, texts: Sequence[str], facts: Facts) -> None:
    numbers = range(1, len(texts) + 1)
    connection.execute(insert(messages), [_message(chat_id, number, len(texts)) for number in numbers])
    rows = [_version(chat_id, number, text) for number, text in zip(numbers, texts, strict=True)]
    replies = [row | {"facts": facts} for row in rows if row["reason"] == "generated"]
    connection.execute(insert(versions), [row for row in rows if row["reason"] == "written"])
    connection.execute(insert(versions), replies)
    head = {"head_id": f"{chat_id}-{len(texts)}", "revision": chats.c.revision + 1}
    connection.execute(update(chats).where(chats.c.id == chat_id).values(head))


def _message(chat_id: str, number: int, last: int) -> dict[str, Any]:
    return {
        "id": f"{chat_id}-{number}",
        "owner_id": LOCAL_OWNER,
        "chat_id": chat_id,
        "parent_id": f"{chat_id}-{number - 1}" if number > 1 else "",
        "position": 0,
        "depth": number,
        "role": "user" if number % 2 else "assistant",
        "author": "",
        "created_at": time.time(),
        "version_id": f"{chat_id}-{number}-v",
        "hidden": False,
        "shown_id": f"{chat_id}-{number + 1}" if number < last else "",
    }


def _version(chat_id: str, number: int, text: str) -> dict[str, Any]:
    return {
        "id": f"{chat_id}-{number}-v",
        "owner_id": LOCAL_OWNER,
        "message_id": f"{chat_id}-{number}",
        "text": text,
        "reason": "written" if number % 2 else "generated",
        "tokenizer": "",
        "created_at": time.time(),
        "token_ids": b"",
    }


def branch_off(database_file: Path, chat_id: str, numbers: Sequence[int]) -> None:
    """After each of these messages of a filled chat one more, beside the path."""
    database = Database(database_file)
    database.open()
    database.write_sync(lambda connection: _branch_off(connection, chat_id, numbers))
    database.close()


def _branch_off(connection: Connection, chat_id: str, numbers: Sequence[int]) -> None:
    beside = [_message(chat_id, number + 1, 0) for number in numbers]
    names = {"id": "{}-b", "version_id": "{}-b-v"}
    connection.execute(
        insert(messages),
        [
            row
            | {name: form.format(row["id"]) for name, form in names.items()}
            | {"position": 1, "shown_id": ""}
            for row in beside
        ],
    )
    texts = [_version(chat_id, number + 1, f"Beside number {number}.") for number in numbers]
    ids = [{"id": f"{row['message_id']}-b-v", "message_id": f"{row['message_id']}-b"} for row in texts]
    rows = [row | own | {"reason": "written"} for row, own in zip(texts, ids, strict=True)]
    connection.execute(insert(versions), rows)
