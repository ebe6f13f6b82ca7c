"""A disk that is full, told before it hurts and with what is missing. Knows no model."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fabula.core.errors import NoDiskSpace
from fabula.store.files import free_space, writing

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def disk_full(folder: Path, needed: int) -> Iterator[None]:
    """A disk that fills up is told with the bytes that are missing. Raises NoDiskSpace, StoreUnwritable."""
    with writing(folder):
        try:
            yield
        except OSError as error:
            if error.errno in FULL:
                raise NoDiskSpace(needed, free_space(folder), str(folder)) from error
            raise


def reserve(file: Path, size: int) -> None:
    """An empty file whose place on the disk is taken: one with holes that is mapped into memory would end the
    process when the disk has none left for them. Raises NoDiskSpace, StoreUnwritable."""
    with disk_full(file.parent, size), file.open("wb") as made:
        if size and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(made.fileno(), 0, size)
        made.truncate(size)
