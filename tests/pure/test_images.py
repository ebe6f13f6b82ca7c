"""Images that are sent: judged by their first bytes, before anything is decoded."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.core.errors import BadParameter
from fabula.core.images import MAX_BYTES, MAX_PIXELS, checked, size_of


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(5)


def jpeg(width: int, height: int) -> bytes:
    info = b"\xff\xe0" + struct.pack(">H", 16) + bytes(14)
    return b"\xff\xd8" + info + b"\xff\xc2" + struct.pack(">HBHH", 11, 8, height, width)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height)


def bmp(width: int, height: int) -> bytes:
    return b"BM" + bytes(16) + struct.pack("<ii", width, -height)


@pytest.mark.parametrize("made", [png, jpeg, gif, bmp])
def test_the_size_is_read_from_the_header(made: type) -> None:
    assert size_of(made(640, 480)) == (640, 480)
    assert checked(made(640, 480), "x") == made(640, 480)


@pytest.mark.parametrize("made", [png, jpeg, gif, bmp])
def test_an_image_that_would_fill_the_memory_is_refused(made: type) -> None:
    with pytest.raises(BadParameter):
        checked(made(60_000 if made is gif else 30_000, MAX_PIXELS // 25_000), "x")


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF1234WEBP", b"<svg>", png(0, 5)]
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(BadParameter):
        checked(data, "x")


def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(BadParameter):
        checked(png(5, 5) + bytes(MAX_BYTES), "x")


@given(
    st.sampled_from([b"", b"\xff\xd8\xff", b"BM", b"GIF89a", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"]), st.binary()
)
def test_any_bytes_are_judged_without_a_fault(start: bytes, rest: bytes) -> None:
    size = size_of(start + rest)
    assert size is None or min(size) >= 0
