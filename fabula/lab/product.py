"""What an order made, so that the same order knows it again: killed at any moment, or asked once more. Knows
no method and no job.

Just before files go to their place, their stamps are written down: what lies there with those stamps is the
order's own. The result is written beside them when all is over.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.models.formats.folders import files_of
from fabula.models.formats.identify import parts_of
from fabula.models.sources.landing import land
from fabula.store.files import write_atomic, writing

Stamps = list[list[str | int]]
LONGEST_NAME = 180  # bytes


@dataclass(frozen=True, slots=True)
class Product:
    """`record` is where it is written down, `places` where what is made may lie. `mark` is of everything that
    its bytes depend on, `beside` of what only the result depends on."""

    record: Path
    places: tuple[Path, ...]
    mark: str
    beside: str = ""

    @property
    def is_there(self) -> bool:
        """Whether what lies there is what this order made."""
        return bool(self._told())

    @property
    def known(self) -> dict[str, Any] | None:
        """As much of the result as was told with what was made."""
        told = self._told()
        return told["result"] if told and told["beside"] == self.beside else None

    @property
    def result(self) -> dict[str, Any] | None:
        """Of the same order, where it is over."""
        return self.known if self._told().get("is_over") else None

    def land(self, whole: Path, place: Path, known: dict[str, Any] | None = None) -> None:
        """What is whole gets its name. Raises StoreUnwritable, OSError."""
        self._write(_files(whole), known, is_over=False)
        land(whole, place)

    def keep(self, result: dict[str, Any]) -> None:
        """It is over. Raises StoreUnwritable."""
        self._write(self._files(), result, is_over=True)

    def _files(self) -> Stamps:
        return next((_files(place) for place in self.places if place.exists()), [])

    def _told(self) -> dict[str, Any]:
        """Nothing where what lies there is not its own."""
        try:
            told: dict[str, Any] = json.loads(self.record.read_text(encoding="utf-8"))
            files = told["files"]
            is_ours = told["mark"] == self.mark and bool(files) and files == self._files()
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return told if is_ours else {}

    def _write(self, files: Stamps, result: dict[str, Any] | None, *, is_over: bool) -> None:
        with writing(self.record):
            self.record.parent.mkdir(parents=True, exist_ok=True)
        told: dict[str, Any] = {"mark": self.mark, "beside": self.beside, "files": files}
        told |= {"result": result, "is_over": is_over}
        write_atomic(self.record, json.dumps(told, ensure_ascii=False).encode())


def _files(place: Path) -> Stamps:
    """A single file has another name before it is in its place."""
    return stamps(place) if place.is_dir() else [["", *stamp[1:]] for stamp in stamps(place)]


def stamps(path: Path) -> Stamps:
    """Of all files of a model, or of one file."""
    files = files_of(path) if path.is_dir() else parts_of(path)
    return [[one.name, one.stat().st_size, one.stat().st_mtime_ns] for one in files if one.exists()]


def short(name: str) -> str:
    """With room for what is written behind a name meanwhile: file systems count bytes, not letters."""
    return name.encode("utf-8", "ignore")[:LONGEST_NAME].decode("utf-8", "ignore").strip(" ._") or "model"


def digest(told: Any) -> str:
    """SHA-256 of what can be written as JSON."""
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
