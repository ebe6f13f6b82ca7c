"""How much of a chat an operation reads: steps of the database are counted, not seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from sqlalchemy import Connection

from fabula.chats import changes, pages, rows
from fabula.chats.exchange import planting
from fabula.chats.exchange.said import Growth, Said
from fabula.chats.paths import Paths
from fabula.store.database import Database

SHORT, LONG = 200, 2000  # messages
Work = Callable[[Connection, str], Any]


def planted(connection: Connection, count: int) -> str:
    growth, end = Growth(), ""
    for number in range(count):
        role: Literal["user", "assistant"] = "assistant" if number % 2 else "user"
        end = growth.add(end, Said(role=role, author="", text=f"message {number}", created=float(number))).id
    growth.show(end)
    return planting.plant(connection, "ann", {"title": "Chat"}, growth, end, {}).id


def steps(connection: Connection, work: Work, id: str) -> int:
    """Instructions that SQLite's machine runs, in tens."""
    raw: Any = connection.connection.driver_connection
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    raw.set_progress_handler(count, 10)
    try:
        work(connection, id)
    finally:
        raw.set_progress_handler(None, 0)
    return counted


def _revision(connection: Connection, id: str) -> int:
    return int(rows.find_chat(connection, "ann", id).revision)


def _head(connection: Connection, id: str) -> str:
    return str(rows.find_chat(connection, "ann", id).head_id)


def say(connection: Connection, id: str) -> None:
    changes.add(connection, "ann", id, _revision(connection, id), "user", "Hello", "", None)


def edit(connection: Connection, id: str) -> None:
    changes.edit(connection, "ann", id, _revision(connection, id), _head(connection, id), "Hello")


def delete(connection: Connection, id: str) -> None:
    changes.hide(connection, "ann", id, _revision(connection, id), _head(connection, id), False)


def undo(connection: Connection, id: str) -> None:
    changes.undo(connection, "ann", id, _revision(connection, id))


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda c, id: pages.page(c, "ann", id, None, 10, None), id="the last page"),
        pytest.param(lambda c, id: pages.path(c, "ann", id, None, 2), id="the last messages for a prompt"),
        pytest.param(lambda c, id: pages.message(c, "ann", id, _head(c, id)), id="one message"),
        pytest.param(say, id="say"),
        pytest.param(edit, id="edit"),
        pytest.param(delete, id="delete"),
        pytest.param(undo, id="undo"),
    ],
)
async def test_at_the_end_of_a_chat_its_length_costs_nothing(database: Database, work: Work) -> None:
    def counts(connection: Connection) -> list[int]:
        ids = [planted(connection, count) for count in (SHORT, LONG)]
        for id in ids:
            say(connection, id)
        return [steps(connection, work, id) for id in ids]

    short, long = await database.write(counts)
    assert 0 < long < 2 * short + 20


def edit_the_first(connection: Connection, id: str) -> None:
    first = pages.page(connection, "ann", id, None, 1, 0).messages[0].id
    changes.edit(connection, "ann", id, _revision(connection, id), first, "Hello")


def without_the_second(connection: Connection, id: str) -> None:
    second = pages.page(connection, "ann", id, None, 1, 1).messages[0].id
    changes.hide(connection, "ann", id, _revision(connection, id), second, True)


@pytest.mark.parametrize("change", [say, delete, undo, edit_the_first, without_the_second])
async def test_the_next_prompt_reads_only_what_was_changed(database: Database, change: Work) -> None:
    held = Paths()

    def counts(connection: Connection) -> list[int]:
        ids = [planted(connection, count) for count in (SHORT, LONG)]
        for id in ids:
            say(connection, id)
            held.read(connection, "ann", id)
            change(connection, id)
        return [steps(connection, lambda c, id: held.read(c, "ann", id), id) for id in ids]

    short, long = await database.write(counts)
    assert 0 < long < 2 * short + 20


async def test_the_last_messages_of_a_path_are_those_at_its_end(database: Database) -> None:
    def read(connection: Connection) -> list[list[str]]:
        id = planted(connection, SHORT)
        wanted = (2, SHORT + 1)
        return [[one.text for one in pages.path(connection, "ann", id, None, most)] for most in wanted]

    two, all_of_it = await database.write(read)
    assert (two, len(all_of_it)) == ([f"message {SHORT - 2}", f"message {SHORT - 1}"], SHORT)
