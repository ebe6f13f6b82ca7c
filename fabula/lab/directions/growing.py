"""Files of weights that get a few tensors more, or other numbers in some: what is copied, and what is new.

The tensors that were there keep their bytes and their order; the new ones lie behind them. GGUF keeps its
metadata to the byte, but for the count of tensors that the parts of a split model tell of each other. Knows
no architecture and no direction.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import WeightsUnusable
from fabula.core.texts import phrase
from fabula.lab.directions import finite
from fabula.lab.directions.edit import File, Place, Span
from fabula.models.formats.gguf import Header, pair_spans
from fabula.models.formats.safetensors import Stored
from fabula.models.formats.types import TENSOR_TYPES

SPLIT_COUNT = "split.tensors.count"
ALIGNMENT = 32  # bytes, where a GGUF does not say another
PIECE = 16 << 20  # bytes that are copied before anybody is told, or may end the work
COUNT_AT = 8  # byte of a GGUF at which the number of its tensors stands
PAIRS_AT = 24  # and at which its metadata begins
F32 = 0  # GGUF's number of the type

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class New:
    """A tensor that was not there; rows of `shape` first, `type` as safetensors calls it."""

    name: str
    shape: Shape
    type: str
    data: bytes


# ── GGUF ────────────────────────────────────────────────────────────────────────────────────────────


def gguf(
    header: Header,
    name: str,
    changed: Mapping[str, bytes],
    more: Sequence[New],
    grown: int,
) -> File:
    """`more` are in 32 bits; `grown` tensors come to the whole model, of which this file may be a part.
    Raises WeightsUnusable."""
    head = _head(header, more, grown)
    alignment = int(header.metadata.get("general.alignment", ALIGNMENT))
    end = header.data_end if more else header.file_size
    spans = list(_spans(head, header.data_start, end, in_gguf(header), changed))
    if more:
        spans += _behind(spans[-1].end, [one.data for one in more], alignment, len(head))
    return File(header.path, name, tuple(spans))


def in_gguf(header: Header) -> dict[str, Place]:
    """Where each tensor lies."""
    starts = {tensor.name: header.data_start + tensor.offset for tensor in header.tensors}
    return {
        one.name: Place(starts[one.name], starts[one.name] + (one.size or 0), TENSOR_TYPES[one.type].name)
        for one in header.tensors
    }


def _head(header: Header, more: Sequence[New], grown: int) -> bytes:
    """All that stands before the first tensor's numbers."""
    pairs = pair_spans(header.path)
    end = max((last for _, last in pairs.values()), default=PAIRS_AT)
    with header.path.open("rb") as file:
        head = bytearray(file.read(header.data_start))
    if SPLIT_COUNT in pairs:
        _count_up(head, pairs[SPLIT_COUNT], grown)
    alignment = int(header.metadata.get("general.alignment", ALIGNMENT))
    infos = b"".join(_info(one.name, one.shape, one.type, one.offset) for one in header.tensors)
    if bytes(head[end : end + len(infos)]) != infos:  # a name that is no UTF-8
        reason = phrase("models.problem.damaged", file=header.path.name, name=header.path.stem)
        raise WeightsUnusable(header.path.stem, reason)
    if not more:
        return bytes(head)
    head[COUNT_AT : COUNT_AT + 8] = struct.pack("<Q", len(header.tensors) + len(more))
    at = _aligned(header.data_end - header.data_start, alignment)
    for one in more:
        infos += _info(one.name, one.shape[::-1], F32, at)
        at = _aligned(at + len(one.data), alignment)
    made = bytes(head[:end]) + infos
    return made + bytes(-len(made) % alignment)


def _info(name: str, shape: Shape, type_: int, offset: int) -> bytes:
    """`shape` is in GGUF's order."""
    raw = name.encode("utf-8", "replace")
    sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return struct.pack("<Q", len(raw)) + raw + sizes + struct.pack("<IQ", type_, offset)


def _count_up(head: bytearray, place: tuple[int, int], grown: int) -> None:
    """A whole number of any width, at the end of its key's place."""
    start, end = place
    at = start + 8 + len(SPLIT_COUNT) + 4
    count = int.from_bytes(head[at:end], "little") + grown
    head[at:end] = count.to_bytes(end - at, "little")


def _behind(at: int, data: Iterable[bytes], alignment: int, start: int) -> Iterator[Span]:
    """Each at a place that the alignment asks for, counted from the first tensor's; so is the file's end."""
    for block in data:
        padding = -(at - start) % alignment
        yield Span("", at, at + padding + len(block), data=bytes(padding) + block)
        at += padding + len(block)
    if padding := -(at - start) % alignment:
        yield Span("", at, at + padding, data=bytes(padding))


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


# ── safetensors ─────────────────────────────────────────────────────────────────────────────────────


def shard(
    path: Path,
    stored: Mapping[str, Stored],
    changed: Mapping[str, bytes],
    more: Sequence[New],
) -> File:
    """One file of a folder."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        raw = file.read(length)
    start = 8 + length
    end = max((tensor.end for tensor in stored.values()), default=start) if more else path.stat().st_size
    head = struct.pack("<Q", length) + raw if not more else _shard_head(json.loads(raw), end - start, more)
    places = {name: in_shard(tensor) for name, tensor in stored.items()}
    spans = list(_spans(head, start, end, places, changed))
    for one in more:
        spans.append(Span(one.name, spans[-1].end, spans[-1].end + len(one.data), data=one.data))
    return File(path, path.name, tuple(spans))


def in_shard(stored: Stored) -> Place:
    return Place(stored.start, stored.end, stored.type)


def _shard_head(rows: dict[str, Any], at: int, more: Sequence[New]) -> bytes:
    for one in more:
        place = [at, at + len(one.data)]
        rows[one.name] = {"dtype": one.type, "shape": list(one.shape), "data_offsets": place}
        at += len(one.data)
    head = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head


# ── both ────────────────────────────────────────────────────────────────────────────────────────────


def _spans(
    head: bytes, start: int, end: int, places: Mapping[str, Place], changed: Mapping[str, bytes]
) -> Iterator[Span]:
    """The head in place of what was before `start`, then what was there until `end`, but for what changed."""
    yield Span("", 0, len(head), data=head)
    moved, at = len(head) - start, start
    for name in sorted(places, key=places.__getitem__):
        first, last, type_ = places[name]
        yield from _copied(at + moved, first + moved, moved)
        if name in changed:
            assert len(changed[name]) == last - first
            yield Span(name, first + moved, last + moved, data=changed[name])
        else:
            yield from _copied(first + moved, last + moved, moved, name, type_)
        at = last
    yield from _copied(at + moved, end + moved, moved)


def _copied(start: int, end: int, moved: int, name: str = "", type_: str = "") -> Iterator[Span]:
    """In pieces of whole blocks."""
    block = finite.block_bytes(type_)
    step = PIECE // block * block
    for at in range(start, end, step):
        yield Span(name, at, min(at + step, end), moved, type=type_)
