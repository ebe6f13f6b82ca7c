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
UINT32, FLOAT32 = 4, 6

Value = str | int | float


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
    head = MAGIC + struct.pack("<IQQ", VERSION, len(tensors), len(metadata))
    head += b"".join(_string(name) + _value(value) for name, value in metadata.items())
    offset = 0
    for tensor in tensors:
        head += _string(tensor.name) + struct.pack("<I", len(tensor.shape))
        head += struct.pack(f"<{len(tensor.shape)}QIQ", *tensor.shape, tensor.type, offset)
        offset += tensor.size + _padding(tensor.size)
    file.write(head + bytes(_padding(len(head))))
    for tensor in tensors:
        data = tensor.data()
        assert len(data) == tensor.size
        file.write(data)
        file.write(bytes(_padding(tensor.size)))


def _padding(size: int) -> int:
    return -size % ALIGNMENT


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _string(value)
    if isinstance(value, int):
        return struct.pack("<II", UINT32, value)
    return struct.pack("<If", FLOAT32, value)
