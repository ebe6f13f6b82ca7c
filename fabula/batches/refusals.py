"""Whether a reply looks like a refusal: phrases at its beginning, in English and Chinese.

A rule, not a judge: it finds what models usually say, and misses what they say otherwise. So it flags with
the phrase that it found, and decides nothing. Knows no model.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

BEGINNING = 240  # characters; a story may well hold such a sentence further on
_SPACES = re.compile(r"\s+")


@functools.cache
def phrases() -> tuple[str, ...]:
    told = json.loads((Path(__file__).parent / "refusals.json").read_text(encoding="utf-8"))
    return tuple(phrase for language in told.values() for phrase in language)


def looks_refused(text: str) -> str:
    """The phrase that makes it look so, "" where there is none."""
    beginning = _SPACES.sub(" ", text[:BEGINNING].replace("’", "'").replace(",我", "，我")).lower()
    return next((phrase for phrase in phrases() if phrase in beginning), "")
