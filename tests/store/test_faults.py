"""kill -9 in the middle of writing: everything that was shown is there, once."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from story import Story

from fabula.chats.book import Chats
from fabula.chats.records import TurnOutcome
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.home import Home
from fabula.store.journal import FileJournal

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.mark.parametrize("seed", range(6))
async def test_what_was_shown_before_kill_9_is_in_the_chat_once(home: Home, child: Start, seed: int) -> None:
    story = await _begin(home)
    writer = child("turn_writer", home.path, story.id)
    shown = _read_some(writer, random.Random(seed).randint(1, 120))
    writer.kill()
    shown += _read_rest(writer)
    database = Database(home.database)
    database.open()
    chats = Chats(database, MemoryEvents())
    await _recover(chats, FileJournal(home.journal), fold=False)  # killed again before the journal went
    await _recover(chats, FileJournal(home.journal), fold=True)
    page = await chats.page("ann", story.id)
    texts = {message.id: message.text for message in page.messages}
    assert len(page.messages) == page.total == len(texts)
    for kind, turn, number in shown:
        assert kind == "stored" or f"{turn}.{number} " in texts[turn]
    assert all(message.swipe.count == 1 for message in page.messages)
    assert FileJournal(home.journal).unfinished() == []
    database.close()


async def _begin(home: Home) -> Story:
    database = Database(home.database)
    database.open()
    story = await Story.begin(Chats(database, MemoryEvents()), "Tell me")
    database.close()
    return story


async def _recover(chats: Chats, journal: FileJournal, fold: bool) -> None:
    for turn in journal.unfinished():
        header, events = journal.read(turn)
        text = "".join(event.data["text"] for event in events)
        if text:
            await chats.finish_turn(
                TurnOutcome(
                    owner_id="ann",
                    chat_id=header["chat_id"],
                    turn_id=turn,
                    kind="reply",
                    message_id=turn,
                    parent_id=header["parent_id"],
                    text=text,
                    reason="recovered",
                )
            )
        if fold:
            journal.fold(turn)


def _read_some(writer: subprocess.Popen[str], lines: int) -> list[tuple[str, str, int]]:
    assert writer.stdout
    return [_parse(writer.stdout.readline()) for _ in range(lines)]


def _read_rest(writer: subprocess.Popen[str]) -> list[tuple[str, str, int]]:
    """What had been printed before the kill; a line that was cut was not shown."""
    assert writer.stdout
    return [_parse(line) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]


def _parse(line: str) -> tuple[str, str, int]:
    kind, turn, number = line.split()
    return kind, turn, int(number)


@pytest.mark.skipif(sys.platform != "linux", reason="needs the device /dev/full")
def test_a_full_disk_is_told_by_the_journal(home: Home) -> None:
    from fabula.core.errors import StoreUnwritable

    Path(home.journal / "turn.jsonl").symlink_to("/dev/full")
    with pytest.raises(StoreUnwritable):
        FileJournal(home.journal).begin("turn", {})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
async def test_a_disk_that_fills_up_keeps_every_message_that_was_acknowledged(
    home: Home, child: Start
) -> None:
    story = await _begin(home)
    *taken, told = child("small_disk", home.path, "chat", story.id).communicate()[0].split()
    database = Database(home.database)
    database.open()
    page = await Chats(database, MemoryEvents()).page("ann", story.id, limit=1000)
    assert told == "store_unwritable"
    assert len(taken) > 10
    assert [message.id for message in page.messages][1:] == taken
    database.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_disk_that_fills_up_keeps_every_event_that_was_shown(home: Home, child: Start) -> None:
    *shown, told = child("small_disk", home.path, "journal", "turn").communicate()[0].split()
    _, events = FileJournal(home.journal).read("turn")
    assert told == "store_unwritable"
    assert len(shown) > 100
    assert [str(event.id) for event in events] == shown
