"""Read safetensors files: the list of tensors, and the bytes of one tensor. Knows no architecture.

A header is untrusted input. Every length is compared with the bytes that the file really has, and with the
limits below, before anything is read or allocated.

    8 bytes     length of the header
    header      JSON: {name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__": {…}}
    the rest    tensor data; offsets count from its start
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

HEADER_LIMIT = 16 << 20  # bytes; the largest models' headers take about 1 MB per shard
MARKS_LIMIT = 400_000  # commas and colons of a header; a tensor has about ten
TENSOR_LIMIT = 1 << 18
DIMENSIONS_LIMIT = 8
NAME_LIMIT = 1024  # characters

BITS = {
    "F64": 64,
    "F32": 32,
    "F16": 16,
    "BF16": 16,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "F4": 4,
    "C64": 64,
    "I64": 64,
    "I32": 32,
    "I16": 16,
    "I8": 8,
    "U64": 64,
    "U32": 32,
    "U16": 16,
    "U8": 8,
    "BOOL": 8,
}
"""Bits per number of each type."""

Reason = Literal["empty", "truncated", "damaged", "unreadable"]


class BadTensors(Exception):
    """Why a file cannot be read as safetensors. `detail` is for logs."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor of a file. `start` and `end` are bytes of the file; rows of `shape` come first."""

    name: str
    type: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_tensors(path: Path) -> dict[str, Stored]:
    """The tensors of a file by name. Raises BadTensors."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = _header_length(file.read(8), size)
            text = file.read(length)
    except OSError as error:
        raise BadTensors("unreadable", str(error)) from error
    if len(text) != length:
        raise BadTensors("truncated", "the file became shorter while it was read")
    rows = _rows(text)
    rows.pop("__metadata__", None)
    if len(rows) > TENSOR_LIMIT:
        raise BadTensors("damaged", f"{len(rows)} tensors")
    start = 8 + length
    tensors = {name: _stored(name, row, start, size) for name, row in rows.items()}
    _refuse_overlaps(list(tensors.values()))
    return tensors


def read_data(path: Path, tensor: Stored) -> bytes:
    """The bytes of one tensor. Raises BadTensors."""
    try:
        with path.open("rb") as file:
            file.seek(tensor.start)
            data = file.read(tensor.end - tensor.start)
    except OSError as error:
        raise BadTensors("unreadable", str(error)) from error
    if len(data) != tensor.end - tensor.start:
        raise BadTensors("truncated", "the file became shorter while it was read")
    return data


def _header_length(raw: bytes, size: int) -> int:
    if size == 0:
        raise BadTensors("empty")
    if len(raw) < 8:
        raise BadTensors("truncated", f"{size} bytes")
    length: int = struct.unpack("<Q", raw)[0]
    if length > HEADER_LIMIT:
        raise BadTensors("damaged", f"a header of {length} bytes")
    if length > size - 8:
        raise BadTensors("truncated", f"a header of {length} bytes in a file of {size}")
    return length


def _rows(text: bytes) -> dict[str, Any]:
    if text.count(b",") + text.count(b":") > MARKS_LIMIT:
        raise BadTensors("damaged", "the header lists too much")
    try:
        rows = json.loads(text.decode("utf-8"), object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        raise BadTensors("damaged", f"the header is no JSON: {error}"[:200]) from error
    if not isinstance(rows, dict):
        raise BadTensors("damaged", "the header is no object")
    return rows


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _stored(name: str, row: Any, start: int, size: int) -> Stored:
    try:
        kind, shape, (begin, end) = row["dtype"], row["shape"], row["data_offsets"]
    except (TypeError, KeyError, ValueError) as error:
        raise BadTensors("damaged", f"{name[:80]!r} is not described") from error
    if len(name) > NAME_LIMIT or f"{kind}" not in BITS or not isinstance(shape, list):
        raise BadTensors("damaged", f"{name[:80]!r} is of the type {kind!r}"[:200])
    if len(shape) > DIMENSIONS_LIMIT or not all(_is_count(number) for number in (*shape, begin, end)):
        raise BadTensors("damaged", f"{name[:80]!r} has an absurd size")
    if begin > end or 8 * (end - begin) != math.prod(shape) * BITS[kind]:
        raise BadTensors("damaged", f"the bytes of {name[:80]!r} do not fit its shape")
    if start + end > size:
        raise BadTensors("truncated", f"{name[:80]!r} ends behind the file")
    return Stored(name, kind, tuple(shape), start + begin, start + end)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 60


def _refuse_overlaps(tensors: list[Stored]) -> None:
    """A file may not claim more data than it has by naming the same bytes again and again."""
    at = 0
    for tensor in sorted(tensors, key=lambda tensor: (tensor.start, tensor.end)):
        if tensor.start < at:
            raise BadTensors("damaged", f"{tensor.name[:80]!r} overlaps another tensor")
        at = tensor.end
