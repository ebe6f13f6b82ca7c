"""The guard's page says what is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.guard import tables

PAGE = Path(__file__).parent.parent.parent / "docs" / "guard.md"


@pytest.mark.parametrize(("name", "table"), tables().items())
def test_the_page_shows_precision_and_recall_as_measured(name: str, table: str) -> None:
    assert f"<!-- measured: {name} -->\n{table}\n<!-- measured end -->" in PAGE.read_text(encoding="utf-8")


def test_the_page_says_that_rules_cannot_be_complete() -> None:
    assert "A rule set cannot be complete." in PAGE.read_text(encoding="utf-8")
