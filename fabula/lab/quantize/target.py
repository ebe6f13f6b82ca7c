"""The new file, or its parts, before the weights: heads, and where each tensor will lie. Writes nothing.

All metadata is copied as the bytes that stand in the source, the vocabulary among them; only what the types
change is written anew.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
SPLIT = ("split.no", "split.count", "split.tensors.count")
LEFT_OUT = (FILE_TYPE, BLOCKS, *SPLIT)
OF_IMPORTANCE = "quantize.imatrix."
UINT16, UINT32, INT32, TEXT = 2, 4, 5, 8


@dataclass(frozen=True, slots=True)
class Part:
    """One file. `starts[i]` is where the data of `choices[i]` begins, in bytes from the start of the file."""

    name: str  # "" for a model in one file, whose name is not known here
    head: bytes
    choices: tuple[Choice, ...]
    starts: tuple[int, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Target:
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(part.size for part in self.parts)

    @property
    def head(self) -> bytes:
        return b"".join(part.head for part in self.parts)

    def files(self, place: Path) -> list[Path]:
        """The only file, or those in the folder of that name."""
        return [place / part.name if part.name else place for part in self.parts]


def target(
    source: Source,
    choices: Sequence[Choice],
    mix: Mix,
    importance: Importance | None,
    name: str = "",
    part_size: int = 0,
) -> Target:
    """In one file, or in parts of `name` of at most `part_size` bytes of weights; all metadata stands in the
    first."""
    pairs = _copied(source) + [_pair(key, value) for key, value in _new(mix, importance).items()]
    groups, align = list(_groups(choices, part_size)), source.header.number(ALIGNMENT, 32)
    if len(groups) == 1:
        return Target((_part("", pairs, choices, align),))
    parts = []
    for number, group in enumerate(groups):
        told = [] if number else pairs
        told = [*told, *_split_pairs(number, len(groups), len(choices))]
        file = f"{name}-{number + 1:05}-of-{len(groups):05}.gguf"
        parts.append(_part(file, told, group, align))
    return Target(tuple(parts))


def _groups(choices: Sequence[Choice], most: int) -> Iterator[Sequence[Choice]]:
    """What fits into a part; a tensor that is larger than one has a part to itself."""
    group, filled = list[Choice](), 0
    for choice in choices:
        size = size_of(choice.tensor, choice.type)
        if group and most and filled + size > most:
            yield group
            group, filled = [], 0
        group.append(choice)
        filled += size
    yield group


def _part(name: str, pairs: Sequence[bytes], choices: Sequence[Choice], align: int) -> Part:
    offsets, end = [], 0
    for choice in choices:
        offsets.append(end)
        end += _padded(size_of(choice.tensor, choice.type), align)
    head = MAGIC + struct.pack("<IQQ", VERSION, len(choices), len(pairs)) + b"".join(pairs)
    head += b"".join(_entry(choice, offset) for choice, offset in zip(choices, offsets, strict=True))
    head += bytes(_padded(len(head), align) - len(head))
    return Part(name, head, tuple(choices), tuple(len(head) + offset for offset in offsets), len(head) + end)


def _split_pairs(number: int, count: int, tensors: int) -> list[bytes]:
    """In the widths that the engine asks for."""
    kinds = (("<IH", UINT16, number), ("<IH", UINT16, count), ("<Ii", INT32, tensors))
    return [
        _string(key) + struct.pack(form, kind, value)
        for key, (form, kind, value) in zip(SPLIT, kinds, strict=True)
    ]


def types_of(choices: Sequence[Choice]) -> dict[str, int]:
    """How many tensors have each type, the most frequent first."""
    return dict(Counter(TENSOR_TYPES[choice.type].name for choice in choices).most_common())


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
