"""Whether files of models are still what they were: read whole, hashed, compared with what was recorded.

The first verification records a SHA-256 beside the models; a later one finds a file whose bytes changed
though nobody wrote it. A file that was written since is recorded anew, and told so; but one whose source told
its hash has to stay what it was when it was fetched. Knows no source.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fabula.core.model import LocalModel
from fabula.models.formats.identify import parts_of

RECORD = ".hashes.json"
BLOCK = 4 << 20  # bytes

State = Literal["same", "recorded", "changed", "damaged", "missing", "unusable"]
"""changed: written since it was recorded; damaged: other bytes in a file that nobody wrote."""


@dataclass(frozen=True, slots=True)
class Verified:
    """One file. `sha256` is "" where it could not be read."""

    file: Path
    state: State
    sha256: str = ""

    @property
    def is_sound(self) -> bool:
        return self.state in ("same", "recorded", "changed")


def verify(
    model: LocalModel,
    folder: Path,
    expected: Mapping[str, str] | None = None,
    tell: Callable[[int], None] = lambda count: None,
) -> list[Verified]:
    """All files of a model. `expected` has hashes by file name that are known from elsewhere; `tell` is given
    bytes as they are read."""
    record = _read(folder / RECORD)
    found = [_verified(file, folder, record, expected or {}, tell) for file in files_of(model)]
    if model.problem and all(row.is_sound for row in found):
        found = [Verified(row.file, "unusable", row.sha256) for row in found]
    _write(folder / RECORD, record)
    return found


def note_hash(file: Path, folder: Path, sha256: str) -> None:
    """What a file was when it was fetched, as its source told and its bytes agreed."""
    record = _read(folder / RECORD)
    record[_name(file, folder)] = {"stamp": _stamp(file), "sha256": sha256, "fetched": True}
    _write(folder / RECORD, record)


def known_hash(file: Path, folder: Path) -> str:
    """What was recorded of a file that nobody has written since; "" = nothing."""
    known = _read(folder / RECORD).get(_name(file, folder))
    if isinstance(known, dict) and known.get("stamp") == _stamp(file):
        return str(known.get("sha256", ""))
    return ""


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)


def _stamp(file: Path) -> list[int]:
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]


def files_of(model: LocalModel) -> list[Path]:
    """Every file that belongs to it."""
    if model.path.is_dir():
        return sorted(file for file in model.path.iterdir() if file.is_file())
    return parts_of(model.path)


def _verified(
    file: Path,
    folder: Path,
    record: dict[str, Any],
    expected: Mapping[str, str],
    tell: Callable[[int], None],
) -> Verified:
    try:
        stamp, digest = _stamp(file), _hash(file, tell)
    except OSError:
        return Verified(file, "missing")
    name = _name(file, folder)
    if file.name in expected and digest != expected[file.name]:
        return Verified(file, "damaged", digest)
    if file.name in expected:
        record[name] = {"stamp": stamp, "sha256": digest}
        return Verified(file, "same", digest)
    known = record.get(name)
    if isinstance(known, dict) and (known.get("stamp") == stamp or known.get("fetched")):
        return Verified(file, "same" if known.get("sha256") == digest else "damaged", digest)
    record[name] = {"stamp": stamp, "sha256": digest}
    return Verified(file, "changed" if known else "recorded", digest)


def _hash(file: Path, tell: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(BLOCK):
            digest.update(block)
            tell(len(block))
    return digest.hexdigest()


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(file: Path, record: Mapping[str, Any]) -> None:
    """A folder that cannot be written is only verified without memory."""
    with suppress(OSError):
        draft = file.with_name(f"{file.name}.part")
        draft.write_text(json.dumps(record, indent=1), encoding="utf-8")
        draft.replace(file)
