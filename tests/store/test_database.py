"""One writer, several readers, and errors that people understand."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError
from story import Story

from fabula.chats.book import Chats
from fabula.core.errors import StoreUnwritable
from fabula.store.database import Database
from fabula.store.home import Home
from fabula.store.schema.chats import chats as table


def count(connection: Connection) -> int:
    return len(connection.execute(table.select()).all())


async def test_every_commit_is_synced_and_foreign_keys_hold(database: Database) -> None:
    pragmas = ("journal_mode", "synchronous", "foreign_keys")
    read = await database.write(lambda c: [c.scalar(text(f"PRAGMA {name}")) for name in pragmas])
    assert read == ["wal", 2, 1]
    with pytest.raises(IntegrityError):
        await database.write(
            lambda c: c.execute(text("INSERT INTO counts VALUES ('no such version', 't', 1)"))
        )


async def test_what_fails_half_way_leaves_nothing(database: Database, chats: Chats) -> None:
    def half(connection: Connection) -> None:
        connection.execute(table.delete())
        raise RuntimeError("half way")

    await chats.create("ann")
    with pytest.raises(RuntimeError):
        await database.write(half)
    assert await database.read(count) == 1


async def test_a_reader_sees_one_moment_while_others_write(database: Database, chats: Chats) -> None:
    started, written = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(connection: Connection) -> tuple[int, int]:
        before = count(connection)
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(written.wait(), loop).result()
        return before, count(connection)

    reading = asyncio.create_task(database.read(slow))
    await started.wait()
    await chats.create("ann")
    written.set()
    assert await reading == (0, 0)
    assert await database.read(count) == 1


async def test_two_writers_on_one_home_wait_for_each_other(home: Home, database: Database) -> None:
    from fabula.store.events import MemoryEvents

    other = Database(home.database)
    other.open()
    both = [Chats(database, MemoryEvents()), Chats(other, MemoryEvents())]
    await asyncio.gather(*(both[number % 2].create("ann") for number in range(40)))
    assert len(await both[0].list("ann")) == 40
    other.close()


async def test_a_full_disk_is_told_and_nothing_is_lost(database: Database, chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    pages = await database.write(lambda c: c.scalar(text("PRAGMA page_count")))
    await database.write(lambda c: c.execute(text(f"PRAGMA max_page_count = {pages}")).all())
    with pytest.raises(StoreUnwritable) as told:
        await story.do("add", "assistant", "x" * 1_000_000)
    assert "full" in str(told.value.reason)
    assert await story.texts() == ["Hello"]
    await database.write(lambda c: c.execute(text("PRAGMA max_page_count = 1000000")).all())
    await story.do("add", "assistant", "x" * 1_000_000)
    assert len(await story.texts()) == 2


async def test_another_program_that_never_lets_go_is_told(home: Home, database: Database) -> None:
    await database.write(lambda c: c.execute(text("PRAGMA busy_timeout = 50")).all())
    other = sqlite3.connect(home.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnwritable) as told:
        await database.write(count)
    assert "locked" in str(told.value.reason)
    other.close()


def test_closing_twice_is_no_error(tmp_path: Path) -> None:
    database = Database(tmp_path / "fabula.db")
    database.open()
    database.close()
    database.close()
