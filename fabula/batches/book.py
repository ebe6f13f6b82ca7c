"""The batches of programs as the database keeps them. Knows how none of them is worked off.

validating → in_progress → finalizing → completed | expired
     └► failed      └► cancelling → cancelled
"""

from __future__ import annotations

import builtins  # in Book, `list` lists batches
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from fabula.batches.pages import Page, paged
from fabula.batches.uploads import READING, Upload, put
from fabula.core.errors import BatchNotFound
from fabula.core.request import Caller
from fabula.store.database import Database
from fabula.store.ids import new_id
from fabula.store.schema.batches import batches

State = Literal[
    "validating",
    "in_progress",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelling",
    "cancelled",
]
NONE = {"total": 0, "completed": 0, "failed": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """`problems` are `{line, error}` of its input, `times` when it came into each state. Unix seconds."""

    id: str
    owner_id: str
    key_id: str
    language: str
    endpoint: str
    input_id: str
    output_id: str = ""
    error_id: str = ""
    state: State = "validating"
    notes: dict[str, str] = field(default_factory=dict)
    problems: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict(NONE))
    times: dict[str, float] = field(default_factory=dict)
    created_at: float
    expires_at: float

    @property
    def is_over(self) -> bool:
        return self.state not in READING


class Book:
    """What asks for an owner shows no batch of anyone else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        caller: Caller,
        endpoint: str,
        input_id: str,
        notes: Mapping[str, str],
        seconds: float,
    ) -> Batch:
        """`seconds` from now it is over, whatever is done by then."""
        now = time.time()
        batch = Batch(
            id=f"batch_{new_id()}",
            owner_id=caller.owner_id,
            key_id=caller.key,
            language=caller.language,
            endpoint=endpoint,
            input_id=input_id,
            notes=dict(notes),
            created_at=now,
            expires_at=now + seconds,
        )
        row = {name: getattr(batch, name) for name in Batch.__dataclass_fields__}
        await self._database.write(lambda c: c.execute(insert(batches).values(**row)))
        return batch

    async def get(self, owner: str, id: str) -> Batch:
        """Raises BatchNotFound."""
        return await self._database.read(lambda c: _get(c, id, owner))

    async def list(self, owner: str, page: Page) -> tuple[builtins.list[Batch], bool]:
        """Those of a page, and whether there are more."""
        query = select(batches).where(batches.c.owner_id == owner)
        rows, more = await self._database.read(lambda c: paged(c, query, batches, page))
        return [_batch(row) for row in rows], more

    async def unfinished(self) -> builtins.list[Batch]:
        """Of everyone, oldest first."""
        query = select(batches).where(batches.c.state.in_(READING)).order_by(batches.c.created_at)
        return await self._database.read(lambda c: [_batch(row) for row in c.execute(query)])

    async def change(self, id: str, state: State | None = None, **values: Any) -> Batch:
        """A new state is put down with its time."""
        return await self._database.write(lambda c: _change(c, id, state, values))

    async def finish(
        self, id: str, state: State, counts: Mapping[str, int], files: Mapping[str, Upload]
    ) -> Batch:
        """Its last state and its files ("completed", "failed"), all or nothing."""
        return await self._database.write(lambda c: _finish(c, id, state, counts, files))

    async def cancel(self, owner: str, id: str) -> Batch:
        """One that is over stays as it is. Raises BatchNotFound."""
        return await self._database.write(lambda c: _cancel(c, owner, id))


def _get(connection: Connection, id: str, owner: str = "") -> Batch:
    row = connection.execute(select(batches).where(batches.c.id == id)).first()
    if row is None or (owner and row.owner_id != owner):
        raise BatchNotFound(id)
    return _batch(row)


def _change(connection: Connection, id: str, state: State | None, values: dict[str, Any]) -> Batch:
    if state:
        times = _get(connection, id).times | {state: time.time()}
        values = values | {"state": state, "times": times}
    connection.execute(update(batches).where(batches.c.id == id).values(**values))
    return _get(connection, id)


def _finish(
    connection: Connection, id: str, state: State, counts: Mapping[str, int], files: Mapping[str, Upload]
) -> Batch:
    batch = _get(connection, id)
    for file in files.values():
        put(connection, batch.owner_id, file)
    ids = {kind: file.id for kind, file in files.items()}
    ends = {"output_id": ids.get("completed", ""), "error_id": ids.get("failed", "")}
    return _change(connection, id, state, {"counts": dict(counts), **ends})


def _cancel(connection: Connection, owner: str, id: str) -> Batch:
    batch = _get(connection, id, owner)
    return batch if batch.is_over else _change(connection, id, "cancelling", {})


def _batch(row: Row[Any]) -> Batch:
    return Batch(**{name: getattr(row, name) for name in Batch.__dataclass_fields__})
