"""What taking over a folder of another program would do: done to a copy of the home that is thrown away.

So that what is told before is what happens then. Knows no format.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from fabula.chats.book import Chats
from fabula.chats.characters.library import Characters
from fabula.chats.exchange.desk import Exchange
from fabula.chats.exchange.folders import Move, Report, Rooms
from fabula.chats.exchange.ledger import Ledger
from fabula.chats.lorebooks.library import Lorebooks
from fabula.chats.personas import Personas
from fabula.chats.quick_replies import QuickReplies
from fabula.chats.scripts import Scripts
from fabula.chats.templates import Templates
from fabula.engine.presets.shelf import Presets
from fabula.store.database import Database, copy_database
from fabula.store.events import MemoryEvents
from fabula.store.files import require_space
from fabula.store.home import Home
from fabula.store.media import Media


async def rehearse(home: Home, owner: str, folder: Path) -> Report:
    """Raises FolderUnreadable or NoDiskSpace; the home is left as it is."""
    require_space(home.path, 2 * home.database.stat().st_size)
    with tempfile.TemporaryDirectory(dir=home.path, prefix=".rehearsal-") as stage:
        copy = Path(stage) / home.database.name
        await asyncio.to_thread(copy_database, home.database, copy)
        database = Database(copy)
        await asyncio.to_thread(database.open)
        try:
            return await Move(_rooms(database, Media(Path(stage) / "media")), owner, folder).run()
        finally:
            await asyncio.to_thread(database.close)


def _rooms(database: Database, media: Media) -> Rooms:
    return Rooms(
        characters=Characters(database, media),
        exchange=Exchange(database, Chats(database, MemoryEvents())),
        lorebooks=Lorebooks(database),
        personas=Personas(database),
        scripts=Scripts(database),
        templates=Templates(database),
        presets=Presets(database),
        quick_replies=QuickReplies(database),
        ledger=Ledger(database),
    )
