"""The new file before its weights: its head, and where each tensor will lie. Writes nothing.

All metadata is copied as the bytes that stand in the source, the vocabulary among them; only what the types
change is written anew.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fabula.lab.quantize.importance import Importance
from fabula.lab.quantize.mixes import Mix
from fabula.lab.quantize.rules import Choice
from fabula.lab.quantize.source import Source, size_of
from fabula.models.formats.gguf import MAGIC, pair_spans
from fabula.models.formats.types import TENSOR_TYPES

VERSION = 3
QUANTIZATION_VERSION = 2  # of the blocks' layout (GGML_QNT_VERSION)
ALIGNMENT = "general.alignment"
FILE_TYPE = "general.file_type"
BLOCKS = "general.quantization_version"
LEFT_OUT = (FILE_TYPE, BLOCKS, "split.no", "split.count", "split.tensors.count")
OF_IMPORTANCE = "quantize.imatrix."
UINT32, TEXT = 4, 8


@dataclass(frozen=True, slots=True)
class Target:
    """`starts[i]` is where the data of `choices[i]` begins, in bytes from the start of the file."""

    head: bytes
    choices: tuple[Choice, ...]
    starts: tuple[int, ...]
    size: int

    @property
    def types(self) -> dict[str, int]:
        """How many tensors have each type, the most frequent first."""
        return dict(Counter(TENSOR_TYPES[choice.type].name for choice in self.choices).most_common())


def target(source: Source, choices: Sequence[Choice], mix: Mix, importance: Importance | None) -> Target:
    align = source.header.number(ALIGNMENT, 32)
    offsets, end = [], 0
    for choice in choices:
        offsets.append(end)
        end += _padded(size_of(choice.tensor, choice.type), align)
    pairs = _copied(source) + [_pair(name, value) for name, value in _new(mix, importance).items()]
    head = MAGIC + struct.pack("<IQQ", VERSION, len(choices), len(pairs)) + b"".join(pairs)
    head += b"".join(_entry(choice, offset) for choice, offset in zip(choices, offsets, strict=True))
    head += bytes(_padded(len(head), align) - len(head))
    return Target(head, tuple(choices), tuple(len(head) + offset for offset in offsets), len(head) + end)


def sizes(source: Source, choices: Sequence[Choice]) -> tuple[int, float]:
    """Bytes of the new file's weights, and its bits per weight."""
    total = sum(size_of(choice.tensor, choice.type) for choice in choices)
    return total, 8 * total / source.elements


def _padded(size: int, align: int) -> int:
    return size + -size % align


def _copied(source: Source) -> list[bytes]:
    path = source.header.path
    with path.open("rb") as file:
        data = file.read(source.header.data_start)
    return [
        data[start:end]
        for name, (start, end) in pair_spans(path).items()
        if name not in LEFT_OUT and not name.startswith(OF_IMPORTANCE)
    ]


def _new(mix: Mix, importance: Importance | None) -> Mapping[str, int | str]:
    told: dict[str, int | str] = {BLOCKS: QUANTIZATION_VERSION, FILE_TYPE: mix.file_type}
    if importance:
        told |= {f"{OF_IMPORTANCE}file": importance.path.name}
        told |= {f"{OF_IMPORTANCE}dataset": importance.dataset} if importance.dataset else {}
        told |= {f"{OF_IMPORTANCE}entries_count": len(importance.entries)}
        told |= {f"{OF_IMPORTANCE}chunks_count": importance.chunks} if importance.chunks else {}
    return told


def _pair(name: str, value: int | str) -> bytes:
    if isinstance(value, int):
        return _string(name) + struct.pack("<II", UINT32, value)
    return _string(name) + struct.pack("<I", TEXT) + _string(value)


def _entry(choice: Choice, offset: int) -> bytes:
    shape = choice.tensor.shape
    return _string(choice.tensor.name) + struct.pack(
        f"<I{len(shape)}QIQ", len(shape), *shape, choice.type, offset
    )


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw
