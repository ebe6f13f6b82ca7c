"""Lorebooks of files: whatever is in them they are read, and what they say comes out again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabula.chats.lorebooks import files
from fabula.chats.lorebooks.entries import entries
from fabula.core.errors import LorebookUnreadable
from fabula.prompt.lore.entry import Entry

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([*files.USUAL, "characterFilter", "uid", "use_regex", "matchScenario"])
ROW = st.dictionaries(NAMES, JUNK, max_size=8)
WORDS = st.lists(st.text(min_size=1, max_size=8), max_size=3)
BOOK_ENTRY = st.fixed_dictionaries(
    {
        "keys": WORDS,
        "secondary_keys": WORDS,
        "content": st.text(max_size=20),
        "comment": st.text(max_size=8),
        "constant": st.booleans(),
        "selective": st.booleans(),
        "insertion_order": st.integers(-10, 1000),
        "enabled": st.booleans(),
        "use_regex": st.booleans(),
        "position": st.sampled_from(["before_char", "after_char"]),
        "extensions": st.fixed_dictionaries({"depth": st.integers(0, 9), "sticky": st.integers(0, 9)}),
    }
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=4), ROW | JUNK, max_size=4))
def test_entries_of_wrong_types_are_read_as_if_they_were_missing(rows: dict[str, Any]) -> None:
    found = entries("x", {"entries": rows})
    assert len(found) == sum(isinstance(row, dict) for row in rows.values())
    assert all(isinstance(entry, Entry) and isinstance(entry.content, str) for entry in found)
    assert all(isinstance(key, str) for entry in found for key in (*entry.keys, *entry.secondary))


@settings(deadline=None)
@given(
    st.dictionaries(st.text(max_size=4), ROW, max_size=4),
    st.dictionaries(st.text(max_size=6), JUNK, max_size=3),
)
def test_a_world_file_comes_out_as_it_went_in(rows: dict[str, Any], more: dict[str, Any]) -> None:
    world = more | {"entries": rows}
    _, document = files.read("x.json", json.dumps(world).encode())
    assert document == json.loads(json.dumps(world))


@settings(deadline=None)
@given(st.lists(BOOK_ENTRY, max_size=4))
def test_a_book_of_a_card_comes_out_with_all_that_it_said(rows: list[dict[str, Any]]) -> None:
    _, world = files.document("x", {"spec": "lorebook_v3", "data": {"entries": rows}})
    written = files.as_book("x", world)["data"]["entries"]
    assert [
        {name: one[name] for name in row if name != "extensions"}
        for one, row in zip(written, rows, strict=True)
    ] == [{name: value for name, value in row.items() if name != "extensions"} for row in rows]
    assert all(
        row["extensions"].items() <= one["extensions"].items() for one, row in zip(written, rows, strict=True)
    )


@settings(deadline=None)
@given(JUNK)
def test_what_is_no_lorebook_is_refused(found: Any) -> None:
    if isinstance(found, dict) and any(name in found for name in ("entries", "data")):
        return
    with pytest.raises(LorebookUnreadable):
        files.document("x", found)


def test_a_file_that_is_too_large_or_nested_too_deep_is_refused() -> None:
    for content in (b" " * (files.LIMIT + 1), b"[" * 100_000, b"\xff\xfe"):
        with pytest.raises(LorebookUnreadable):
            files.read("x.json", content)
