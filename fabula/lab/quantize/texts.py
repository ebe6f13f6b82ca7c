"""Read the text files that a person names. Knows no model."""

from __future__ import annotations

from pathlib import Path

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

LIMIT = 64 << 20  # bytes


def read_text(file: str) -> str:
    """Raises BadParameter."""
    path = Path(file).expanduser()
    try:
        if path.stat().st_size > LIMIT:
            raise BadParameter("text", file, phrase("expected.text_file"))
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadParameter("text", file, phrase("expected.text_file")) from error
