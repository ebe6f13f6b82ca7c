"""The lorebooks that a person keeps: files in, files out, entries by hand. Knows no HTTP and no prompt."""

from __future__ import annotations

import builtins  # in Lorebooks, `list` lists them
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection

from fabula.chats import items
from fabula.chats.items import Item, Links
from fabula.chats.lorebooks import files
from fabula.core.errors import BadParameter, EntryNotFound, ItemExists, LorebookNotFound
from fabula.core.texts import phrase
from fabula.store.database import Database

Format = Literal["world", "v3"]


@dataclass(frozen=True, slots=True)
class Edited:
    """A lorebook after a change, and the entry that was changed ("" = none)."""

    lorebook: Item
    entry: str = ""


class Lorebooks:
    """What asks for an owner shows no lorebook of anyone else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, owner: str) -> builtins.list[Item]:
        """By name, without their entries."""
        return await self._database.read(lambda c: items.listed(c, owner, "lorebook"))

    async def get(self, owner: str, id: str) -> Item:
        """Raises LorebookNotFound."""
        found = await self._database.read(lambda c: items.find(c, owner, "lorebook", id))
        if found is None:
            raise LorebookNotFound(id)
        return found

    async def take(self, owner: str, file: str, content: bytes, name: str = "") -> Item:
        """From the bytes of a file of any program. Raises LorebookUnreadable."""
        found, world = files.read(file, content)
        return await self.keep(owner, name or found, world)

    async def keep(
        self, owner: str, name: str, world: Mapping[str, Any] | None = None, links: Links | None = None
    ) -> Item:
        """A new one, empty or from a world file's document. Raises BadParameter without a name."""
        if not name.strip():
            raise BadParameter("name", "", phrase("expected.text"))
        document = dict(world or {"entries": {}})
        size = len(files.rows_of(document))
        return await self._database.write(
            lambda c: items.add(c, owner, "lorebook", name, document, links or Links(), size=size)
        )

    async def change(
        self, owner: str, id: str, revision: int, name: str | None = None, links: Links | None = None
    ) -> Item:
        """Its name or where it holds. Raises LorebookNotFound or ItemChanged."""
        before = await self.get(owner, id)
        fields: dict[str, Any] = {} if not name else {"name": name}
        fields |= {} if links is None else {"links": links}
        return await self._database.write(lambda c: items.change(c, owner, before, revision, **fields))

    async def put_entry(
        self, owner: str, id: str, revision: int, uid: str, fields: Mapping[str, Any]
    ) -> Edited:
        """Other values of an entry's fields, named as in a world file; "" as uid makes a new entry.

        Raises LorebookNotFound, EntryNotFound or ItemChanged.
        """
        before = await self.get(owner, id)
        world = _opened(before)
        if uid:
            key = _key(before, world, uid)
            world["entries"][key] = dict(world["entries"][key]) | {
                k: v for k, v in fields.items() if k != "uid"
            }
        else:
            uid = str(1 + max((_number(row) for row in files.rows_of(world)), default=-1))
            world["entries"][uid] = files.entry(fields, int(uid))
        return Edited(await self._written(owner, before, revision, world), uid)

    async def remove_entry(self, owner: str, id: str, revision: int, uid: str) -> Edited:
        before = await self.get(owner, id)
        world = _opened(before)
        del world["entries"][_key(before, world, uid)]
        return Edited(await self._written(owner, before, revision, world))

    async def mark(
        self, owner: str, id: str, revision: int, uids: Sequence[str], fields: Mapping[str, Any] | None
    ) -> Item:
        """Other values of the same fields in many entries, or with None none of these entries any more.

        Raises LorebookNotFound, EntryNotFound or ItemChanged.
        """
        before = await self.get(owner, id)
        world = _opened(before)
        for uid in uids:
            key = _key(before, world, uid)
            if fields is None:
                del world["entries"][key]
            else:
                world["entries"][key] = dict(world["entries"][key]) | dict(fields)
        return await self._written(owner, before, revision, world)

    async def sort(self, owner: str, id: str, revision: int, uids: Sequence[str]) -> Item:
        """The order in which its entries are listed; those that are not named come last. Prompts do not
        depend on it. Raises as `mark`."""
        before = await self.get(owner, id)
        world = _opened(before)
        rows = world["entries"]
        keys = dict.fromkeys([_key(before, world, uid) for uid in uids] + list(rows))
        world["entries"] = {key: _placed(rows[key], place) for place, key in enumerate(keys)}
        return await self._written(owner, before, revision, world)

    async def put_back(self, owner: str, id: str, name: str, world: Mapping[str, Any], links: Links) -> Item:
        """One that was removed, where it was. Raises ItemExists."""

        def work(connection: Connection) -> Item:
            if items.taken(connection, id):
                raise ItemExists(name)
            document, size = dict(world), len(files.rows_of(world))
            return items.add(connection, owner, "lorebook", name, document, links, size=size, id=id)

        return await self._database.write(work)

    async def remove(self, owner: str, id: str) -> None:
        await self.get(owner, id)
        await self._database.write(lambda c: items.remove(c, owner, id))

    async def file(self, owner: str, id: str, format: Format = "world") -> dict[str, Any]:
        """For other programs: a world file as it came, with what was changed; or Character Card V3's form."""
        found = await self.get(owner, id)
        return files.as_book(found.name, found.document) if format == "v3" else dict(found.document)

    async def _written(self, owner: str, before: Item, revision: int, world: Mapping[str, Any]) -> Item:
        size = len(files.rows_of(world))
        return await self._database.write(
            lambda c: items.change(c, owner, before, revision, document=dict(world), size=size)
        )


def _opened(item: Item) -> dict[str, Any]:
    """The document with entries that may be changed."""
    found = item.document.get("entries")
    return {**item.document, "entries": dict(found) if isinstance(found, dict) else {}}


def _placed(row: Any, place: int) -> Any:
    """With SillyTavern's place in the list."""
    return {**row, "displayIndex": place} if isinstance(row, dict) else row


def _key(item: Item, world: Mapping[str, Any], uid: str) -> str:
    """Under which an entry stands: its uid, as a rule."""
    rows = world["entries"]
    if isinstance(rows.get(uid), dict) and str(rows[uid].get("uid", uid)) == uid:
        return uid
    found = (key for key, row in rows.items() if isinstance(row, dict) and str(row.get("uid")) == uid)
    key = next(found, uid if uid in rows else "")
    if not key:
        raise EntryNotFound(item.name, uid)
    return key


def _number(row: Mapping[str, Any]) -> int:
    uid = row.get("uid")
    return uid if isinstance(uid, int) and not isinstance(uid, bool) else -1
