"""Image files as hostile input: which kind, how large, from their first bytes. Decodes nothing.

Sources: PNG (W3C), JPEG (ITU T.81, B.2.2), GIF89a, BMP (BITMAPINFOHEADER). These are the kinds that the
engine reads; what it decodes takes memory by the pixel, whatever the size of the file.
"""

from __future__ import annotations

import struct

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

MAX_BYTES = 32 << 20
MAX_PIXELS = 50_000_000
KINDS = "PNG, JPEG, GIF, BMP"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG's segments that tell the size


def checked(data: bytes, where: str) -> bytes:
    """The same, if it is an image that can be looked at. Raises BadParameter about the field `where`."""
    if len(data) > MAX_BYTES:
        raise BadParameter(where, f"{len(data)}", phrase("expected.image_bytes", most=MAX_BYTES))
    size = size_of(data)
    if size is None or not all(size):
        raise BadParameter(where, f"{data[:12]!r}", phrase("expected.image_kind", kinds=KINDS))
    width, height = size
    if width * height > MAX_PIXELS:
        raise BadParameter(where, f"{width} × {height}", phrase("expected.image_pixels", most=MAX_PIXELS))
    return data


def size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None for what is no image of a known kind."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            return _pair(">II", data, 16)
        if data.startswith((b"GIF87a", b"GIF89a")):
            return _pair("<HH", data, 6)
        if data.startswith(b"BM"):
            width, height = _pair("<ii", data, 18)
            return abs(width), abs(height)  # a negative height counts from the top
        return _jpeg(data) if data.startswith(b"\xff\xd8\xff") else None
    except struct.error:
        return None  # it ends before its size


def _pair(form: str, data: bytes, at: int) -> tuple[int, int]:
    first, second = struct.unpack_from(form, data, at)
    return first, second


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """Segments are walked up to the first that describes a frame."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == 0xFF:  # filling
            at += 1
        elif kind in _FRAMES:
            height, width = _pair(">HH", data, at + 5)
            return width, height
        else:
            at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return None
