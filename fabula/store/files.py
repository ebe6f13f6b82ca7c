"""Writing files so that nobody ever sees half of one. Knows nothing of what is in them."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fabula.core.errors import NoDiskSpace, StoreUnwritable

_SAFE_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,120}")
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def is_safe_name(name: str) -> bool:
    """Whether a name is one plain file name on every system: no folder, no device, no hidden file."""
    return bool(_SAFE_NAME.fullmatch(name)) and name.split(".")[0].lower() not in _RESERVED


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the system says about a file that cannot be written into an error for people."""
    try:
        yield
    except OSError as error:
        raise StoreUnwritable(str(path), error.strerror or str(error)) from error


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """The file holds either its old bytes or all of `data`, whatever happens."""
    with writing(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, mode)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes a rename survive a power loss. Windows has no such call, and file systems may refuse it."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def free_space(folder: Path) -> int:
    """Bytes that this user may still write where `folder` is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def require_space(folder: Path, needed: int) -> None:
    free = free_space(folder)
    if free < needed:
        raise NoDiskSpace(needed=needed, free=free, folder=str(folder))
