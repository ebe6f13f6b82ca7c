"""Put a fetched file in its place: `.part`, checksum, fsync, rename. Knows no network."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from fabula.core.errors import ChecksumMismatch, NoDiskSpace, NotAModel, StoreUnwritable
from fabula.models.formats.gguf import BadHeader, read_header
from fabula.models.sources.words import Errand, Meter
from fabula.models.verifying import known_hash

CHUNK = 1 << 20  # bytes
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def file_name(text: str) -> str:
    """A name that is safe on every system, ending in `.gguf`."""
    name = plain_name(text)
    return name if name.lower().endswith(".gguf") else f"{name}.gguf"


def plain_name(text: str) -> str:
    """A name that is safe on every system."""
    return re.sub(r'[\x00-\x1f<>:"/\\|?*]+', "_", text).strip(" ._")[:200] or "model"


@contextmanager
def one_at_a_time(errand: Errand, name: str) -> Iterator[None]:
    """Two fetches of the same thing follow one another, in this process or in another."""
    lock = FileLock(errand.workshop / f"{name}.lock")
    while True:
        errand.check_cancelled()
        with suppress(Timeout):
            lock.acquire(timeout=0.2)
            break
    try:
        yield
    finally:
        lock.release()


@contextmanager
def disk_errors(errand: Errand, needed: Callable[[], int], clean_up: Callable[[], None]) -> Iterator[None]:
    """Tells a full disk with the bytes that are missing, after cleaning up."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise StoreUnwritable(str(errand.folder), error.strerror or str(error)) from error
        wanted = needed()
        clean_up()
        raise NoDiskSpace(wanted, errand.free_space(errand.folder), str(errand.folder)) from error


def digest_of(path: Path, errand: Errand) -> str:
    """SHA-256 of a whole file."""
    digest = hashlib.sha256()
    meter = Meter(errand, path.stat().st_size, "models.fetch.checking")
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
            meter.add(len(block))
    meter.tell()
    return digest.hexdigest()


def has_digest(path: Path, size: int, sha256: str, errand: Errand) -> bool:
    """Whether it is a file of that size with that checksum; a size alone proves nothing."""
    if not sha256 or not path.is_file() or path.stat().st_size != size:
        return False
    known = known_hash(path, errand.folder)
    return (known or digest_of(path, errand)) == sha256.lower()


def check_digest(part: Path, name: str, expected: str, actual: str) -> None:
    """Raises ChecksumMismatch after removing the file."""
    if expected and expected.lower() != actual:
        part.unlink(missing_ok=True)
        raise ChecksumMismatch(name, expected.lower(), actual)


def check_model(path: Path, source: str) -> None:
    """Raises NotAModel for what is no whole GGUF file."""
    try:
        header = read_header(path)
    except BadHeader as bad:
        raise NotAModel(source, f"models.problem.{bad.reason}") from bad
    if header.data_end > header.file_size:
        raise NotAModel(source, "models.problem.truncated")


def flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def land(part: Path, target: Path) -> Path:
    """Renames a finished `.part`, so that the name appears only with the whole file behind it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part.replace(target)
    if hasattr(os, "O_DIRECTORY"):  # the name itself must survive a power cut; Windows cannot
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return target


def land_folder(stage: Path, target: Path) -> Path:
    """Renames a finished folder; one that holds the same files stays, another one keeps its name."""
    candidate, number = target, 2
    while candidate.exists() and not _is_alike(stage, candidate):
        candidate = target.with_name(f"{target.name}-{number}")
        number += 1
    if candidate.exists():
        shutil.rmtree(stage)
        return candidate
    return land(stage, candidate)


def _is_alike(one: Path, other: Path) -> bool:
    def files(folder: Path) -> dict[str, int]:
        return {file.name: file.stat().st_size for file in folder.iterdir() if file.is_file()}

    return other.is_dir() and files(one).items() <= files(other).items()


def free_name(target: Path) -> Path:
    """`target`, or with a number when another model has that name: only a damaged file is overwritten."""
    candidate, number = target, 2
    while candidate.exists() and not is_damaged(candidate):
        candidate = target.with_name(f"{target.stem}-{number}{target.suffix}")
        number += 1
    return candidate


def is_damaged(path: Path) -> bool:
    try:
        check_model(path, str(path))
    except NotAModel:
        return True
    return False
