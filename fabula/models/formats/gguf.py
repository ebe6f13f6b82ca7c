"""Read the header of a GGUF file: metadata and tensor list, never tensor data. Knows no architecture.

A header is untrusted input. Every count and length is compared with the bytes that the file really has,
and with the limits below, before anything is read or allocated. Big arrays (the vocabulary) are walked
over but not kept: `Span` says where they lie, `hashed` and `string_at` look into them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from fabula.models.formats.types import TENSOR_TYPES

MAGIC = b"GGUF"
OLD_MAGICS = (
    b"lmgg",
    b"fmgg",
    b"tjgg",
    b"algg",
    b"ggml",
    b"ggmf",
    b"ggjt",
    b"ggla",
)  # llama.cpp before August 2023
VERSIONS = (2, 3)

HEADER_LIMIT = 48 << 20  # bytes; 256k-token vocabularies with merges take about 20 MB
STRING_LIMIT = 32 << 20  # bytes; some files carry a whole tokenizer as one string
KEPT_STRING = 1 << 20  # bytes; the longest that are of use are chat templates
KEY_LIMIT = 65_535  # bytes, by the format
METADATA_LIMIT = 65_536
TENSOR_LIMIT = 65_536
DIMENSIONS_LIMIT = 4
KEPT_ARRAY = 1024  # arrays up to this length are kept as tuples
KEPT_IN_ALL = 4 << 20  # bytes of strings, and elements of arrays, that are kept of one header
READ_AHEAD = 4 << 20  # bytes
REMOTE_AHEAD, REMOTE_GROWTH = 2 << 20, 4  # bytes, times: the longest headers take four requests
SMALLEST_TENSOR = 8 + 1 + 4 + 8 + 4 + 8  # bytes of a tensor's entry with a name of one letter
SMALLEST_PAIR = 8 + 1 + 4 + 1

Reason = Literal[
    "empty", "not_gguf", "old_format", "big_endian", "version", "truncated", "damaged", "unreadable"
]


class BadHeader(Exception):
    """Why a file cannot be read as GGUF. `detail` is for logs."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Span:
    """What was not kept: `count` elements of type `kind`, or one long string, in bytes `start` to `end`."""

    kind: int
    count: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """`shape` is in GGUF's order (the row length first), `offset` counts from the start of the data."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def size(self) -> int | None:
        """Bytes in the file; None for a type that is not known here."""
        known = TENSOR_TYPES.get(self.type)
        return self.elements // known.block * known.size if known else None


@dataclass(frozen=True, slots=True)
class Header:
    path: Path
    version: int
    file_size: int
    metadata: dict[str, Any]
    tensors: tuple[Tensor, ...]
    data_start: int
    held: bytes = field(default=b"", repr=False)  # the start of a file that is not on this machine

    def text(self, key: str) -> str:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str, default: int = 0) -> int:
        """A whole number; of an array (one value per layer) its largest."""
        value = self.metadata.get(key)
        if isinstance(value, tuple):
            value = max((item for item in value if isinstance(item, int)), default=None)
        return int(value) if isinstance(value, int) else default

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.metadata.get(key)
        return tuple(item for item in value if isinstance(item, str)) if isinstance(value, tuple) else ()

    def length(self, key: str) -> int:
        """How many elements an array has, kept or not."""
        value = self.metadata.get(key)
        if isinstance(value, Span):
            return value.count
        return len(value) if isinstance(value, tuple) else 0

    @property
    def data_end(self) -> int:
        """The byte after the last tensor: what the file must at least be long."""
        ends = (self.data_start + tensor.offset + (tensor.size or 0) for tensor in self.tensors)
        return max(ends, default=self.data_start)


# ── bytes ───────────────────────────────────────────────────────────────────────────────────────────

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
STRING, ARRAY = 8, 9
LONG_STRING = -1  # no type of the format: a string that was not kept
_SCALARS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: _U32,
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: _U64,
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}


class Reads(Protocol):
    """What a header can be read from, start to end: a file, bytes, ranges of a remote file."""

    def read(self, size: int, /) -> bytes: ...


class _Reader:
    """Walks over the start of a file, reading ahead in growing steps and never past its end."""

    def __init__(self, file: Reads, size: int, ahead: int = READ_AHEAD, growth: int = 2) -> None:
        self.file, self.size = file, size
        self.ahead, self.growth, self.most = ahead, growth, max(ahead, READ_AHEAD) * growth
        self.buffer = bytearray()
        self.at = 0
        self.left = KEPT_IN_ALL

    def need(self, count: int) -> int:
        """Makes sure that `count` more bytes are there; answers where they start and moves behind them."""
        start, end = self.at, self.at + count
        if end > len(self.buffer):
            self._fill(end)
        self.at = end
        return start

    def start(self, count: int) -> bytes:
        """The first bytes, as many of `count` as there are, without moving."""
        if len(self.buffer) < min(count, self.size):
            self._fill(min(count, self.size))
        return bytes(self.buffer[:count])

    def _fill(self, end: int) -> None:
        if end > self.size:
            raise BadHeader("truncated", f"the header needs {end} bytes, the file has {self.size}")
        if end > HEADER_LIMIT:
            raise BadHeader("damaged", f"the header is longer than {HEADER_LIMIT} bytes")
        wanted = min(max(end, self.growth * len(self.buffer), self.ahead), self.size, HEADER_LIMIT)
        while (missing := wanted - len(self.buffer)) > 0 and (
            more := self.file.read(min(missing, self.most))
        ):
            self.buffer.extend(more)
        if end > len(self.buffer):
            raise BadHeader("truncated", "the file became shorter while it was read")

    def u32(self) -> int:
        return int(_U32.unpack_from(self.buffer, self.need(4))[0])

    def u64(self) -> int:
        return int(_U64.unpack_from(self.buffer, self.need(8))[0])

    def raw(self, limit: int) -> bytes:
        length = self.u64()
        if length > limit:
            raise BadHeader("damaged", f"a string of {length} bytes at {self.at}")
        start = self.need(length)
        return bytes(self.buffer[start : start + length])

    def string(self, limit: int = STRING_LIMIT) -> str:
        return self.raw(limit).decode("utf-8", "replace")

    def _text(self) -> str | Span:
        """A string, or where a long one lies."""
        length = self.u64()
        if length > STRING_LIMIT:
            raise BadHeader("damaged", f"a string of {length} bytes at {self.at}")
        start = self.need(length)
        if not self._keeps(length, KEPT_STRING):
            return Span(LONG_STRING, 1, start, start + length)
        return self.buffer[start : start + length].decode("utf-8", "replace")

    def _keeps(self, count: int, most: int) -> bool:
        """Whether so much may still be kept; many small things are as much as one large."""
        if count > min(most, self.left):
            return False
        self.left -= count
        return True

    def value(self, kind: int, keep: bool) -> Any:
        if kind == STRING:
            return self._text()
        if kind == ARRAY:
            return self._array(keep)
        return self._scalar(kind)

    def _scalar(self, kind: int) -> Any:
        if kind not in _SCALARS:
            raise BadHeader("damaged", f"a value of the unknown type {kind} at {self.at}")
        form = _SCALARS[kind]
        return form.unpack_from(self.buffer, self.need(form.size))[0]

    def _array(self, keep: bool) -> tuple[Any, ...] | Span:
        kind, count = self.u32(), self.u64()
        if kind != STRING and kind not in _SCALARS:
            raise BadHeader("damaged", f"an array of the unusable type {kind} at {self.at}")
        smallest = 8 if kind == STRING else _SCALARS[kind].size
        if count * smallest > self.size - self.at:
            raise BadHeader("truncated", f"an array of {count} elements at {self.at}")
        if keep or self._keeps(count, KEPT_ARRAY):
            return self._kept(kind, count, smallest)
        start = self.at
        if kind == STRING:
            self._skip_strings(count)
        else:
            self.need(count * smallest)
        return Span(kind, count, start, self.at)

    def _kept(self, kind: int, count: int, size: int) -> tuple[Any, ...]:
        if kind == STRING:
            return tuple(self.string() for _ in range(count))
        form = f"<{count}{_SCALARS[kind].format[1:]}"
        return struct.unpack_from(form, self.buffer, self.need(count * size))

    def _skip_strings(self, count: int) -> None:
        # The hot loop of this file: a vocabulary has some 100,000 strings, hence no method call per string.
        buffer, at, known = self.buffer, self.at, len(self.buffer)
        length_at = _U64.unpack_from
        for _ in range(count):
            end = at + 8 + length_at(buffer, at)[0] if at + 8 <= known else known + 1
            if end > known:
                self.at = at
                self.raw(STRING_LIMIT)
                end, buffer, known = self.at, self.buffer, len(self.buffer)
            at = end
        self.at = at


# ── the header ──────────────────────────────────────────────────────────────────────────────────────


def read_header(path: Path, keep: Iterable[str] = ()) -> Header:
    """The header of `path`. Arrays named in `keep` are kept whole, however long.

    Raises BadHeader. The tensor data need not be there: whether it is, `Header.data_end` tells.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return _read(_Reader(file, size), path, frozenset(keep))
    except OSError as error:
        raise BadHeader("unreadable", str(error)) from error


def read_header_from(file: Reads, size: int, path: Path, keep: Iterable[str] = ()) -> Header:
    """The header at the start of `file`, which has `size` bytes in all. Raises BadHeader.

    The header keeps its own bytes, so that its vocabulary can be looked into without the file.
    """
    reader = _Reader(file, size, REMOTE_AHEAD, REMOTE_GROWTH)
    header = _read(reader, path, frozenset(keep))
    return dataclasses.replace(header, held=bytes(reader.buffer))


def _read(reader: _Reader, path: Path, keep: frozenset[str]) -> Header:
    version = _read_version(reader)
    tensor_count, pair_count = reader.u64(), reader.u64()
    left = reader.size - reader.at
    if pair_count > METADATA_LIMIT or tensor_count > TENSOR_LIMIT:
        raise BadHeader("damaged", f"{pair_count} metadata entries, {tensor_count} tensors")
    if pair_count * SMALLEST_PAIR + tensor_count * SMALLEST_TENSOR > left:
        raise BadHeader("truncated", f"{pair_count} metadata entries, {tensor_count} tensors in {left} bytes")
    metadata = _read_metadata(reader, pair_count, keep)
    tensors = tuple(_read_tensor(reader) for _ in range(tensor_count))
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise BadHeader("damaged", "two tensors have the same name")
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20 or alignment & (alignment - 1):
        raise BadHeader("damaged", f"an alignment of {str(alignment)[:40]}")
    start = -(-reader.at // alignment) * alignment
    return Header(path, version, reader.size, metadata, tensors, start)


def _read_version(reader: _Reader) -> int:
    if reader.size == 0:
        raise BadHeader("empty")
    magic = reader.start(4)
    if magic in OLD_MAGICS:
        raise BadHeader("old_format", magic.decode("ascii"))
    if magic != MAGIC:
        # A cut of a few bytes may still be the start of a GGUF.
        raise BadHeader("truncated" if magic and MAGIC.startswith(magic) else "not_gguf")
    reader.need(4)
    version = reader.u32()
    if version & 0xFFFF == 0 and version:
        raise BadHeader("big_endian")
    if version not in VERSIONS:
        raise BadHeader("version", str(version))
    return version


def _read_metadata(reader: _Reader, count: int, keep: frozenset[str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for _ in range(count):
        key = reader.string(KEY_LIMIT)
        if key in metadata:
            raise BadHeader("damaged", f"the key {key[:80]!r} comes twice")
        metadata[key] = reader.value(reader.u32(), key in keep)
    return metadata


def _read_tensor(reader: _Reader) -> Tensor:
    name = reader.string(KEY_LIMIT)
    dimensions = reader.u32()
    if not 0 < dimensions <= DIMENSIONS_LIMIT:
        raise BadHeader("damaged", f"{name[:80]!r} has {dimensions} dimensions")
    shape = tuple(reader.u64() for _ in range(dimensions))
    kind, offset = reader.u32(), reader.u64()
    if math.prod(shape) >= 1 << 60 or offset >= 1 << 60:
        raise BadHeader("damaged", f"{name[:80]!r} has an absurd size")
    return Tensor(name, shape, kind, offset)


# ── looking into arrays that were not kept ──────────────────────────────────────────────────────────


def string_at(header: Header, key: str, index: int) -> str:
    """One element of an array of strings; "" when there is no such element."""
    value = header.metadata.get(key)
    if isinstance(value, tuple):
        return str(value[index]) if 0 <= index < len(value) else ""
    if not isinstance(value, Span) or value.kind != STRING or not 0 <= index < value.count:
        return ""
    data = _bytes_of(header, value)
    at = 0
    for _ in range(index):
        at += 8 + _U64.unpack_from(data, at)[0]
    length = _U64.unpack_from(data, at)[0]
    return data[at + 8 : at + 8 + length].decode("utf-8", "replace")


def positions(header: Header, key: str, wanted: Sequence[str]) -> tuple[int, ...]:
    """Where texts stand in an array of strings, −1 for those that it has not."""
    value = header.metadata.get(key)
    if isinstance(value, tuple):
        return tuple(value.index(text) if text in value else -1 for text in wanted)
    if not isinstance(value, Span) or value.kind != STRING:
        return (-1,) * len(wanted)
    data = _bytes_of(header, value)
    if not all(text.encode() in data for text in wanted):  # most have none, and a walk takes 50 ms
        return (-1,) * len(wanted)
    found = dict.fromkeys((text.encode() for text in wanted), -1)
    at = 0
    for index in range(value.count):
        end = at + 8 + int(_U64.unpack_from(data, at)[0])
        if data[at + 8 : end] in found:
            found[data[at + 8 : end]] = index
        at = end
    return tuple(found.values())


def raw_strings(header: Header, key: str, count: int) -> bytes:
    """The first elements of an array of strings as they stand in the file, to compare them by."""
    value = header.metadata.get(key)
    if isinstance(value, tuple):
        texts = (str(text).encode() for text in value[:count])
        return b"".join(_U64.pack(len(text)) + text for text in texts)
    if not isinstance(value, Span) or value.kind != STRING:
        return b""
    data, at = _bytes_of(header, value), 0
    for _ in range(min(count, value.count)):
        at += 8 + int(_U64.unpack_from(data, at)[0])
    return data[:at]


def pair_spans(path: Path) -> dict[str, tuple[int, int]]:
    """From where to where each key with its value lies in a file, in bytes. Raises BadHeader, OSError."""
    with path.open("rb") as file:
        reader = _Reader(file, path.stat().st_size)
        _read_version(reader)
        _tensors, count, spans = reader.u64(), reader.u64(), {}
        for _ in range(min(count, METADATA_LIMIT)):
            start = reader.at
            key = reader.string(KEY_LIMIT)
            reader.value(reader.u32(), keep=False)
            spans[key] = (start, reader.at)
    return spans


def hashed(header: Header, keys: Iterable[str]) -> str:
    """A SHA-256 over the given metadata, big arrays by their bytes. "" when none of it is there."""
    digest = hashlib.sha256()
    found = False
    for key in keys:
        value = header.metadata.get(key)
        if value is None:
            continue
        found = True
        content = _bytes_of(header, value) if isinstance(value, Span) else repr(value).encode()
        digest.update(f"{key}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest() if found else ""


def _bytes_of(header: Header, span: Span) -> bytes:
    if header.held:
        return header.held[span.start : span.end]
    with header.path.open("rb") as file:
        file.seek(span.start)
        data = file.read(span.end - span.start)
    if len(data) != span.end - span.start:
        raise BadHeader("truncated", "the file became shorter while it was read")
    return data
