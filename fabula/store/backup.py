"""Backups of a home and the way back: database, settings, looks, media, derived models in one checked zip.

Secrets, models and saved engine slots stay out. Knows no tables.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fabula import __version__
from fabula.core.errors import BackupInvalid
from fabula.core.texts import phrase
from fabula.store.database import Database, copy_database
from fabula.store.files import require_space, sync_folder, writing
from fabula.store.home import Home
from fabula.store.migrations import HEAD
from fabula.store.studio import claim

FORMAT = 1
DATABASE = "fabula.db"
CONFIG = "config.toml"
MEDIA = "media"
DERIVED = "derived"
LOOK = "look"
KEPT = (MEDIA, DERIVED, LOOK)
"""Folders of the home whose files belong into a backup."""
MANIFEST = "manifest.json"
MANIFEST_LIMIT = 64 * 2**20  # bytes
CHUNK = 2**20  # bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a backup."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    format: int
    fabula: str
    schema: str
    created_at: float
    files: dict[str, Entry]

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Raises ValueError, KeyError or TypeError for what is no manifest."""
        tree = json.loads(data)
        files = {str(name): Entry(int(e["size"]), str(e["sha256"])) for name, e in tree["files"].items()}
        return cls(
            format=int(tree["format"]),
            fabula=str(tree["fabula"]),
            schema=str(tree["schema"]),
            created_at=float(tree["created_at"]),
            files=files,
        )


# ── making one ──────────────────────────────────────────────────────────────────────────────────────────


def backup(home: Home) -> Path:
    """A new zip in the home's `backups`, also while the studio is running. Blocks; call it in a thread."""
    target = home.backups / f"fabula-{_stamp()}.zip"
    with writing(home.backups):
        home.backups.mkdir(parents=True, exist_ok=True)
    require_space(home.backups, 2 * sum(path.stat().st_size for _, path in _sources(home)))
    part = target.with_suffix(".part")
    try:
        with tempfile.TemporaryDirectory(dir=home.backups, prefix=".backup-") as folder, writing(part):
            _write_zip(home, Path(folder) / DATABASE, part)
            os.replace(part, target)
            sync_folder(target.parent)
    finally:
        part.unlink(missing_ok=True)
    return target


def _write_zip(home: Home, copy: Path, part: Path) -> None:
    if home.database.exists():
        copy_database(home.database, copy)
    with (
        part.open("xb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        os.chmod(part, 0o600)
        files = {
            name: _pack(archive, name, copy if name == DATABASE else path) for name, path in _sources(home)
        }
        manifest = Manifest(
            format=FORMAT, fabula=__version__, schema=HEAD, created_at=time.time(), files=files
        )
        archive.writestr(MANIFEST, json.dumps(dataclasses.asdict(manifest), indent=1))
        archive.close()
        os.fsync(file.fileno())


def _sources(home: Home) -> Iterator[tuple[str, Path]]:
    """Name in the zip and file on the disk of everything that belongs into a backup."""
    if home.database.exists():
        yield DATABASE, home.database
    if home.config.exists():
        yield CONFIG, home.config
    for name in KEPT:
        for path in sorted((home.path / name).rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(home.path).as_posix(), path


def _pack(archive: zipfile.ZipFile, name: str, source: Path) -> Entry:
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as file, archive.open(name, "w", force_zip64=True) as packed:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            packed.write(chunk)
    return Entry(size, digest.hexdigest())


# ── going back to one ───────────────────────────────────────────────────────────────────────────────────


def restore(home: Home, file: Path) -> Path:
    """Puts a backup in the place of what is there; answers the folder that now holds what was there.

    Raises BackupInvalid, DatabaseTooNew, or StudioRunning when the home is in use.
    """
    home.create()
    with claim(home):
        return put_back(home, file)


def put_back(home: Home, file: Path) -> Path:
    """The same for whoever has claimed the home, while nothing of it is open.

    Everything is unpacked and checked before anything is changed.
    """
    with checked(home, file) as (unpacked, _), writing(home.path):
        kept = _keep(home)
        _swap(home, unpacked)
        return kept


@contextmanager
def checked(home: Home, file: Path) -> Iterator[tuple[Path, Manifest]]:
    """A backup's files in a folder that goes when the block ends; of what a restore has put aside, a copy.

    Raises BackupInvalid or DatabaseTooNew.
    """
    with tempfile.TemporaryDirectory(dir=home.path, prefix=".restore-") as folder:
        unpacked = Path(folder)
        manifest = _copy(file, unpacked, home) if file.is_dir() else unpack(file, unpacked, home)
        _check_database(file, unpacked / DATABASE)
        yield unpacked, manifest


def _copy(aside: Path, folder: Path, home: Home) -> Manifest:
    """What `_keep` has put aside. No version and no checksum is told there."""
    databases = [aside / DATABASE, aside / f"{DATABASE}-wal"]
    require_space(home.path, 2 * sum(path.stat().st_size for path in databases if path.exists()))
    with writing(folder):
        _copy_parts(aside, [*databases, aside / CONFIG], folder)
    found = [path for path in folder.rglob("*") if path.is_file()]
    files = {path.relative_to(folder).as_posix(): Entry(path.stat().st_size, "") for path in found}
    made = aside.stat().st_mtime
    return Manifest(format=FORMAT, fabula="", schema="", created_at=made, files=files)


def unpack(file: Path, folder: Path, home: Home) -> Manifest:
    """The files of a backup, each as the manifest says. Raises BackupInvalid."""
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _read_manifest(file, archive)
            require_space(home.path, 2 * sum(entry.size for entry in manifest.files.values()))
            for name, entry in manifest.files.items():
                _unpack(file, archive, name, entry, folder)
            return manifest
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BackupInvalid(str(file), str(error) or type(error).__name__) from error
    except OSError as error:
        raise BackupInvalid(str(file), error.strerror or str(error)) from error


def _read_manifest(file: Path, archive: zipfile.ZipFile) -> Manifest:
    try:
        if archive.getinfo(MANIFEST).file_size > MANIFEST_LIMIT:
            raise ValueError("the manifest is too long")
        manifest = Manifest.parse(archive.read(MANIFEST))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupInvalid(str(file), phrase("reasons.backup_manifest", reason=error)) from error
    if manifest.format != FORMAT:
        raise BackupInvalid(str(file), phrase("reasons.backup_format", format=manifest.format))
    extra = set(archive.namelist()) ^ {MANIFEST, *manifest.files}
    if extra or len(archive.namelist()) != len(manifest.files) + 1:
        raise BackupInvalid(str(file), phrase("reasons.backup_files", names=", ".join(sorted(extra)[:3])))
    for name in manifest.files:
        if not is_expected(name):
            raise BackupInvalid(str(file), phrase("reasons.backup_name", name=repr(name[:80])))
    return manifest


def is_expected(name: str) -> bool:
    """Whether a name in a zip stays inside the home, on every system."""
    path = PurePosixPath(name)
    plain = not any(part in ("..", ".", "") or set(part) & set('\\:*?"<>|\0') for part in name.split("/"))
    return plain and (name in (DATABASE, CONFIG) or (path.parts[0] in KEPT and len(path.parts) > 1))


def _unpack(file: Path, archive: zipfile.ZipFile, name: str, entry: Entry, folder: Path) -> None:
    target = folder / name
    digest, size = hashlib.sha256(), 0
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as packed, writing(target), target.open("xb") as out:
        while (chunk := packed.read(CHUNK)) and size <= entry.size:
            digest.update(chunk)
            size += len(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if (size, digest.hexdigest()) != (entry.size, entry.sha256):
        raise BackupInvalid(str(file), phrase("reasons.backup_damaged", name=name))


def _check_database(file: Path, database: Path) -> None:
    """Whole, and not newer than this program; an older one is brought up to date here, before the swap."""
    if not database.exists():
        raise BackupInvalid(str(file), phrase("reasons.backup_no_database"))
    try:
        connection = sqlite3.connect(database)
        try:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise BackupInvalid(str(file), str(error)) from error
    if answer != "ok":
        raise BackupInvalid(str(file), str(answer))
    candidate = Database(database)
    try:
        candidate.open()
    finally:
        candidate.close()


def _keep(home: Home) -> Path:
    """A copy of what is there now, the database with its unmerged part."""
    kept = home.backups / f"replaced-{_stamp()}"
    kept.mkdir(parents=True)
    _copy_parts(home.path, [home.database, _wal(home), home.config], kept)
    sync_folder(kept)
    return kept


def _copy_parts(source: Path, files: list[Path], target: Path) -> None:
    for path in files:
        if path.exists():
            shutil.copy2(path, target / path.name)
    for name in KEPT:
        if (source / name).exists():
            shutil.copytree(source / name, target / name, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    """These files are never changed in place, so that a second name is as good as a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _swap(home: Home, unpacked: Path) -> None:
    """The old write-ahead log goes first: SQLite would apply it to the new database."""
    for leftover in (_wal(home), home.path / f"{DATABASE}-shm"):
        leftover.unlink(missing_ok=True)
    os.replace(unpacked / DATABASE, home.database)
    home.config.unlink(missing_ok=True)
    if (unpacked / CONFIG).exists():
        os.replace(unpacked / CONFIG, home.config)
    for name in KEPT:
        if (home.path / name).exists():
            os.replace(home.path / name, unpacked / f"old-{name}")
        (unpacked / name).mkdir(exist_ok=True)
        os.replace(unpacked / name, home.path / name)
    sync_folder(home.path)


def _wal(home: Home) -> Path:
    return home.path / f"{DATABASE}-wal"


def _stamp() -> str:
    """Sorts by time; the fraction keeps two in one second apart."""
    now = time.time()
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)) + f"-{int(now % 1 * 1e6):06d}"
