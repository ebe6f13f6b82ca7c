"""Write a small GGUF file: metadata, then tensors one after another. Knows no architecture.

Tensor data is made when its turn comes, so that no more than one tensor is in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from fabula.models.formats.gguf import MAGIC, STRING

VERSION = 3
ALIGNMENT = 32  # bytes; the format's own where a file does not say another
UINT32, INT32, FLOAT32, BOOL = 4, 5, 6, 7

ARRAY = 9
Value = str | int | float | Sequence[str] | Sequence[int] | Sequence[float]


@dataclass(frozen=True, slots=True)
class Draft:
    """A tensor to be written. `shape` is in GGUF's order; `data` makes exactly `size` bytes."""

    name: str
    shape: tuple[int, ...]
    type: int
    size: int
    data: Callable[[], bytes]


def write(file: BinaryIO, metadata: Mapping[str, Value], tensors: Sequence[Draft]) -> None:
    """The whole file, from where `file` stands, which must be its start."""
    file.write(header(metadata, tensors))
    for tensor in tensors:
        data = tensor.data()
        assert len(data) == tensor.size
        file.write(data)
        file.write(bytes(_padding(tensor.size)))


def header(metadata: Mapping[str, Value], tensors: Sequence[Draft]) -> bytes:
    """All that stands before the data of the first tensor."""
    head = MAGIC + struct.pack("<IQQ", VERSION, len(tensors), len(metadata))
    head += b"".join(_string(name) + _value(value) for name, value in metadata.items())
    offset = 0
    for tensor in tensors:
        head += _string(tensor.name) + struct.pack("<I", len(tensor.shape))
        head += struct.pack(f"<{len(tensor.shape)}QIQ", *tensor.shape, tensor.type, offset)
        offset += tensor.size + _padding(tensor.size)
    return head + bytes(_padding(len(head)))


def data_size(tensors: Sequence[Draft]) -> int:
    """Bytes that the data of all tensors takes, each padded."""
    return sum(tensor.size + _padding(tensor.size) for tensor in tensors)


def _padding(size: int) -> int:
    return -size % ALIGNMENT


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _string(value)
    if isinstance(value, bool):
        return struct.pack("<IB", BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", UINT32, value)
    if isinstance(value, float):
        return struct.pack("<If", FLOAT32, value)
    items = [_value(item) for item in value]
    kind = struct.unpack_from("<I", items[0])[0] if items else UINT32
    kind = INT32 if kind == UINT32 else kind  # as readers expect of lists
    rest = b"".join(item[4:] for item in items)
    return struct.pack("<IIQ", ARRAY, kind, len(items)) + rest
