"""A file with a model's header and a hole in place of its weights: as long, and next to nothing on the disk.

The engine can plan with it, before anything is downloaded. Knows no engine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fabula.models.formats.gguf import Header

BLOCK = 512  # bytes, as file systems count them
FULL = 0.5  # of the file: what takes more on the disk is no hole


def write_twin(headers: Sequence[Header], folder: Path) -> Path:
    """Files of all parts in `folder`; answers the first. Raises OSError where the disk knows no holes."""
    if sys.platform == "win32":
        raise OSError("files with holes need a sign of their own on this system")
    files = [_write(header, folder / header.path.name) for header in headers]
    return files[0]


def _write(header: Header, file: Path) -> Path:
    file.write_bytes(_start(header))
    os.truncate(file, header.file_size)
    taken = file.stat().st_blocks * BLOCK
    if taken > max(FULL * header.file_size, 2 * header.data_start + (1 << 20)):
        file.unlink()
        raise OSError("the disk keeps no holes in files")
    return file


def _start(header: Header) -> bytes:
    """The bytes before the tensors."""
    if header.held:
        return header.held[: header.data_start]
    with header.path.open("rb") as file:
        return file.read(header.data_start)
