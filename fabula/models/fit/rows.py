"""Many plans at once: rows of the ground truth's format in, the same rows with bytes out. Knows no machine.

A row names a model (`model`, `ft`) and how it is loaded (`n_ctx`, `n_ubatch`, `n_seq`, `n_outputs`, `ctk`,
`ctv`, `fa`, `swa_full`, `unified`, `okqv`, `ngl`); what it leaves out has the engine's default. Headers lie
beside the rows, in `headers/MODEL.FT.gguf-header.gz` (or without `.gz`), or where `headers.json` says; a row
may also name a `file`.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fabula.models.fit.anatomy import Anatomy, anatomy
from fabula.models.fit.breakdown import Breakdown, breakdown
from fabula.models.fit.cache import Load, refusal
from fabula.models.formats.gguf import BadHeader, read_header_from

HEADER_LIMIT = 64 << 20  # bytes of an unpacked header
UNKNOWN_SIZE = 1 << 50  # bytes; a header alone does not tell how long its file was

Row = Mapping[str, Any]


def load_of(row: Row) -> Load:
    """How the row says that the model is loaded."""
    return Load(
        context=int(row["n_ctx"]),
        batch=int(row.get("n_ubatch", 512)),
        sequences=int(row.get("n_seq", 1)),
        outputs=int(row.get("n_outputs", 1)),
        keys=str(row.get("ctk", "f16")),
        values=str(row.get("ctv", "f16")),
        flash=row.get("fa", -1) != 0,
        whole_windows=bool(row.get("swa_full", 0)),
        unified=bool(row.get("unified", 1)),
        kv_offload=bool(row.get("okqv", 1)),
        gpu_layers=int(row.get("ngl", 0)),
    )


def told(model: Anatomy, load: Load) -> dict[str, Any]:
    """The columns of the ground truth for one row; `error` where the engine would refuse."""
    if reason := refusal(model, load):
        return {"error": "refused", "reason": reason}
    return columns(breakdown(model, load))


def columns(parts: Breakdown) -> dict[str, Any]:
    return {
        "host_model": parts.host_model,
        "host_context": parts.host_context,
        "host_compute": parts.host_compute,
        "dev_model": parts.device_model,
        "dev_context": parts.device_context,
        "dev_compute": parts.device_compute,
        "host_total": parts.host,
        "dev_total": parts.device,
        "rough": parts.rough,
    }


class Headers:
    """The anatomies of the models that rows name, each read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[tuple[str, str], Anatomy] = {}
        self._files: dict[tuple[str, str], str] = {}
        listed = folder / "headers.json"
        if listed.is_file():
            rows = json.loads(listed.read_text(encoding="utf-8"))
            self._files = {(row["model"], row["ft"]): row["file"] for row in rows}

    def of(self, row: Row) -> Anatomy:
        """Raises BadHeader or OSError."""
        key = (str(row["model"]), str(row.get("ft", "")))
        if key not in self._known:
            self._known[key] = read_anatomy(self._file(row, key))
        return self._known[key]

    def _file(self, row: Row, key: tuple[str, str]) -> Path:
        if key in self._files:
            return _inside(self.folder, self._files[key])
        if "file" in row:
            return _inside(self.folder, str(row["file"]))
        name = "headers/" + ".".join(part for part in key if part) + ".gguf-header"
        packed = _inside(self.folder, f"{name}.gz")
        return packed if packed.is_file() else _inside(self.folder, name)


def read_anatomy(file: Path) -> Anatomy:
    """From a header's bytes, packed or not, or from a whole GGUF. Raises BadHeader or OSError."""
    if file.suffix == ".gz":
        with gzip.open(file) as packed:
            data = packed.read(HEADER_LIMIT + 1)
        if len(data) > HEADER_LIMIT:
            raise BadHeader("damaged", f"a header of more than {HEADER_LIMIT} bytes")
        return anatomy([read_header_from(io.BytesIO(data), UNKNOWN_SIZE, file)])
    with file.open("rb") as whole:
        return anatomy([read_header_from(whole, UNKNOWN_SIZE, file)])


def _inside(folder: Path, name: str) -> Path:
    """A file's name is not trusted: it may not lead out of the folder. Raises BadHeader."""
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise BadHeader("unreadable", f"{name[:80]!r} lies outside of the folder")
    return file


def read_rows(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a `.jsonl` or `.jsonl.gz` file. Raises ValueError for a line that is no object."""
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no object")
            yield row


def plan_rows(file: Path) -> Iterator[dict[str, Any]]:
    """Each row with its plan laid over it; `error` where a header is missing or the engine would refuse."""
    headers = Headers(file.parent)
    for row in read_rows(file):
        try:
            yield {**row, **told(headers.of(row), load_of(row))}
        except (BadHeader, OSError, KeyError, ValueError) as bad:
            yield {**row, "error": "unreadable", "reason": str(bad)[:200]}
