"""The journal: one file per unfinished turn, written before each send. Knows nothing of turns or chats.

A file holds JSON lines: the header, then `[id, kind, data]` per event. Each line is one write to the
operating system, without a sync: it survives `kill -9` of every process of ours, not a power loss.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fabula.core.errors import StoreUnwritable, TurnNotFound
from fabula.core.seams import Event
from fabula.core.texts import phrase
from fabula.store.files import is_safe_name, writing

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class FileRecord:
    """The open journal of one turn."""

    def __init__(self, id: str, path: Path, header: dict[str, Any]) -> None:
        self.id = id
        self._path = path
        self._torn = False
        with writing(path):
            self._handle = os.open(path, _FLAGS, 0o600)
        self._write(_encode(header))

    def append(self, event: Event) -> None:
        self._write(_encode([event.id, event.kind, event.data]))

    def close(self) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def _write(self, line: str) -> None:
        """A full disk may take half a line: the next one then starts on a line of its own."""
        data = (f"\n{line}\n" if self._torn else f"{line}\n").encode("utf-8", "surrogatepass")
        try:
            written = os.write(self._handle, data)
        except OSError as error:
            self._torn = True
            raise StoreUnwritable(str(self._path), error.strerror or str(error)) from error
        self._torn = written < len(data)
        if self._torn:
            raise StoreUnwritable(str(self._path), phrase("reasons.cut_short", taken=written, size=len(data)))


class FileJournal:
    """All unfinished turns of one home, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, id: str, header: dict[str, Any]) -> FileRecord:
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        return FileRecord(id, self._path(id), header)

    def read(self, id: str, after: int = 0) -> tuple[dict[str, Any], list[Event]]:
        """The header and all whole events after number `after`. Raises TurnNotFound."""
        try:
            data = self._path(id).read_bytes()
        except FileNotFoundError as error:
            raise TurnNotFound(id) from error
        lines = [value for value in map(_decode, data.split(b"\n")) if value is not None]
        if not lines or not isinstance(lines[0], dict):
            return {}, []  # killed while the header was being written: nothing had been shown yet
        events = [Event(*line) for line in lines[1:]]
        return lines[0], [event for event in events if event.id > after]

    def unfinished(self) -> list[str]:
        """The ids of all turns that are not folded yet, oldest first."""
        ages = [(_age(path), path.stem) for path in self._folder.glob("*.jsonl")]
        return [id for _, id in sorted(ages)]

    def fold(self, id: str) -> None:
        """Forgets a turn that the database has taken in. Forgetting twice is no error."""
        with writing(self._folder):
            self._path(id).unlink(missing_ok=True)

    def _path(self, id: str) -> Path:
        if not is_safe_name(id):
            raise TurnNotFound(id)
        return self._folder / f"{id}.jsonl"


def _decode(line: bytes) -> Any:
    """None for an empty line and for one that was cut in the middle."""
    try:
        return json.loads(line.decode("utf-8", "surrogatepass")) if line else None
    except ValueError:
        return None


def _age(path: Path) -> float:
    """0 for one that is folded while we look: whoever reads it is told that it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
