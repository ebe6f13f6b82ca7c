"""Read the text files that a person names. Knows no model."""

from __future__ import annotations

from pathlib import Path

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

LIMIT = 64 << 20  # bytes
FEWEST = 32  # tokens of a text whose importance is of any use
FEWEST_MEASURED = 16  # tokens of a window that is worth reading


def read_text(file: str, fewest: int = 0) -> str:
    """Raises BadParameter, also where it is too short for so many tokens in any vocabulary: no token is
    of less than a byte."""
    try:
        path = Path(file).expanduser()
        if path.stat().st_size > LIMIT:
            raise BadParameter("text", file, phrase("expected.text_file"))
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError, RuntimeError) as error:  # also of what no file can be called
        raise BadParameter("text", file, phrase("expected.text_file")) from error
    if len(text.encode()) < fewest:
        raise BadParameter("text", file, phrase("expected.longer_text", tokens=fewest))
    return text
