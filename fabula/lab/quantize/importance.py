"""Read an importance matrix: how strongly each input of each weight is used. Knows no model.

Two formats of llama.cpp's tools: GGUF (sums of squares and their counts, one pair of tensors per weight) and
the older `.dat`. Only where things lie is read at first; every length is compared with the file's.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fabula.core.errors import ImportanceUnusable
from fabula.core.texts import phrase
from fabula.lab.quantize.rules import EMBEDDINGS
from fabula.models.formats.gguf import BadHeader, Header, Tensor, read_header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUMS, COUNTS = ".in_sum2", ".counts"
F32 = 0
ENTRIES_LIMIT, NAME_LIMIT = 65_536, 4_096
_INT = struct.Struct("<i")


@dataclass(frozen=True, slots=True)
class Entry:
    """`length` sums from byte `start` on; `counts` of them, or where the file says how often each was added
    to: one number for each matrix (of experts)."""

    start: int
    length: int
    calls: int = 0
    counts: tuple[int, int] = (0, 0)  # start in bytes, length


@dataclass(frozen=True, slots=True)
class Importance:
    path: Path
    entries: Mapping[str, Entry]
    dataset: str = ""
    chunks: int = 0

    def require_fit(self, tensor: Tensor) -> None:
        """Raises ImportanceUnusable for one of another model."""
        entry = self.entries.get(tensor.name)
        expected = tensor.shape[0] * matrices(tensor)
        if entry and entry.length != expected and tensor.name not in EMBEDDINGS:
            parts = {"tensor": tensor.name, "found": entry.length, "expected": expected}
            raise ImportanceUnusable(self.path.name, phrase("lab.quantize.importance.other_model", **parts))

    def values(self, tensor: Tensor) -> NDArray[np.float32] | None:
        """Mean squares [matrices, row length]; None where it does not have that weight. Raises
        ImportanceUnusable where they are no numbers."""
        import numpy as np

        entry = self.entries.get(tensor.name)
        if entry is None or entry.length != tensor.shape[0] * matrices(tensor):
            return None
        with self.path.open("rb") as file:
            sums = _floats(file, entry.start, entry.length)
            if entry.counts[1]:
                means = _divided(sums, _floats(file, *entry.counts))
            else:
                means = sums / np.float32(entry.calls) if entry.calls > 0 else sums
        if not np.isfinite(means).all():
            raise ImportanceUnusable(self.path.name, phrase("lab.quantize.importance.no_numbers"))
        return np.ascontiguousarray(means.reshape(matrices(tensor), tensor.shape[0]), np.float32)


def matrices(tensor: Tensor) -> int:
    """How many the tensor stacks: one for each expert."""
    return math.prod(tensor.shape[2:])


def _floats(file: BinaryIO, start: int, length: int) -> NDArray[np.float32]:
    import numpy as np

    file.seek(start)
    return np.frombuffer(file.read(4 * length), "<f4").astype(np.float32)


def _divided(sums: NDArray[np.float32], counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """By matrix; one that was never used is as important everywhere."""
    import numpy as np

    rows, times = sums.reshape(len(counts), -1), np.rint(counts)[:, None]
    return np.where(times > 0, rows / np.maximum(times, 1), np.float32(1)).astype(np.float32)


def read_raw(
    path: Path, key: str, value: str
) -> tuple[int, dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]] | None:
    """(chunks, {weight: (sums [matrices, width], counts [matrices])}) of a GGUF that has this value there;
    None for any other file."""
    try:
        header = read_header(path)
        if header.text(key) != value:
            return None
        told = _from_header(header)
    except (BadHeader, ImportanceUnusable):
        return None
    found = {}
    with path.open("rb") as file:
        for name, entry in told.entries.items():
            counts = _floats(file, *entry.counts)
            found[name] = (_floats(file, entry.start, entry.length).reshape(len(counts), -1), counts)
    return told.chunks, found


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────


def read_importance(path: Path) -> Importance:
    """Raises ImportanceUnusable."""
    try:
        header = read_header(path)
    except BadHeader as bad:
        if bad.reason != "not_gguf":
            raise _unreadable(path, bad.reason) from bad
        return _read_old(path)
    except ValueError as bad:  # a name that no file can have
        raise _unreadable(path, "unreadable") from bad
    return _from_header(header)


def _unreadable(path: Path, problem: str) -> ImportanceUnusable:
    return ImportanceUnusable(path.name, phrase(f"models.problem.{problem}", file=path.name, name=path.name))


def _from_header(header: Header) -> Importance:
    if header.data_end > header.file_size:
        raise _unreadable(header.path, "truncated")
    tensors = {tensor.name: tensor for tensor in header.tensors}
    entries = {
        name.removesuffix(SUMS): _entry(header, tensor, tensors.get(name.removesuffix(SUMS) + COUNTS))
        for name, tensor in tensors.items()
        if name.endswith(SUMS)
    }
    if not entries:
        raise ImportanceUnusable(header.path.name, phrase("lab.quantize.importance.none"))
    dataset = next(iter(header.texts("imatrix.datasets")), "")
    return Importance(header.path, entries, dataset, header.number("imatrix.chunk_count"))


def _entry(header: Header, sums: Tensor, counts: Tensor | None) -> Entry:
    fits = counts and counts.elements and sums.elements % counts.elements == 0
    if counts is None or not fits or (sums.type, counts.type) != (F32, F32):
        raise _unreadable(header.path, "damaged")
    start = header.data_start
    where = (start + counts.offset, counts.elements)
    return Entry(start + sums.offset, sums.elements, counts=where)


class _Old:
    """Walks over a `.dat`, never past its end."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file, self.size, self.at = path, file, path.stat().st_size, 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > self.size:
            raise _unreadable(self.path, "truncated" if count >= 0 else "damaged")
        self.file.seek(self.at)
        self.at += count
        return self.file.read(count)

    def number(self, most: int) -> int:
        value = int(_INT.unpack(self.take(4))[0])
        if not 0 <= value <= most:
            raise _unreadable(self.path, "damaged")
        return value

    def text(self) -> str:
        return self.take(self.number(NAME_LIMIT)).decode("utf-8", "replace")

    def entry(self) -> tuple[str, Entry]:
        name, calls, length = self.text(), self.number(1 << 31), self.number(1 << 31)
        start = self.at
        if start + 4 * length > self.size:
            raise _unreadable(self.path, "truncated")
        self.at += 4 * length
        return name, Entry(start, length, calls)


def _read_old(path: Path) -> Importance:
    try:
        with path.open("rb") as file:
            reader = _Old(path, file)
            entries = dict(reader.entry() for _ in range(reader.number(ENTRIES_LIMIT)))
            rest: dict[str, Any] = {}
            if reader.at + 8 <= reader.size:  # written by later versions
                rest = {"chunks": reader.number(1 << 31), "dataset": reader.text()}
    except OSError as error:
        raise _unreadable(path, "unreadable") from error
    if not entries:
        raise ImportanceUnusable(path.name, phrase("lab.quantize.importance.none"))
    return Importance(path, entries, **rest)
