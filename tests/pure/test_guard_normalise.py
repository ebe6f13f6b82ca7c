"""Normalising for the guard: one spelling for many, and the same again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fabula.guard.lexicon import lexicon
from fabula.guard.normalise import normalise

PIECES = st.sampled_from(
    [
        "s",
        "e",
        "x",
        " ",
        ".",
        "-",
        "_",
        "*",
        "1",
        "0",
        "3",
        "l0li",
        "g1rl",
        "小",
        "學",
        "生",
        "爱",
        "\u200b",
        "é",
        "15",
        "year",
        "@",
        "!",
        "ﬁ",
        "½",
        "\n",
        "xiao",
        "ai",
        "AI",
        "sui",
        "十4岁",
        "l4 years",
        "🔞",
        "fo*rteen",
        "un|der|age",
        "sexxx",
        "ㄗㄨㄛˋ",
    ]
)
WILD = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join))


@settings(max_examples=400, deadline=None)
@given(WILD)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text, lexicon().words)
    assert normalise(once, lexicon().words) == once


def test_plain_text_is_only_lowered() -> None:
    assert normalise("The harbour was quiet.", lexicon().words) == "the harbour was quiet."


def test_numbers_and_names_that_merely_look_disguised_stay() -> None:
    assert normalise("I play mp3s on my 6th h20 b4 U.S.A. 1st", lexicon().words) == (
        "i play mp3s on my 6th h20 b4 u.s.a. 1st"
    )
