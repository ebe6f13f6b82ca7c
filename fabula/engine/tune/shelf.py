"""What was measured, kept per model, engine build and machine. Knows no engine process and no HTTP."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from fabula.core.load import NOTHING, LoadOptions
from fabula.core.model import LocalModel
from fabula.engine.builds.builds import Build
from fabula.engine.llamacpp.identity import weights
from fabula.models.formats.identify import parts_of
from fabula.models.hardware import Machine
from fabula.store.database import Database
from fabula.store.schema.tunings import tunings

TUNED = ("threads", "batch", "flash_attention", "speculation")
"""What a measurement may decide. All of it leaves the text as it is."""

_ENGINE_NAME = 200  # characters of the column


@dataclass(frozen=True, slots=True)
class Key:
    """What a measurement holds for."""

    model: str
    engine: str
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """`options` were chosen; `report` is what is shown of the measurement. Unix seconds."""

    options: LoadOptions = NOTHING
    report: dict[str, Any]
    created_at: float


def key(model: LocalModel, build: Build, machine: Machine) -> Key:
    """Raises OSError when the model's file cannot be read."""
    facts = [part.stat() for part in parts_of(model.path)]
    changed = tuple((fact.st_size, fact.st_mtime_ns) for fact in facts)
    engine = f"{build.name or build.program} {build.version or _own_version()}".strip()
    return Key(_weights(model, changed), engine[:_ENGINE_NAME], fingerprint(machine))


@functools.lru_cache(maxsize=256)
def _weights(model: LocalModel, changed: tuple[tuple[int, int], ...]) -> str:
    del changed  # it only tells the cache that a file is another one
    return weights(model.path)


@functools.cache
def _own_version() -> str:
    return importlib.metadata.version("xllamacpp")


def fingerprint(machine: Machine) -> str:
    """The same for the same processor, cores, memory (in whole GiB) and GPUs."""
    gpus = [(gpu.name, gpu.memory >> 30) for gpu in machine.gpus]
    memory = round(machine.memory / (1 << 30))
    about = [machine.processor, machine.cores, machine.physical_cores, memory, gpus]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


class Tunings:
    """All measurements of a home. They belong to the machine and have no owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, key: Key) -> Tuning | None:
        return self._database.read_sync(lambda c: _find(c, key))

    def save(self, key: Key, options: LoadOptions, report: dict[str, Any]) -> None:
        """In the place of an earlier one."""
        self._database.write_sync(lambda c: _save(c, key, options, report))

    def forget(self, key: Key) -> bool:
        """Whether there was one."""
        return self._database.write_sync(lambda c: bool(c.execute(delete(tunings).where(*_at(key))).rowcount))


def _at(key: Key) -> tuple[Any, ...]:
    columns = tunings.c
    return (columns.model == key.model, columns.engine == key.engine, columns.machine == key.machine)


def _find(connection: Connection, key: Key) -> Tuning | None:
    row = connection.execute(select(tunings).where(*_at(key))).one_or_none()
    if row is None:
        return None
    known = {name: value for name, value in row.options.items() if name in TUNED}
    return Tuning(options=LoadOptions.of(known), report=row.report, created_at=row.created_at)


def _save(connection: Connection, key: Key, options: LoadOptions, report: dict[str, Any]) -> None:
    connection.execute(delete(tunings).where(*_at(key)))
    connection.execute(
        insert(tunings).values(
            model=key.model,
            engine=key.engine,
            machine=key.machine,
            options=options.said(),
            report=report,
            created_at=time.time(),
        )
    )
