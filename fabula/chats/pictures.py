"""Pictures in what a person says: where they lie, and who can see them. Knows no HTTP and no engine.

In a text a picture is a Markdown image whose address is `attachment:DIGEST.png`; its bytes lie in `media/`.
So edits, branches and versions keep it as they keep words.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass

from fabula.core import images
from fabula.core.errors import BadParameter, SeesNoImages
from fabula.core.messages import IMAGE, Message
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.store.media import Media

MOST = 16  # pictures of one message
KINDS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"BM": "bmp"}
_PICTURE = re.compile(r"!\[([^\]\n]*)\]\(attachment:([0-9a-f]{64})\.(?:png|jpg|gif|bmp)\)")


@dataclass(frozen=True, slots=True)
class Attachment:
    """`name` is what stands in a text: `attachment:name`. `size` in bytes."""

    name: str
    size: int


def sees(model: LocalModel) -> bool:
    """Whether the model is shown pictures."""
    return bool(model.projector) or "images" in (model.elsewhere.abilities if model.elsewhere else ())


class Pictures:
    def __init__(self, media: Media) -> None:
        self._media = media

    def keep(self, content: bytes) -> Attachment:
        """Raises BadParameter for what is no picture that models can be shown."""
        images.checked(content, "file")
        kind = next(kind for start, kind in KINDS.items() if content.startswith(start))
        return Attachment(f"{self._media.put(content)}.{kind}", len(content))

    def find(self, name: str) -> bytes | None:
        """The bytes of `DIGEST.png`; None for what is not there."""
        digest, _, kind = name.partition(".")
        if not re.fullmatch(r"[0-9a-f]{64}", digest) or kind not in KINDS.values():
            return None
        return self._media.get(digest)

    def require_seen(self, text: str, model: LocalModel, *, is_story: bool) -> None:
        """Refuses a text whose pictures nobody would see. Raises SeesNoImages or BadParameter."""
        found = _PICTURE.findall(text)
        if found and is_story:
            raise BadParameter("text", found[0][0] or "…", phrase("expected.text_in_story"))
        if len(found) > MOST:
            raise BadParameter("text", f"{len(found)}", phrase("expected.pictures", most=MOST))
        if found and not sees(model):
            raise SeesNoImages(model.name)

    def told(self, messages: Iterable[Message], model: LocalModel) -> tuple[Message, ...]:
        """Messages with their pictures; for a model that sees none, with their names instead."""
        return tuple(self._told(message, sees(model)) for message in messages)

    def _told(self, message: Message, seen: bool) -> Message:
        if message.role != "user" or "](attachment:" not in message.text:
            return message
        files: list[bytes] = []

        def put(found: re.Match[str]) -> str:
            content = self._media.get(found[2]) if seen else None
            if content is None:
                return f"[{found[1]}]"
            files.append(content)
            return IMAGE

        text = _PICTURE.sub(put, message.text)
        return dataclasses.replace(message, text=text, images=tuple(files))
