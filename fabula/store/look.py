"""How the app looks on all of a person's devices: choices, a style sheet of their own, pictures.

Knows no page. A picture's name is the beginning of its SHA-256: what stands at an address never changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import BackgroundNotFound, BadParameter, SettingInvalid, SettingUnknown
from fabula.core.texts import phrase
from fabula.store.files import require_space, write_atomic, writing
from fabula.store.settings import Setting, Value

THEMES = ("auto", "light", "dark", "sepia", "mist", "midnight", "contrast")
ACCENTS = ("teal", "blue", "green", "amber", "rose", "violet", "ink")
CHOICES = (
    Setting("theme", "auto", choices=THEMES),  # auto = light or dark, as the device says
    Setting("accent", "teal", choices=ACCENTS),
    Setting("chat", "document", choices=("document", "bubbles", "novel")),
    Setting("reading", "serif", choices=("serif", "sans", "mono")),
    Setting("size", 17.5, 13, 28),  # CSS pixels of the text that is read
    Setting("line", 0.0, 0, 2.4),  # of the size; 0 = as the script wants it
    Setting("width", 42.5, 26, 70),  # rem of the column
    Setting("background", ""),  # a picture's id; "" = none
    Setting("veil", 0.85, 0.5, 1),  # how much of the paper covers the picture
    Setting("avatars", False),
    Setting("times", False),
    Setting("numbers", True),  # the line of numbers under a reply
)
BY_NAME = {choice.name: choice for choice in CHOICES}
MOST_STYLE = 256 << 10  # bytes of the style sheet
MOST_PICTURE = 16 << 20  # bytes of one picture
MOST_PICTURES = 24
KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
NAMED = 32  # hexadecimal digits of a picture's name
WHERE = "the appearance"


@dataclass(frozen=True, slots=True)
class Picture:
    id: str
    kind: str
    size: int  # bytes


class Look:
    def __init__(self, folder: Path) -> None:
        """The folder is made with the first thing that is kept in it."""
        self._folder = folder

    # ── choices ─────────────────────────────────────────────────────────────────────────────────────

    def shared(self) -> dict[str, Value] | None:
        """What holds on all devices, whole; None where each device has its own."""
        with suppress(OSError, ValueError):
            kept = json.loads(self._choices.read_text(encoding="utf-8"))
            if isinstance(kept, dict):
                return defaults() | _understood(kept)
        return None

    def share(self, choices: Mapping[str, Any]) -> dict[str, Value]:
        """For all devices from now on. Raises SettingUnknown or SettingInvalid; then nothing changes."""
        known = {name: _choice(name).check(value) for name, value in choices.items()}
        values = (self.shared() or defaults()) | known
        if values["background"]:
            self.picture(str(values["background"]))
        self._write(self._choices, json.dumps(values, indent=1).encode())
        return values

    def part(self) -> None:
        """Each device has its own look again."""
        with writing(self._choices):
            self._choices.unlink(missing_ok=True)

    # ── the style sheet ─────────────────────────────────────────────────────────────────────────────

    def style(self) -> str:
        """What a person wrote; "" where they wrote nothing."""
        with suppress(OSError):
            return self._style.read_text(encoding="utf-8", errors="replace")
        return ""

    def stamp(self) -> str:
        """Names one state of the style sheet; "" where there is none."""
        style = self.style()
        return hashlib.sha256(style.encode()).hexdigest()[:12] if style else ""

    def dress(self, style: str) -> None:
        """Keeps a style sheet; an empty one takes it away. Raises BadParameter."""
        content = style.encode()
        if len(content) > MOST_STYLE:
            raise BadParameter("style", f"{len(content)}", phrase("expected.style", most=MOST_STYLE))
        if style.strip():
            self._write(self._style, content)
            return
        with writing(self._style):
            self._style.unlink(missing_ok=True)

    # ── pictures ────────────────────────────────────────────────────────────────────────────────────

    def pictures(self) -> list[Picture]:
        """The newest first."""
        found = self._pictures.iterdir() if self._pictures.is_dir() else ()
        newest = sorted((path for path in found if _is_name(path.name)), key=_changed, reverse=True)
        return [Picture(path.name, _kind(_beginning(path)), path.stat().st_size) for path in newest]

    def picture(self, id: str) -> tuple[bytes, str]:
        """Its bytes and their type. Raises BackgroundNotFound."""
        path = self._pictures / id
        if not _is_name(id) or not path.is_file():
            raise BackgroundNotFound(id)
        content = path.read_bytes()
        return content, _kind(content)

    def hang(self, content: bytes) -> Picture:
        """Keeps a picture. Raises BadParameter or NoDiskSpace."""
        if len(content) > MOST_PICTURE:
            raise BadParameter(
                "picture", f"{len(content)}", phrase("expected.image_bytes", most=MOST_PICTURE)
            )
        if not _kind(content):
            kinds = phrase("expected.image_kind", kinds="PNG, JPEG, GIF, WebP, AVIF")
            raise BadParameter("picture", f"{content[:12]!r}", kinds)
        id = hashlib.sha256(content).hexdigest()[:NAMED]
        others = [picture for picture in self.pictures() if picture.id != id]
        if len(others) >= MOST_PICTURES:
            raise BadParameter("picture", f"{len(others)}", phrase("expected.pictures", most=MOST_PICTURES))
        require_space(self._folder, len(content))
        self._write(self._pictures / id, content)
        return Picture(id, _kind(content), len(content))

    def take_down(self, id: str) -> None:
        """A look that shows it goes without. Raises BackgroundNotFound."""
        self.picture(id)
        shown = self.shared()
        if shown and shown["background"] == id:
            self.share({"background": ""})
        with writing(self._pictures / id):
            (self._pictures / id).unlink()

    # ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _choices(self) -> Path:
        return self._folder / "choices.json"

    @property
    def _style(self) -> Path:
        return self._folder / "style.css"

    @property
    def _pictures(self) -> Path:
        return self._folder / "pictures"

    def _write(self, path: Path, content: bytes) -> None:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)


def defaults() -> dict[str, Value]:
    return {choice.name: choice.default for choice in CHOICES}


def _choice(name: str) -> Setting:
    if name not in BY_NAME:
        raise SettingUnknown(name, WHERE)
    return BY_NAME[name]


def _understood(kept: Mapping[str, Any]) -> dict[str, Value]:
    """What a file of another version says that this one knows."""
    values: dict[str, Value] = {}
    for name, value in kept.items():
        if name in BY_NAME:
            with suppress(SettingInvalid):
                values[name] = BY_NAME[name].check(value)
    return values


def _is_name(name: str) -> bool:
    return len(name) == NAMED and not set(name) - set("0123456789abcdef")


def _kind(content: bytes) -> str:
    """The type of a picture by its first bytes; "" for what is none that browsers show."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return next((kind for start, kind in KINDS.items() if content.startswith(start)), "")


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _changed(path: Path) -> float:
    return path.stat().st_mtime
