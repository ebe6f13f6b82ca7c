"""Delete what a download that nobody wants any more has left. Knows no network."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

from fabula.core.errors import UnknownSource
from fabula.models.sources import landing
from fabula.models.sources.parse import parse

WORKSHOP = ".fetch"
WHOSE = ".source"
"""In a folder that is being fetched: what the person wrote."""


def discard(source: str, folder: Path) -> None:
    """Unfinished files of a source, in the workshop below `folder`. What is whole stays."""
    workshop = folder / WORKSHOP
    try:
        parsed = parse(source)
    except UnknownSource:
        return
    for note in workshop.glob("*.json"):
        if _source_of(note) == parsed.text:
            note.unlink(missing_ok=True)
            note.with_suffix(".part").unlink(missing_ok=True)
    for stage in workshop.glob("*.folder"):
        with suppress(OSError, UnicodeDecodeError):
            if (stage / WHOSE).read_text(encoding="utf-8") == parsed.text:
                shutil.rmtree(stage, ignore_errors=True)
    if parsed.kind == "wheel":
        name = landing.file_name(f"{parsed.target}-{parsed.version}").removesuffix(".gguf")
        shutil.rmtree(workshop / name, ignore_errors=True)


def _source_of(note: Path) -> str:
    with suppress(OSError, ValueError, AttributeError):
        return str(json.loads(note.read_text(encoding="utf-8")).get("source", ""))
    return ""
