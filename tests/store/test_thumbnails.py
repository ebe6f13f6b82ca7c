"""Pictures of characters made small, and those that would take too much to be."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from fabula.chats.characters.thumbnails import Thumbnails, fitting, made_small
from fabula.core.errors import PictureUnusable
from fabula.store.media import Media


def drawn(width: int, height: int, kind: str = "PNG", mode: str = "RGB") -> bytes:
    made = io.BytesIO()
    Image.new(mode, (width, height), 120 if mode == "L" else (200, 40, 40, 128)[: len(mode)]).save(made, kind)
    return made.getvalue()


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_the_longer_side_becomes_what_was_asked_for(kind: str) -> None:
    small = opened(made_small(drawn(800, 1200, kind), 192))
    assert (small.format, small.size) == ("WEBP", (128, 192))


def test_what_shines_through_still_does() -> None:
    assert opened(made_small(drawn(100, 100, mode="RGBA"), 96)).mode == "RGBA"


def test_small_pictures_are_not_made_larger() -> None:
    assert opened(made_small(drawn(40, 30), 384)).size == (40, 30)


def a_bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(20_000, 10), (9_000, 9_000), (16_000, 16_000), (60_000, 60_000)])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(PictureUnusable):
        made_small(a_bomb(*size), 96)


@pytest.mark.parametrize("content", [b"", b"no picture", drawn(300, 300)[:200], b"<svg/>"])
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(PictureUnusable):
        made_small(content, 96)


def test_few_sizes_are_kept() -> None:
    assert [fitting(size) for size in (16, 96, 97, 192, 300, 4000)] == [96, 96, 192, 192, 384, 384]


async def test_a_small_picture_is_made_once(tmp_path: Path) -> None:
    media = Media(tmp_path / "media")
    thumbnails, digest = Thumbnails(media, tmp_path / "small"), media.put(drawn(500, 500))
    first = await thumbnails.get(digest, 100)
    media.path(digest).unlink()
    assert first
    assert await thumbnails.get(digest, 100) == first
    assert await thumbnails.get(digest, 300) is None
