"""The list of well-known models: every statement has its source."""

from __future__ import annotations

import pytest

from fabula.models.known.entries import CLAIMED, entries, read
from fabula.models.sources import parse


def test_every_statement_names_the_page_that_says_so() -> None:
    for entry in entries():
        assert all(entry.claims[name].startswith("https://") for name in CLAIMED if getattr(entry, name))


def test_names_are_unique_and_sources_can_be_asked_for() -> None:
    names = [entry.name.lower() for entry in entries()]
    assert len(set(names)) == len(names)
    for entry in entries():
        assert entry.sources
        assert all(parse(f"hf:{source.repository}").kind == "hub" for source in entry.sources)


def test_sizes_agree_with_parameters_and_bits() -> None:
    """Between 2 and 17 bits per weight: a slip of the pen in a size or a count is seen."""
    files = [(entry, file) for entry in entries() for source in entry.sources for file in source.files]
    assert files
    for entry, file in files:
        assert 2 < file.size_gb * 8e9 / entry.parameters < 18, (entry.name, file.file)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"licence": "MIT"}, "no source for licence"),
        ({"stage": "magic", "claims": {"stage": "https://example.com"}}, "none of base"),
        ({"alignment": "free", "claims": {"alignment": "https://example.com"}}, "external filter"),
    ],
)
def test_statements_without_source_and_unknown_words_are_refused(row: dict[str, object], said: str) -> None:
    plain = {"name": "X", "parameters": 1, "sources": []}
    with pytest.raises(ValueError, match=said):
        read({"version": 1, "models": [plain | row]})


def test_a_list_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2"):
        read({"version": 2, "models": []})
