"""Images in messages as servers take them. Knows no server."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator

from fabula.core.messages import IMAGE, Message

KINDS = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)


def kind_of(data: bytes) -> str:
    return next((kind for start, kind in KINDS if data.startswith(start)), "image/png")


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def parts(message: Message) -> Iterator[str | bytes]:
    """Texts and image files in their order; no empty text."""
    texts = message.text.split(IMAGE)
    for text, image in itertools.zip_longest(texts, message.images):
        if text:
            yield text
        if image is not None:
            yield image


def without(message: Message) -> str:
    """The text alone."""
    return message.text.replace(IMAGE, "")
