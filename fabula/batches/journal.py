"""What became of each row of a batch, on the disk before anything else is done. Knows no row's meaning.

One JSON object per line: first what the batch is (a hash of each of its parts), then one line for each row
that is over. A line is on the disk when `add` returns, so a row that is over is never asked again; a line
that was cut in the middle counts as none. The last line of a row is the one that holds.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from fabula.core.errors import BatchChanged, StoreUnwritable
from fabula.core.texts import phrase
from fabula.store.files import sync_folder, writing

FORMAT = 1
PARTS = ("template", "rows", "model", "sampling")
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
Told = dict[str, Any]


def digest(*parts: str | bytes) -> str:
    """SHA-256 over the parts, each with its length, so that no two lists of them give the same."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        found.update(f"{len(data)}:".encode() + data)
    return found.hexdigest()


class Journal:
    """Of one batch. `open` it, and `close` it at the end."""

    def __init__(
        self, path: Path, handle: int, places: dict[int, tuple[int, int]], end: int, torn: bool
    ) -> None:
        self.path = path
        self._handle, self._places, self._end, self._torn = handle, places, end, torn
        self._one = threading.Lock()

    @classmethod
    def open(cls, path: Path, batch: Mapping[str, str]) -> Self:
        """Goes on where it stood. Raises BatchChanged when it was begun with something else."""
        with writing(path):
            handle = os.open(path, _FLAGS, 0o600)
        try:
            header, places, end, torn = _read(path)
            if header is not None:
                _same(path, header, batch)
            journal = cls(path, handle, places, end, torn)
            if header is None:
                journal._write({"fabula_batch": FORMAT, **batch})
                sync_folder(path.parent)
            return journal
        except BaseException:
            os.close(handle)
            raise

    @property
    def rows(self) -> frozenset[int]:
        """Those that have a line."""
        return frozenset(self._places)

    def add(self, row: int, told: Told) -> None:
        """On the disk when this returns. Raises StoreUnwritable."""
        with self._one:
            self._places[row] = self._write({"row": row, **told})

    def told(self, row: int) -> Told:
        """What was written of a row last. Raises KeyError."""
        start, length = self._places[row]
        with self.path.open("rb") as file:
            file.seek(start)
            return dict(json.loads(file.read(length)))

    def close(self) -> None:
        """What is being written in another thread is written first; nothing is after it."""
        with self._one:
            handle, self._handle = self._handle, -1
            if handle >= 0:
                os.close(handle)

    def _write(self, line: Told) -> tuple[int, int]:
        """Where the line stands. A cut line before it is ended first."""
        data = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        whole = (b"\n" if self._torn else b"") + data + b"\n"
        start = self._end + int(self._torn)
        try:
            written = os.write(self._handle, whole)
            os.fsync(self._handle)
        except OSError as error:
            raise StoreUnwritable(str(self.path), error.strerror or str(error)) from error
        self._end += written
        self._torn = written < len(whole)
        if self._torn:
            reason = phrase("reasons.cut_short", taken=written, size=len(whole))
            raise StoreUnwritable(str(self.path), reason)
        return start, len(data)


def _read(path: Path) -> tuple[Told | None, dict[int, tuple[int, int]], int, bool]:
    """(header, where the line of each row stands, size, whether the end is cut)."""
    header: Told | None = None
    places: dict[int, tuple[int, int]] = {}
    at, line = 0, b"\n"
    with path.open("rb") as file:
        for line in file:
            told = _decoded(line)
            if told is not None and header is None:
                header = told
            elif told is not None and "row" in told:
                places[told["row"]] = (at, len(line.rstrip(b"\n")))
            at += len(line)
    return header, places, at, not line.endswith(b"\n")


def _decoded(line: bytes) -> Told | None:
    try:
        value = json.loads(line.decode("utf-8", "surrogatepass")) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _same(path: Path, header: Told, batch: Mapping[str, str]) -> None:
    for part, wanted in batch.items():
        if header.get(part) != wanted:
            told = phrase(f"batch.changed.{part}") if part in PARTS else part
            raise BatchChanged(str(path), told)
