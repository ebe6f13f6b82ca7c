"""What became of each row of a batch, on the disk before anything else is done. Knows no row's meaning.

One JSON object per line: first what the batch is (a hash of each of its parts), then one line for each row
that was asked. A line is on the disk when `add` returns, so a row that is over is never asked again; a line
that was cut in the middle counts as none. Of a row the last line holds; with `again` it says that the row
is not over.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class _File:
    """What stands in the file, and where."""

    header: Told | None = None
    places: dict[int, tuple[int, int]] = field(default_factory=dict)  # row → start, length in bytes
    over: set[int] = field(default_factory=set)
    end: int = 0
    torn: bool = False

    def note(self, told: Told, start: int, length: int) -> None:
        row = told["row"]
        self.places[row] = (start, length)
        (self.over.discard if told.get("again") else self.over.add)(row)


class Journal:
    """Of one batch. `open` it, and `close` it at the end."""

    def __init__(self, path: Path, handle: int, file: _File) -> None:
        self.path = path
        self._handle, self._file = handle, file
        self._one = threading.Lock()

    @classmethod
    def open(cls, path: Path, batch: Mapping[str, str]) -> Self:
        """Goes on where it stood. Raises BatchChanged when it was begun with something else."""
        with writing(path):
            handle = os.open(path, _FLAGS, 0o600)
        try:
            file = _read(path)
            if file.header is not None:
                _same(path, file.header, batch)
            journal = cls(path, handle, file)
            if file.header is None:
                journal._write({"fabula_batch": FORMAT, **batch})
                sync_folder(path.parent)
            return journal
        except BaseException:
            os.close(handle)
            raise

    @property
    def rows(self) -> frozenset[int]:
        """Those that are over."""
        return frozenset(self._file.over)

    def add(self, row: int, told: Told) -> None:
        """On the disk when this returns. Raises StoreUnwritable."""
        line = {"row": row, **told}
        with self._one:
            self._file.note(line, *self._write(line))

    def told(self, row: int) -> Told:
        """What was written of a row last. Raises KeyError."""
        start, length = self._file.places[row]
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
        whole = (b"\n" if self._file.torn else b"") + data + b"\n"
        start = self._file.end + int(self._file.torn)
        try:
            written = os.write(self._handle, whole)
            os.fsync(self._handle)
        except OSError as error:
            raise StoreUnwritable(str(self.path), error.strerror or str(error)) from error
        self._file.end += written
        self._file.torn = written < len(whole)
        if self._file.torn:
            reason = phrase("reasons.cut_short", taken=written, size=len(whole))
            raise StoreUnwritable(str(self.path), reason)
        return start, len(data)


def _read(path: Path) -> _File:
    file, raw = _File(), b"\n"
    with path.open("rb") as lines:
        for raw in lines:
            told = _decoded(raw)
            if told is not None and file.header is None:
                file.header = told
            elif told is not None and "row" in told:
                file.note(told, file.end, len(raw.rstrip(b"\n")))
            file.end += len(raw)
    file.torn = not raw.endswith(b"\n")
    return file


def _decoded(line: bytes) -> Told | None:
    """None for a line that was cut: no beginning of an object is one."""
    try:
        value = json.loads(line.decode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _same(path: Path, header: Told, batch: Mapping[str, str]) -> None:
    for part, wanted in batch.items():
        if header.get(part) != wanted:
            told = phrase(f"batch.changed.{part}") if part in PARTS else part
            raise BatchChanged(str(path), told)
