"""What came in from folders of other programs, by content. Knows no format."""

from __future__ import annotations

import hashlib
import time

from sqlalchemy import Connection, delete, insert, select

from fabula.store.database import Database
from fabula.store.schema.imports import imports


def digest(place: str, content: bytes) -> str:
    """Of a file: where it lies in its folder, and what it holds."""
    name = place.encode("utf-8", "surrogatepass")
    return hashlib.sha256(hashlib.sha256(name).digest() + content).hexdigest()


class Ledger:
    """What asks for an owner knows nothing of anyone else's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, owner: str, digest: str) -> str:
        """The id of what was made of it, "" for what never came in."""
        query = select(imports.c.item_id).where(imports.c.owner_id == owner, imports.c.digest == digest)
        return str(await self._database.read(lambda c: c.scalar(query)) or "")

    async def note(self, owner: str, digest: str, kind: str, item_id: str) -> None:
        mine = (imports.c.owner_id == owner) & (imports.c.digest == digest)
        row = {"owner_id": owner, "digest": digest, "kind": kind, "item_id": item_id}

        def work(connection: Connection) -> None:
            connection.execute(delete(imports).where(mine))
            connection.execute(insert(imports).values(**row, created_at=time.time()))

        await self._database.write(work)
