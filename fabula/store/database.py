"""The database: one writer, several readers, migrations at the start. Knows no table.

SQLite in WAL mode, by SQL that PostgreSQL understands too. `open` and `close` block and belong to start and
end; in between `read` and `write` are awaited. Work is a function that takes a connection: one call of
`write` is one transaction, and what it raises undoes all of it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

from fabula.core.errors import BadParameter, DatabaseTooNew, StoreUnwritable
from fabula.core.texts import phrase
from fabula.store.files import writing
from fabula.store.migrations import HEAD

T = TypeVar("T")

READERS = 3
BUSY_TIMEOUT = 15.0  # seconds that a writer waits for another process (a job) to finish its transaction


class Database:
    def __init__(self, where: str | Path, backups: Path | None = None) -> None:
        """`where` is a file or a URL; a copy of an older file goes to `backups` before it is migrated."""
        is_url = isinstance(where, str) and "://" in where
        self.url = make_url(str(where)) if is_url else URL.create("sqlite", database=str(where))
        self.file = Path(str(self.url.database)) if self.url.get_backend_name() == "sqlite" else None
        self._backups = backups or (self.file.parent / "backups" if self.file else None)
        self._writer = self._engine("BEGIN IMMEDIATE", size=1)
        self._reader = self._engine("BEGIN", size=READERS)
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="fabula-writer")
        self._read_threads = ThreadPoolExecutor(READERS, thread_name_prefix="fabula-reader")

    def open(self) -> None:
        """Brings the schema up to date. Raises DatabaseTooNew or StoreUnwritable."""
        if self.file:
            with writing(self.file.parent):
                self.file.parent.mkdir(parents=True, exist_ok=True)
        found = self.read_sync(revision)
        if found == HEAD:
            return
        self._refuse_unknown(found)
        if found and self.file and self._backups:
            with writing(self._backups):
                self._backups.mkdir(parents=True, exist_ok=True)
            copy_database(self.file, self._backups / f"before-migration-{found}-{time.time_ns()}.db")
        self.write_sync(migrate)

    def close(self) -> None:
        """Waits for what was begun. May be called more than once."""
        self._write_thread.shutdown()
        self._read_threads.shutdown()
        self._writer.dispose()
        self._reader.dispose()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` as one transaction in the writer's thread; it is on the disk when this returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._write_thread, self._run, self._writer, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` on a snapshot, beside readers and the writer."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._read_threads, self._run, self._reader, work)

    def write_sync(self, work: Callable[[Connection], T]) -> T:
        """As `write`, for programs without an event loop (a job's child)."""
        return self._write_thread.submit(self._run, self._writer, work).result()

    def read_sync(self, work: Callable[[Connection], T]) -> T:
        return self._read_threads.submit(self._run, self._reader, work).result()

    def _run(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        try:
            with engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            raise self._for_people(error) from error
        except OverflowError as error:  # a number of a request that no column can hold
            expected = phrase("expected.whole_range", low=f"{-(2**63)}", high=f"{2**63 - 1}")
            raise BadParameter("number", "…", expected) from error

    def _for_people(self, error: DBAPIError) -> Exception:
        """A broken rule of the schema is a bug and stays as it is; a full or damaged disk is told."""
        if isinstance(error.orig, sqlite3.OperationalError) or type(error.orig) is sqlite3.DatabaseError:
            return StoreUnwritable(str(self.file or self.url.host), str(error.orig))
        return error

    def _refuse_unknown(self, found: str) -> None:
        from alembic.script.revision import ResolutionError
        from alembic.util import CommandError

        try:
            if found:
                _script().get_revision(found)
        except (CommandError, ResolutionError) as error:
            raise DatabaseTooNew(found=found, known=HEAD) from error

    def _engine(self, begin: str, size: int) -> Engine:
        if not self.file:
            return create_engine(self.url, pool_size=size, max_overflow=0)
        engine = create_engine(self.url, pool_size=size, max_overflow=0, connect_args=_SQLITE)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine


_SQLITE = {"timeout": BUSY_TIMEOUT, "check_same_thread": False, "isolation_level": None}


def _prepare(connection: Any, record: object) -> None:
    """Every commit is synced: what was acknowledged survives a power loss."""
    del record
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def revision(connection: Connection) -> str:
    """The schema's step that a database is at; "" for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")) or "")


def migrate(connection: Connection, target: str = "head") -> None:
    """Runs all steps up to `target` inside the connection's transaction: all of them or none."""
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, target)


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _script() -> Any:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())


def copy_database(source: Path, target: Path) -> None:
    """A compact copy of a SQLite file at one moment, also while it is in use. `target` must not exist."""
    connection = sqlite3.connect(source, timeout=BUSY_TIMEOUT)
    try:
        connection.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise StoreUnwritable(str(target), str(error)) from error
    finally:
        connection.close()
