"""Where the ground truth of stories lies, and how its texts are counted. Knows no layout."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from needs import need

OWN = Path(__file__).parent / "fixtures" / "roleplay"
_GIVEN = Path(os.environ.get("FABULA_FIXTURES") or OWN)
ROLEPLAY = _GIVEN / "roleplay" if (_GIVEN / "roleplay").is_dir() else _GIVEN
"""Outputs of SillyTavern 1.19 on our own inputs; another folder of the same format may take its place."""

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


def truth(name: str) -> Any:
    return json.loads((ROLEPLAY / name).read_text(encoding="utf-8"))


def mock_tokens(text: str) -> int:
    """The counter that stood in for a tokenizer when the truth was taken."""
    return len(_TOKEN.findall(text))


class Counted(dict[str, int]):
    """A table of counts that is never short of one."""

    def __missing__(self, text: str) -> int:
        self[text] = mock_tokens(text)
        return self[text]

    def __contains__(self, text: object) -> bool:
        return True

    def get(self, text: str, default: Any = None) -> Any:
        return self[text]


def presets(kind: str) -> Path:
    """The folder of real presets of one kind, as "instruct": their licence keeps them out of here."""
    named = os.environ.get("FABULA_TEST_PRESETS", "")
    places = [Path(named), Path(named).parent] if named else []
    places.append(ROLEPLAY.parent / "third_party" / "sillytavern_presets")
    for place in places:
        if (place / kind).is_dir():
            return place / kind
    return need("presets", "FABULA_TEST_PRESETS names no folder of SillyTavern presets")


def tell(capsys: pytest.CaptureFixture[str], count: int, what: str) -> None:
    """Print the number of cases; none would be a mistake."""
    with capsys.disabled():
        sys.stdout.write(f"\n{count} {what} of {ROLEPLAY}\n")
    assert count


def card_of(name: str = "mira_v2.json") -> dict[str, Any]:
    file = ROLEPLAY / name if (ROLEPLAY / name).is_file() else OWN / name
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found.get("data", found)
