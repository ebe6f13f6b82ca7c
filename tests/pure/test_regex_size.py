"""How large a regex is once its repetitions are written out."""

from __future__ import annotations

import pytest

from fabula.core.regex_size import MOST_PARTS, parts


@pytest.mark.parametrize(
    ("pattern", "least"),
    [
        ("abc", 3),
        ("a{7}", 7),
        ("(a{1000}){100}", 100_000),
        ("(ab{3}){10}", 40),
        ("[]x]{4}", 4),
        ("[[:alpha:]]{5}x", 6),
        (r"(a|b{3})\){2}", 6),
        (r"\p{L}{3}", 3),
        ("(?#a) )){9}", 0),
    ],
)
def test_repetitions_are_counted(pattern: str, least: int) -> None:
    assert least <= parts(pattern) <= 2 * least + 10


@pytest.mark.parametrize(
    "pattern",
    [
        "((a{1000}){1000}){1000}",
        "a{1000000000}",
        "a{1000000000000000000000000000}",
        "(?x)( a{1000} #(\n b ){1000}",
        r"\(?#((a{1000}){1000}){1000}",
        "[(?#]((a{1000}){1000}){1000}",
        "((a{1000}(?#)){1000}){1000}",
        r"\\(?x)( a{1000} #(" "\n b ){1000}",
        "(" * 50 + "(a{1000}){1000}",
    ],
)
def test_what_nobody_may_compile_is_seen_however_it_is_hidden(pattern: str) -> None:
    assert parts(pattern) > MOST_PARTS


@pytest.mark.parametrize(
    "pattern",
    [
        r"\d{4}-\d{2}-\d{2}",
        "[a-z]{2,4000}( [a-z]{2,40}){0,300}",
        "(a{0,1000}){1000}",
        r"\(?next(\d{40} ){40}\.{40}",
    ],
)
def test_usual_patterns_are_small(pattern: str) -> None:
    assert parts(pattern) < MOST_PARTS / 20
