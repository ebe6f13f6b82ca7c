"""Texts inside PNG pictures: read them, replace them. Knows nothing of cards, and never decodes a pixel.

PNG (ISO/IEC 15948): 8 bytes of signature, then chunks of length (4 bytes, big endian), type (4 letters), data
and CRC-32 of type and data, to IEND. Card texts are `tEXt` chunks: a keyword, a zero byte, Latin-1. `zTXt`
and `iTXt`, which some programs write instead, are read as well.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNKS_LIMIT = 100_000
TEXT_LIMIT = 64 << 20  # bytes of one text, unpacked


class BadPicture(Exception):
    """`reason` is the end of a text key: why a file is not read as a PNG picture."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Chunk:
    """`start` and `end` are bytes of the file, with length, type and CRC."""

    kind: bytes
    start: int
    end: int

    def data(self, picture: bytes) -> bytes:
        return picture[self.start + 8 : self.end - 4]


def is_png(content: bytes) -> bool:
    return content.startswith(SIGNATURE)


def chunks(picture: bytes) -> Iterator[Chunk]:
    """All chunks up to IEND. Raises BadPicture: no PNG, cut off, or too many parts."""
    if not is_png(picture):
        raise BadPicture("not_png")
    at = len(SIGNATURE)
    for _ in range(CHUNKS_LIMIT):
        if at + 12 > len(picture):
            raise BadPicture("cut_off")
        length, kind = struct.unpack_from(">I4s", picture, at)
        end = at + 12 + length
        if end > len(picture) or not kind.isalpha():
            raise BadPicture("cut_off" if kind.isalpha() else "damaged")
        yield Chunk(kind, at, end)
        if kind == b"IEND":
            return
        at = end
    raise BadPicture("damaged")


def size(picture: bytes) -> tuple[int, int]:
    """Width and height in pixels. Raises BadPicture."""
    first = next(chunks(picture))
    if first.kind != b"IHDR" or first.end - first.start < 12 + 13:
        raise BadPicture("damaged")
    width, height = struct.unpack_from(">II", first.data(picture))
    return width, height


def texts(picture: bytes) -> Iterator[tuple[str, bytes]]:
    """Each text with its keyword, in their order. Raises BadPicture, also for a text whose CRC is wrong."""
    for chunk in chunks(picture):
        if (read := _READERS.get(chunk.kind)) is None:
            continue
        data = chunk.data(picture)
        (crc,) = struct.unpack(">I", picture[chunk.end - 4 : chunk.end])
        if zlib.crc32(chunk.kind + data) != crc:
            raise BadPicture("damaged")
        keyword, zero, rest = data.partition(b"\0")
        if zero:
            yield keyword.decode("latin-1"), read(rest)


def with_texts(picture: bytes, put: Mapping[str, bytes], *, drop: Sequence[str] = ()) -> bytes:
    """The picture with other texts just before its end; all else stays byte for byte.

    Texts with a keyword of `put` or `drop` (in any case) are taken out. Raises BadPicture.
    """
    gone = {name.lower() for name in (*put, *drop)}
    parts, end = [SIGNATURE], len(SIGNATURE)
    for chunk in chunks(picture):
        if chunk.kind == b"IEND":
            parts += [_text_chunk(name, text) for name, text in put.items()]
        if chunk.kind not in _READERS or _keyword(chunk, picture) not in gone:
            parts.append(picture[chunk.start : chunk.end])
        end = chunk.end
    return b"".join([*parts, picture[end:]])


def plain(width: int, height: int, color: tuple[int, int, int]) -> bytes:
    """A picture of one colour, for what has none of its own."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes(color) * width) * height
    body = (b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in body)


def _keyword(chunk: Chunk, picture: bytes) -> str:
    return chunk.data(picture).partition(b"\0")[0].decode("latin-1").lower()


def _text_chunk(keyword: str, text: bytes) -> bytes:
    return _chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + text)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _plain_text(rest: bytes) -> bytes:
    return rest


def _packed_text(rest: bytes) -> bytes:
    return _unpacked(rest[1:])  # one byte says how it is packed; there is but one way


def _international_text(rest: bytes) -> bytes:
    packed = rest[:1] == b"\1"
    text = rest[2:].split(b"\0", 2)[-1]  # past the language and the translated keyword
    return _unpacked(text) if packed else text


def _unpacked(data: bytes) -> bytes:
    """Raises BadPicture before more than TEXT_LIMIT bytes are made."""
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, TEXT_LIMIT)
    except zlib.error as broken:
        raise BadPicture("damaged") from broken
    if stream.unconsumed_tail:
        raise BadPicture("too_large")
    return text


_READERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"tEXt": _plain_text,
    b"zTXt": _packed_text,
    b"iTXt": _international_text,
}
