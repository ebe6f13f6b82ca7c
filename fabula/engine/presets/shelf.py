"""All presets that a person can name: ours and their own. Knows no file and no HTTP."""

from __future__ import annotations

import builtins  # in Presets, `list` lists presets
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from fabula.core.errors import BadParameter, PresetBuiltIn, PresetExists, PresetNotFound
from fabula.core.sampling import Sampling
from fabula.core.texts import phrase
from fabula.engine.presets.built_in import built_in
from fabula.store.database import Database
from fabula.store.schema.chats import chats
from fabula.store.schema.novels import novels
from fabula.store.schema.presets import presets

KEY = "preset"
"""Among the values of a sampling: the name of the preset that they are laid over."""

MAX_NAME = 200  # characters
MAX_ABOUT = 10_000
MAX_SAMPLING = 500_000  # characters of JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """`sampling` has only the fields that it sets. Times are Unix seconds, 0 of what comes with Fabula."""

    name: str
    sampling: dict[str, Any]
    about: str = ""
    built_in: bool = False
    created_at: float = 0.0
    updated_at: float = 0.0


class Presets:
    """What asks for an owner shows no preset of anyone else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, owner: str) -> builtins.list[Preset]:
        """Those that come with Fabula, then the person's own by name."""
        own = await self._database.read(lambda c: _listed(c, owner))
        return [*(_built_in(name) for name in built_in()), *own]

    async def get(self, owner: str, name: str) -> Preset:
        """Raises PresetNotFound."""
        if name in built_in():
            return _built_in(name)
        row = await self._database.read(lambda c: _row(c, owner, name))
        if row is None:
            raise PresetNotFound(name, ", ".join(preset.name for preset in await self.list(owner)))
        return _as_preset(row)

    async def save(
        self, owner: str, name: str, sampling: Mapping[str, Any], about: str = "", *, replace: bool = False
    ) -> Preset:
        """Raises BadParameter, PresetBuiltIn, or PresetExists unless it may be replaced."""
        name = name.strip()
        _check(name, about)
        values = _storable(sampling)
        await self._database.write(lambda c: _save(c, owner, name, values, about, replace))
        return await self.get(owner, name)

    async def change(self, owner: str, name: str, new: str | None = None, about: str | None = None) -> Preset:
        """Another name or description. Raises PresetNotFound, PresetBuiltIn, PresetExists, BadParameter."""
        old = await self.get(owner, name)
        new = old.name if new is None else new.strip()
        about = old.about if about is None else about
        if old.built_in:
            raise PresetBuiltIn(name)
        _check(new, about)
        await self._database.write(lambda c: _renamed(c, owner, name, new, about))
        return await self.get(owner, new)

    async def remove(self, owner: str, name: str) -> None:
        """Raises PresetNotFound, or PresetBuiltIn."""
        if name in built_in():
            raise PresetBuiltIn(name)
        await self.get(owner, name)
        await self._database.write(
            lambda c: c.execute(delete(presets).where(presets.c.owner_id == owner, presets.c.name == name))
        )

    async def laid(self, owner: str, *layers: Mapping[str, Any]) -> dict[str, Any]:
        """Values laid over each other, each over the one before it; beneath them all the preset that the last
        of them names. Raises PresetNotFound or BadParameter."""
        values: dict[str, Any] = {}
        for layer in layers:
            values |= layer
        name = values.pop(KEY, "")
        if not isinstance(name, str):
            raise BadParameter(KEY, f"{name!r}"[:80], phrase("expected.text"))
        return (await self.get(owner, name)).sampling | values if name else values

    async def sampling(self, owner: str, *layers: Mapping[str, Any]) -> Sampling:
        """As `laid`, checked."""
        return Sampling.of(await self.laid(owner, *layers))


def _built_in(name: str) -> Preset:
    return Preset(name=name, sampling=dict(built_in()[name]), built_in=True)


def _check(name: str, about: str) -> None:
    if name in built_in():
        raise PresetBuiltIn(name)
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise BadParameter("name", name[:80], phrase("expected.preset_name", most=MAX_NAME))
    if len(about) > MAX_ABOUT:
        raise BadParameter("about", about[:80], phrase("expected.shorter", most=MAX_ABOUT))


def _storable(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON holds them; numbers that it has no words for, and half characters, are refused."""
    Sampling.of(dict(sampling))
    try:
        text = json.dumps(dict(sampling), ensure_ascii=False, allow_nan=False)
        text.encode()
    except ValueError as wrong:
        raise BadParameter("sampling", f"{wrong}"[:80], phrase("expected.preset_file")) from wrong
    if len(text) > MAX_SAMPLING:
        raise BadParameter("sampling", f"{text[:60]}…", phrase("expected.shorter", most=MAX_SAMPLING))
    values: dict[str, Any] = json.loads(text)
    return values


def _save(
    connection: Connection, owner: str, name: str, sampling: dict[str, Any], about: str, replace: bool
) -> None:
    now = time.time()
    if _row(connection, owner, name) is None:
        row = {"owner_id": owner, "name": name, "created_at": now}
        connection.execute(insert(presets).values(**row, about=about, sampling=sampling, updated_at=now))
        return
    if not replace:
        raise PresetExists(name)
    change = update(presets).where(presets.c.owner_id == owner, presets.c.name == name)
    connection.execute(change.values(about=about, sampling=sampling, updated_at=now))


def _renamed(connection: Connection, owner: str, name: str, new: str, about: str) -> None:
    """Chats and novels that name it follow: they would not answer any more."""
    if new != name and _row(connection, owner, new) is not None:
        raise PresetExists(new)
    change = update(presets).where(presets.c.owner_id == owner, presets.c.name == name)
    connection.execute(change.values(name=new, about=about, updated_at=time.time()))
    for table in (chats, novels):
        for id, sampling in connection.execute(
            select(table.c.id, table.c.sampling).where(table.c.owner_id == owner)
        ).all():
            if new != name and sampling.get(KEY) == name:
                following = update(table).where(table.c.id == id)
                connection.execute(following.values(sampling=sampling | {KEY: new}))


def _row(connection: Connection, owner: str, name: str) -> Row[Any] | None:
    query = select(presets).where(presets.c.owner_id == owner, presets.c.name == name)
    return connection.execute(query).one_or_none()


def _listed(connection: Connection, owner: str) -> list[Preset]:
    query = select(presets).where(presets.c.owner_id == owner).order_by(presets.c.name)
    return [_as_preset(row) for row in connection.execute(query)]


def _as_preset(row: Row[Any]) -> Preset:
    fields = {name: value for name, value in row._mapping.items() if name != "owner_id"}
    return Preset(**fields)
