"""Writes where files may not grow, as on a full disk. Says what was taken, and at last what was told."""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from pathlib import Path

from fabula.chats.book import Chats
from fabula.core.errors import FabulaError
from fabula.core.seams import Event
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.home import Home
from fabula.store.journal import FileJournal


async def add_until_full(home: Home, chat_id: str) -> None:
    database = Database(home.database)
    database.open()
    chats = Chats(database, MemoryEvents())
    limit(2_000_000)
    revision = (await chats.get("ann", chat_id)).revision
    while True:
        change = await chats.add("ann", chat_id, revision, "user", "x" * 10_000)
        revision = change.chat.revision
        sys.stdout.write(f"{change.chat.head_id}\n")


def append_until_full(home: Home, turn_id: str) -> None:
    record = FileJournal(home.journal).begin(turn_id, {})
    limit(100_000)
    for number in range(1, 100_000):
        record.append(Event(number, "text", {"text": "x" * 100}))
        sys.stdout.write(f"{number}\n")


def limit(size: int) -> None:
    """No file may grow beyond `size` bytes: the system then refuses writes, as a full disk does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


if __name__ == "__main__":
    home, what = Home(Path(sys.argv[1])), sys.argv[2]
    try:
        if what == "journal":
            append_until_full(home, sys.argv[3])
        else:
            asyncio.run(add_until_full(home, sys.argv[3]))
    except FabulaError as error:
        sys.stdout.write(f"{error.code}\n")
