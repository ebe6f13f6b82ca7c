"""Backups of a home and what restores have put aside: listed, looked into, removed. Knows no zip's inside."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fabula.core.errors import BackupInvalid, BackupNotFound, FabulaError
from fabula.store import settings
from fabula.store.backup import DATABASE, checked
from fabula.store.files import is_safe_name, writing
from fabula.store.home import Home

ASIDE = "replaced-"
COUNTED = {
    "chats": "SELECT count(*) FROM chats WHERE deleted_at IS NULL",
    "messages": "SELECT count(*) FROM messages",
    "characters": "SELECT count(*) FROM characters WHERE deleted_at IS NULL",
    "novels": "SELECT count(*) FROM novels WHERE deleted_at IS NULL",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """A backup, or a folder of what was replaced. `size` is bytes, `created_at` Unix seconds."""

    name: str
    size: int
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What a backup that was read whole holds, beside what is here now."""

    fabula: str
    created_at: float
    files: int
    holds: Mapping[str, int]
    now: Mapping[str, int]


def listed(home: Home) -> list[Kept]:
    """Backups, the newest first."""
    return _kept(path for path in _children(home) if path.suffix == ".zip" and path.is_file())


def aside(home: Home) -> list[Kept]:
    """What restores have replaced, the newest first."""
    return _kept(path for path in _children(home) if path.name.startswith(ASIDE) and path.is_dir())


def find(home: Home, name: str) -> Path:
    """Raises BackupNotFound."""
    if is_safe_name(name) and name in {each.name for each in (*listed(home), *aside(home))}:
        return home.backups / name
    raise BackupNotFound(name, str(home.backups))


def look_into(home: Home, name: str) -> Inside:
    """Unpacks and checks it as a restore would. Raises BackupNotFound, BackupInvalid or DatabaseTooNew."""
    file = find(home, name)
    with checked(home, file) as (unpacked, manifest):
        try:
            settings.load(Home(unpacked))
        except FabulaError as wrong:
            raise BackupInvalid(str(file), wrong.as_phrase()) from wrong
        return Inside(
            fabula=manifest.fabula,
            created_at=manifest.created_at,
            files=len(manifest.files),
            holds=counted(unpacked / DATABASE),
            now=counted(home.database),
        )


def remove(home: Home, name: str) -> None:
    """Raises BackupNotFound."""
    path = find(home, name)
    with writing(path):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def counted(database: Path) -> dict[str, int]:
    """How much a person has made; {} where no database is there, or it is not to be read now."""
    if not database.exists():
        return {}
    connection = sqlite3.connect(f"file:{database.as_posix()}?mode=ro", uri=True)
    try:
        return {name: int(connection.execute(query).fetchone()[0]) for name, query in COUNTED.items()}
    except sqlite3.Error:
        return {}
    finally:
        connection.close()


def _children(home: Home) -> list[Path]:
    return sorted(home.backups.iterdir(), reverse=True) if home.backups.is_dir() else []


def _kept(paths: Iterable[Path]) -> list[Kept]:
    return [Kept(path.name, size_of(path)[0], path.stat().st_mtime) for path in paths]


def size_of(path: Path) -> tuple[int, int]:
    """Bytes and files of a file or a folder. Links count as nothing; what goes away meanwhile is left out."""
    inside = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    sizes = [size for each in (path, *inside) if (size := _size(each)) is not None]
    return sum(sizes), len(sizes)


def _size(path: Path) -> int | None:
    """Of a file; None for anything else."""
    with suppress(OSError):
        found = path.lstat()
        return found.st_size if stat.S_ISREG(found.st_mode) else None
    return None
