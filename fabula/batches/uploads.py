"""Files that programs send in, and those that are made for them. Knows nothing of what is in them.

Names and sizes are in the database, contents in a folder of the home under the file's id. A row is there only
when its content is whole on the disk.
"""

from __future__ import annotations

import builtins  # in Uploads, `list` lists files
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from fabula.batches.pages import Page, paged
from fabula.core.errors import UploadInUse, UploadNotFound
from fabula.store.database import Database
from fabula.store.files import is_safe_name, require_space, sync_folder, writing
from fabula.store.ids import new_id
from fabula.store.schema.batches import batches, uploads

INPUT, OUTPUT = "batch", "batch_output"
MARGIN = 64 << 20  # bytes that stay free for the database and the journal
LONGEST_NAME = 200  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    id: str
    name: str
    purpose: str
    size: int  # bytes
    created_at: float


class Uploads:
    """What asks for an owner shows no file of anyone else."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._folder = database, folder

    def path(self, id: str) -> Path:
        """Where its content is. Raises UploadNotFound for what is no id."""
        if not is_safe_name(id):
            raise UploadNotFound(id)
        return self._folder / id

    def keep(self, content: Iterable[bytes], size: int, id: str = "") -> tuple[str, int]:
        """The id (a new one unless it is given) and the bytes written; blocks. `size` is what has to be free.
        Raises NoDiskSpace."""
        require_space(self._folder, size + MARGIN)
        id = id or f"file-{new_id()}"
        part = self._folder / f"{id}.part"
        with writing(part):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                written = _written(part, content)
                part.replace(self._folder / id)
            finally:
                part.unlink(missing_ok=True)
            sync_folder(self._folder)
        return id, written

    async def add(self, owner: str, id: str, name: str, purpose: str, size: int) -> Upload:
        """A content that was kept becomes a file."""
        file = Upload(id=id, name=name[:LONGEST_NAME], purpose=purpose, size=size, created_at=time.time())
        await self._database.write(lambda c: put(c, owner, file))
        return file

    async def get(self, owner: str, id: str) -> Upload:
        """Raises UploadNotFound, also where the content is gone."""
        found = await self._database.read(lambda c: _find(c, owner, id))
        if not self.path(id).exists():
            raise UploadNotFound(id)
        return _upload(found)

    async def list(self, owner: str, page: Page, purpose: str = "") -> tuple[builtins.list[Upload], bool]:
        """Those of a page, and whether there are more."""
        query = select(uploads).where(uploads.c.owner_id == owner)
        if purpose:
            query = query.where(uploads.c.purpose == purpose)
        rows, more = await self._database.read(lambda c: paged(c, query, uploads, page))
        return [_upload(row) for row in rows], more

    async def remove(self, owner: str, id: str) -> None:
        """Raises UploadNotFound, or UploadInUse while a batch reads it."""
        await self._database.write(lambda c: _remove(c, owner, id))
        with writing(self.path(id)):
            self.path(id).unlink(missing_ok=True)

    async def tidy(self, needed: set[str]) -> None:
        """At the studio's start: contents that no row names and nobody needs were left by a killed one."""
        known = await self._database.read(lambda c: set(c.scalars(select(uploads.c.id))))
        for path in self._folder.glob("*") if self._folder.exists() else ():
            if path.name not in known | needed:
                path.unlink(missing_ok=True)


def put(connection: Connection, owner: str, file: Upload) -> None:
    row = {name: getattr(file, name) for name in Upload.__dataclass_fields__}
    connection.execute(insert(uploads).values(owner_id=owner, **row))


def _written(part: Path, content: Iterable[bytes]) -> int:
    with part.open("wb") as file:
        file.writelines(content)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _find(connection: Connection, owner: str, id: str) -> Row[Any]:
    row = connection.execute(select(uploads).where(uploads.c.id == id, uploads.c.owner_id == owner)).first()
    if row is None:
        raise UploadNotFound(id)
    return row


def _remove(connection: Connection, owner: str, id: str) -> None:
    _find(connection, owner, id)
    users = select(batches.c.id).where(batches.c.input_id == id, batches.c.state.in_(READING))
    if user := connection.scalar(users):
        raise UploadInUse(id, user)
    connection.execute(delete(uploads).where(uploads.c.id == id))


READING = ("validating", "in_progress", "finalizing", "cancelling")
"""States of a batch in which its input is still read."""


def _upload(row: Row[Any]) -> Upload:
    return Upload(id=row.id, name=row.name, purpose=row.purpose, size=row.size, created_at=row.created_at)
