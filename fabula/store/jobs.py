"""Jobs: long work with a state, a lease and a heartbeat. Knows no kinds and no processes.

    queued ──claim──► running ──► done | failed | cancelled
                         └─ the lease runs out ──► interrupted          resume: back to queued

Whoever works on a job holds its lease and renews it; a lease that is over means that the worker died.
"""

from __future__ import annotations

import builtins  # in Jobs, `list` lists jobs
import math
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from fabula.core.errors import FabulaError, JobNotFound
from fabula.core.request import LOCAL_OWNER
from fabula.store.database import Database
from fabula.store.ids import new_id
from fabula.store.schema.jobs import jobs

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
OPEN = ("queued", "running")
ENDED = ("done", "failed", "cancelled", "interrupted")
RESUMABLE = ("failed", "cancelled", "interrupted")
LEASE = 15.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is. `total` 0 = unknown; `rate` in units per second; `seconds_left` None = unknown."""

    done: float = 0
    total: float = 0
    unit: str = ""
    rate: float = 0
    seconds_left: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    id: str
    kind: str
    state: State
    title: str
    progress: Progress = Progress()
    result: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None  # {code, message, fields}
    cancel_requested: bool = False  # and perhaps not yet heard: see `state`
    created_at: float
    updated_at: float


class Jobs:
    """All jobs of a home. What asks for an owner shows no job of anyone else."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def create(
        self, kind: str, title: str, arguments: dict[str, Any], owner_id: str = LOCAL_OWNER
    ) -> Job:
        return await self.database.write(lambda c: create(c, kind, title, arguments, owner_id))

    async def get(self, id: str, owner_id: str = LOCAL_OWNER) -> Job:
        """Raises JobNotFound."""
        return await self.database.read(lambda c: _as_job(find(c, id, owner_id)))

    async def arguments(self, id: str, owner_id: str = LOCAL_OWNER) -> dict[str, Any]:
        """What was asked of it. Raises JobNotFound."""
        return await self.database.read(lambda c: dict(find(c, id, owner_id).arguments))

    async def list(self, owner_id: str = LOCAL_OWNER, limit: int = 100) -> builtins.list[Job]:
        """Newest first."""
        return await self.database.read(lambda c: listed(c, owner_id, limit))

    async def cancel(self, id: str, owner_id: str = LOCAL_OWNER) -> Job:
        """Ends a waiting job; asks a running one to end. One that has ended stays as it is."""
        return await self.database.write(lambda c: cancel(c, id, owner_id))

    async def resume(self, id: str, owner_id: str = LOCAL_OWNER) -> Job:
        """Queues a failed, cancelled or interrupted job again. Any other stays as it is."""
        return await self.database.write(lambda c: resume(c, id, owner_id))

    async def claim(self, id: str, worker: str, seconds: float = LEASE) -> bool:
        """Takes the lease of a waiting job. False: it is not waiting (any more)."""
        return await self.database.write(lambda c: claim(c, id, worker, seconds))

    async def heartbeat(self, id: str, worker: str, progress: Progress | None = None) -> bool:
        """Renews the lease. False: stop, for someone cancelled the job or the lease is lost."""
        return await self.database.write(lambda c: heartbeat(c, id, worker, progress))

    async def finish(self, id: str, result: dict[str, Any], worker: str = "") -> bool:
        """False: the lease was lost (when a worker is named), nothing was written."""
        return await self.database.write(lambda c: end(c, id, "done", worker, result=result))

    async def fail(self, id: str, error: FabulaError, worker: str = "") -> bool:
        return await self.database.write(lambda c: end(c, id, "failed", worker, error=as_error(error)))

    async def expire(self) -> builtins.list[Job]:
        """Running jobs whose lease is over become interrupted: their worker died. Answers them."""
        return await self.database.write(expire)


# ── what is done inside a transaction, here and in the child of a job ───────────────────────────────────


def create(connection: Connection, kind: str, title: str, arguments: dict[str, Any], owner_id: str) -> Job:
    id, now = new_id(), time.time()
    connection.execute(
        insert(jobs).values(
            id=id,
            owner_id=owner_id,
            kind=kind,
            title=title,
            arguments=arguments,
            state="queued",
            progress={},
            result={},
            worker="",
            lease_until=0.0,
            heartbeat_at=0.0,
            attempts=0,
            cancel_requested=False,
            created_at=now,
            updated_at=now,
        )
    )
    return _as_job(find(connection, id))


def find(connection: Connection, id: str, owner_id: str | None = None) -> Row[Any]:
    """The row of a job, of anyone when no owner is named. Raises JobNotFound."""
    query = select(jobs).where(jobs.c.id == id)
    row = connection.execute(query).first()
    if row is None or (owner_id is not None and row.owner_id != owner_id):
        raise JobNotFound(id)
    return row


def get(connection: Connection, id: str) -> Job:
    return _as_job(find(connection, id))


def listed(connection: Connection, owner_id: str, limit: int) -> list[Job]:
    query = select(jobs).where(jobs.c.owner_id == owner_id)
    query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
    return [_as_job(row) for row in connection.execute(query)]


def cancel(connection: Connection, id: str, owner_id: str) -> Job:
    row = find(connection, id, owner_id)
    if row.state == "queued":
        _set(connection, id, state="cancelled")
    elif row.state == "running":
        _set(connection, id, cancel_requested=True)
    return get(connection, id)


def resume(connection: Connection, id: str, owner_id: str) -> Job:
    row = find(connection, id, owner_id)
    if row.state in RESUMABLE:
        _set(connection, id, state="queued", error=None, cancel_requested=False, worker="", lease_until=0.0)
    return get(connection, id)


def claim(connection: Connection, id: str, worker: str, seconds: float = LEASE) -> bool:
    row = find(connection, id)
    if row.state != "queued":
        return False
    now = time.time()
    lease = {"worker": worker, "lease_until": now + seconds, "heartbeat_at": now}
    _set(connection, id, state="running", attempts=row.attempts + 1, progress={}, **lease)
    return True


def heartbeat(
    connection: Connection, id: str, worker: str, progress: Progress | None, seconds: float = LEASE
) -> bool:
    row = find(connection, id)
    if row.state != "running" or row.worker != worker:
        return False
    now = time.time()
    values: dict[str, Any] = {"lease_until": now + seconds, "heartbeat_at": now}
    if progress:
        values["progress"] = _as_dict(progress)
    _set(connection, id, **values)
    return not row.cancel_requested


def end(
    connection: Connection,
    id: str,
    state: State,
    worker: str = "",
    result: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
) -> bool:
    row = find(connection, id)
    if row.state not in OPEN or (worker and row.worker != worker):
        return False
    kept = row.result if result is None else result
    _set(connection, id, state=state, result=kept, error=error, worker="", lease_until=0.0)
    return True


def expire(connection: Connection) -> list[Job]:
    ids = running(connection, lease_before=time.time())
    for id in ids:
        end(connection, id, "interrupted")
    return [get(connection, id) for id in ids]


def running(connection: Connection, lease_before: float = math.inf) -> list[str]:
    """The ids of all running jobs (whose lease ends before a time)."""
    query = select(jobs.c.id).where(jobs.c.state == "running", jobs.c.lease_until < lease_before)
    return list(connection.scalars(query))


def as_error(error: FabulaError) -> dict[str, Any]:
    """An error as it is kept: its sentence is said again in the reader's language from code and fields."""
    return error.kept()


def _set(connection: Connection, id: str, **values: Any) -> None:
    connection.execute(update(jobs).where(jobs.c.id == id).values(**values, updated_at=time.time()))


def _as_dict(progress: Progress) -> dict[str, Any]:
    return {name: getattr(progress, name) for name in Progress.__dataclass_fields__}


def as_data(job: Job) -> dict[str, Any]:
    """A job as events and answers carry it."""
    names = (name for name in Job.__dataclass_fields__ if name != "progress")
    return {**{name: getattr(job, name) for name in names}, "progress": _as_dict(job.progress)}


def _as_job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        state=row.state,
        title=row.title,
        progress=Progress(**row.progress),
        result=row.result,
        error=row.error,
        cancel_requested=row.cancel_requested,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
