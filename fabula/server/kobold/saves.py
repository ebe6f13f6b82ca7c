"""Stories that KoboldAI Lite leaves with its server: a few slots for each owner. Knows no HTTP.

A slot is a file: a line of JSON with its title and format, then the story as it came. Lists read the lines.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.store.files import is_safe_name, write_atomic, writing

SLOTS = 12
MOST = 10 << 20  # characters of a story, as KoboldCpp has it
LONGEST_TITLE, LONGEST_FORMAT = 200, 40  # characters
UNTITLED = "Untitled Save"


@dataclass(frozen=True, slots=True)
class Saved:
    title: str
    format: str
    data: str


class Saves:
    """`folder` has one for each owner; they are made with the first story."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def titles(self, owner: str) -> list[str]:
        """Of all slots; "" of an empty one."""
        return [self._title(self._file(owner, slot)) for slot in range(SLOTS)]

    def load(self, owner: str, slot: int) -> Saved | None:
        if not 0 <= slot < SLOTS or not (file := self._file(owner, slot)).exists():
            return None
        head, _, data = file.read_text(encoding="utf-8").partition("\n")
        return Saved(data=data, **json.loads(head))

    def save(self, owner: str, slot: int, story: Saved) -> None:
        """A story without data empties the slot. Raises BadParameter, StoreUnwritable."""
        if not 0 <= slot < SLOTS:
            raise BadParameter("slot", f"{slot}", phrase("expected.whole_range", low=0, high=SLOTS - 1))
        for name, text, most in (
            ("data", story.data, MOST),
            ("title", story.title, LONGEST_TITLE),
            ("format", story.format, LONGEST_FORMAT),
        ):
            if len(text) > most:
                raise BadParameter(name, f"{text[:60]}…", phrase("expected.shorter", most=most))
        file = self._file(owner, slot)
        with writing(file):
            if not story.data:
                file.unlink(missing_ok=True)
                return
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        head = {"title": story.title.strip() or UNTITLED, "format": story.format}
        text = f"{json.dumps(head)}\n{story.data}"
        write_atomic(file, text.encode(errors="surrogatepass"))

    def _title(self, file: Path) -> str:
        if not file.exists():
            return ""
        with file.open(encoding="utf-8") as lines:
            return str(json.loads(lines.readline())["title"])

    def _file(self, owner: str, slot: int) -> Path:
        name = owner if is_safe_name(owner) else sha256(owner.encode()).hexdigest()
        return self._folder / name / f"{slot}.story"
