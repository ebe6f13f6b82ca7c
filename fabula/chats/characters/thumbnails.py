"""Pictures of characters made small, once. Knows no character and no HTTP.

Pictures come from strangers: what a file says of its size is read before anything is decoded, and a picture
that would take too much memory is refused (a PNG of a few kilobytes can stand for gigabytes).
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fabula.chats.characters import png
from fabula.core.errors import PictureUnusable
from fabula.core.texts import phrase
from fabula.store.files import write_atomic, writing
from fabula.store.media import Media

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling
    from PIL.ImageFile import ImageFile

SIZES = (96, 192, 384)  # px of the longer side
PIXELS = 64_000_000  # of a picture: 256 MB when decoded
SIDE = 16_383  # px, the most that WebP takes
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
QUALITY = 82


class Thumbnails:
    """A small picture is named after its big one, which never changes; so neither does it."""

    def __init__(self, media: Media, folder: Path) -> None:
        self._media = media
        self._folder = folder

    async def get(self, digest: str, size: int) -> bytes | None:
        """WebP, at least as large as asked for where the picture is; None where there is no such picture.

        Raises PictureUnusable.
        """
        return await asyncio.to_thread(self._get, digest, fitting(size))

    def _get(self, digest: str, size: int) -> bytes | None:
        path = self._folder / digest[:2] / f"{digest}-{size}.webp"
        if path.exists():
            return path.read_bytes()
        picture = self._media.get(digest)
        if picture is None:
            return None
        small = made_small(picture, size, digest[:12])
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, small)
        return small


def fitting(size: int) -> int:
    """The smallest of `SIZES` that is not smaller, so that few files are kept."""
    return next((one for one in SIZES if one >= size), SIZES[-1])


def made_small(picture: bytes, size: int, name: str = "") -> bytes:
    """Its first frame, with the longer side of so many pixels, as WebP. Raises PictureUnusable."""
    made = io.BytesIO()
    with _opened(picture, name) as image:
        image.draft("RGB", (size, size))  # a JPEG is decoded as small as that allows
        shown = _upright(image)
        shown.thumbnail((size, size), _sharp())
        shown.save(made, "WEBP", quality=QUALITY, method=4)
    return made.getvalue()


def as_png(picture: bytes, name: str = "") -> bytes:
    """As it is where it is a PNG, else its first frame as one: cards are written into PNGs. Raises
    PictureUnusable."""
    if png.is_png(picture):
        return picture
    made = io.BytesIO()
    with _opened(picture, name) as image:
        _upright(image).save(made, "PNG")
    return made.getvalue()


def kind_of(picture: bytes, name: str = "") -> str:
    """PNG, JPEG, WEBP or GIF, by its bytes; no pixel is decoded. Raises PictureUnusable."""
    with _opened(picture, name) as image:
        return str(image.format)


@contextmanager
def _opened(picture: bytes, name: str) -> Iterator[ImageFile]:
    """The picture, once its size is known to be bearable; what goes wrong with it is told as one error."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(picture), formats=FORMATS) as image:
            if max(image.size) > SIDE or image.width * image.height > PIXELS:
                raise PictureUnusable(name, phrase("chats.reason.picture_too_large"))
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as bomb:
        raise PictureUnusable(name, phrase("chats.reason.picture_too_large")) from bomb
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as broken:
        raise PictureUnusable(name, phrase("chats.reason.picture_unknown")) from broken


def _upright(image: ImageFile) -> Image:
    """The first frame, turned as the camera says."""
    from PIL import ImageOps

    image.seek(0)
    shown = ImageOps.exif_transpose(image)
    alpha = shown.mode in ("RGBA", "LA", "PA") or "transparency" in shown.info
    return shown.convert("RGBA" if alpha else "RGB")


def _sharp() -> Resampling:
    from PIL import Image

    return Image.Resampling.LANCZOS
