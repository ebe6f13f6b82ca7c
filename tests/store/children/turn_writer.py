"""Writes turns until it is killed: journal, then database, then the journal goes. Prints what is done."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from fabula.chats.book import Chats
from fabula.chats.records import TurnOutcome
from fabula.core.seams import Event
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.home import Home
from fabula.store.journal import FileJournal


async def main(home: Home, chat_id: str) -> None:
    database = Database(home.database)
    database.open()
    chats, journal = Chats(database, MemoryEvents()), FileJournal(home.journal)
    while True:
        chat = await chats.get("ann", chat_id)
        turn = f"t{chat.message_count:06}"
        record = journal.begin(turn, {"chat_id": chat_id, "parent_id": chat.head_id})
        text = ""
        for number in range(1, 20):
            record.append(Event(number, "text", {"text": f"{turn}.{number} "}))
            text += f"{turn}.{number} "
            sys.stdout.write(f"shown {turn} {number}\n")
        record.close()
        await chats.finish_turn(outcome(chat_id, turn, chat.head_id, text))
        sys.stdout.write(f"stored {turn} 0\n")
        journal.fold(turn)


def outcome(chat_id: str, turn: str, parent_id: str, text: str) -> TurnOutcome:
    return TurnOutcome(
        owner_id="ann",
        chat_id=chat_id,
        turn_id=turn,
        kind="reply",
        message_id=turn,
        parent_id=parent_id,
        text=text,
    )


if __name__ == "__main__":
    asyncio.run(main(Home(Path(sys.argv[1])), sys.argv[2]))
