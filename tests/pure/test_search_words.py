"""What is stored and asked, so that any tokenizer finds Chinese inside a run."""

from __future__ import annotations

import pytest

from fabula.store.search import query, words


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("The Lighthouse", "the lighthouse"),
        ("守燈塔的人", "守燈 燈塔 塔的 的人 人"),
        ("海", "海"),
        ("Mira的燈", "mira 的燈 燈"),
        ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"),
        ("!?…", ""),
    ],
)
def test_runs_without_spaces_are_cut_into_bigrams(written: str, stored: str) -> None:
    assert words(written) == stored


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("light", '"light"*'),
        ("old light", '"old" AND "light"*'),
        ("燈塔", '"燈塔"*'),
        ("守燈塔", '"守燈 燈塔"'),
        ("塔", '"塔"*'),
        ('a" OR b NEAR(', '"a" AND "or" AND "b" AND "near"*'),
        ("—", ""),
    ],
)
def test_a_search_is_cut_in_the_same_way(asked: str, wanted: str) -> None:
    assert query(asked) == wanted
