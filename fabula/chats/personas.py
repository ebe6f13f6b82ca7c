"""Personas: who the person is in a story. Knows no HTTP and no prompt layout."""

from __future__ import annotations

import builtins  # in Personas, `list` lists them
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection, select

from fabula.chats import items
from fabula.chats.items import Item, Links
from fabula.core.errors import ItemExists, PersonaNotFound
from fabula.prompt.faithful.model import PersonaPlace
from fabula.prompt.lore.entry import Role
from fabula.store.database import Database
from fabula.store.schema.chats import chats

NOWHERE = Links()


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """`place` says where the description stands, `depth` and `role` hold where that is in the chat.

    `everywhere` in its links makes it the one that is taken where no other is chosen; a character that it is
    linked with takes it before that one.
    """

    id: str = ""
    name: str = ""
    title: str = ""  # what the person calls it beside the name
    description: str = ""
    place: int = PersonaPlace.IN_STORY
    depth: int = 2
    role: int = Role.SYSTEM
    links: Links = NOWHERE
    revision: int = 0
    picture: str = ""  # a digest, "" = none

    def document(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name in FIELDS}


FIELDS = ("title", "description", "place", "depth", "role", "picture")


MOST_USES = 100  # chats


@dataclass(frozen=True, slots=True)
class Use:
    """A chat that names a persona."""

    id: str
    title: str
    updated_at: float


def persona_of(item: Item) -> Persona:
    known = {name: item.document[name] for name in FIELDS if name in item.document}
    return Persona(id=item.id, name=item.name, links=item.links, revision=item.revision, **known)


class Personas:
    """What asks for an owner shows no persona of anyone else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, owner: str) -> builtins.list[Persona]:
        return await self._database.read(lambda c: all_of(c, owner))

    async def get(self, owner: str, id: str) -> Persona:
        """Raises PersonaNotFound."""
        return persona_of(await self._item(owner, id))

    async def add(self, owner: str, persona: Persona) -> Persona:
        def work(connection: Connection) -> Item:
            if persona.links.everywhere:
                _no_other_default(connection, owner)
            return items.add(connection, owner, "persona", persona.name, persona.document(), persona.links)

        return persona_of(await self._database.write(work))

    async def change(self, owner: str, id: str, revision: int, changes: Mapping[str, Any]) -> Persona:
        """Other values of some fields. Raises PersonaNotFound or ItemChanged."""
        before = await self._item(owner, id)
        known = {field.name for field in fields(Persona)} - {"id", "revision"}
        after = replace(persona_of(before), **{name: changes[name] for name in known & changes.keys()})

        def work(connection: Connection) -> Item:
            if after.links.everywhere:
                _no_other_default(connection, owner, but=id)
            row = {"name": after.name, "document": after.document(), "links": after.links}
            return items.change(connection, owner, before, revision, **row)

        return persona_of(await self._database.write(work))

    async def draw(self, owner: str, id: str, revision: int, picture: str) -> Persona:
        """With another picture, a digest; "" for none. Raises PersonaNotFound or ItemChanged."""
        return await self.change(owner, id, revision, {"picture": picture})

    async def uses(self, owner: str, id: str) -> builtins.list[Use]:
        """The chats that name it, the newest first. Raises PersonaNotFound."""
        await self._item(owner, id)
        columns = chats.c
        query = select(columns.id, columns.title, columns.updated_at)
        query = query.where(columns.owner_id == owner, columns.deleted_at.is_(None))
        query = query.where(columns.story["persona_id"].as_string() == id)
        query = query.order_by(columns.updated_at.desc()).limit(MOST_USES)
        return await self._database.read(lambda c: [Use(*row) for row in c.execute(query)])

    async def put_back(self, owner: str, persona: Persona) -> Persona:
        """One that was removed, where it was. Raises ItemExists."""

        def work(connection: Connection) -> Item:
            if items.taken(connection, persona.id):
                raise ItemExists(persona.name)
            if persona.links.everywhere:
                _no_other_default(connection, owner)
            row = (persona.name, persona.document(), persona.links)
            return items.add(connection, owner, "persona", *row, id=persona.id)

        return persona_of(await self._database.write(work))

    async def remove(self, owner: str, id: str) -> None:
        await self._item(owner, id)
        await self._database.write(lambda c: items.remove(c, owner, id))

    async def _item(self, owner: str, id: str) -> Item:
        found = await self._database.read(lambda c: items.find(c, owner, "persona", id))
        if found is None:
            raise PersonaNotFound(id)
        return found


def chosen(personas: builtins.list[Persona], id: str, characters: builtins.list[str]) -> Persona | None:
    """The one that a chat names, else one that is linked with who speaks in it, else the usual one."""
    named = next((one for one in personas if id and one.id == id), None)
    linked = (one for one in personas if set(one.links.characters) & set(characters))
    return named or next(linked, None) or next((one for one in personas if one.links.everywhere), None)


def all_of(connection: Connection, owner: str) -> builtins.list[Persona]:
    return [persona_of(item) for item in _all(connection, owner)]


def _all(connection: Connection, owner: str) -> builtins.list[Item]:
    return items.listed(connection, owner, "persona", whole=True)


def _no_other_default(connection: Connection, owner: str, but: str = "") -> None:
    """Only one is taken where no other is chosen."""
    for item in _all(connection, owner):
        if item.links.everywhere and item.id != but:
            links = replace(item.links, everywhere=False)
            items.change(connection, owner, item, item.revision, links=links)
