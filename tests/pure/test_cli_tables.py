"""Tables on terminals of any width: lines get longer, and nothing is cut off."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from fabula.cli import screen

TITLES: list[tuple[str, screen.Side]] = [
    ("Name", "left"),
    ("Why", "left"),
    ("Share", "right"),
    ("Size", "right"),
]
REASON = "the weights are not fine enough, and what was lost turns the direction"
ROWS = [("a-long-name", REASON, "12.5%", "136.4 MiB"), ("心情", "yes", "0.0", "7 B")]


@pytest.mark.parametrize("width", [24, 30, 40, 60, 80, 200])
def test_nothing_is_cut_off(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    console = Console(file=written, width=width, highlight=False, markup=False, emoji=False)
    monkeypatch.setattr(screen, "out", lambda: console)
    monkeypatch.setattr(screen.sys.stdout, "isatty", lambda: True)
    screen.table(TITLES, ROWS)
    told = written.getvalue()
    letters = sorted(re.sub(r"\s", "", told))
    assert letters == sorted(
        re.sub(r"\s", "", "".join(title for title, _ in TITLES) + "".join(map("".join, ROWS)))
    )
    if width >= 40:
        assert all(figure in told for figure in ("12.5%", "136.4 MiB"))
