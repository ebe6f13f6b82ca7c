"""Words that stand for people without naming them. Knows no sentence."""

from __future__ import annotations

import json
from pathlib import Path

_WORDS = {
    kind: frozenset(words)
    for kind, words in json.loads((Path(__file__).parent / "people.json").read_text(encoding="utf-8")).items()
}
FIRST, SECOND, THIRD, NOUNS = (_WORDS[kind] for kind in ("first", "second", "third", "nouns"))
PRONOUNS = FIRST | SECOND | THIRD | {"user", "char"}
