"""Banned texts are found as a naive search of the whole text finds them, in whatever pieces it comes."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from fabula.core.errors import BadParameter
from fabula.engine.bans.matcher import Bans, Match, Watch

LETTERS = st.sampled_from("aAbBß ﬁİsSfi")  # some of them grow when their case is folded
WORDS = st.lists(st.text(LETTERS, min_size=1, max_size=4), min_size=1, max_size=6)
PIECES = st.lists(st.text(LETTERS, max_size=4), max_size=10)


def naive(text: str, strings: list[str], since: int) -> int | None:
    """Where the phrase begins that begins first, of those that end after character `since`."""
    folded = "".join(char.casefold() for char in text)
    character = [place for place, char in enumerate(text) for _ in char.casefold()]
    starts = []
    for string in (string.casefold() for string in strings):
        places = (place for place in range(len(folded)) if folded.startswith(string, place))
        starts += [character[place] for place in places if character[place + len(string) - 1] >= since]
    return min(starts, default=None)


def fed(watch: Watch, pieces: list[str]) -> Match | None:
    for piece in pieces:
        if match := watch.feed(piece):
            return match
    return None


@given(WORDS, PIECES)
def test_phrases_are_found_as_a_naive_search_finds_them(strings: list[str], pieces: list[str]) -> None:
    watch, text = Bans.of(tuple(strings)).watch(), ""
    for piece in pieces:
        before, held, text = len(text), watch.held, text + piece
        match, expected = watch.feed(piece), naive(text, strings, before)
        if expected is None:
            assert match is None
            continue
        assert match
        assert match.start == expected
        assert match.text == text[match.start : match.end]
        assert held <= match.start  # nothing of it was given away
        return


@given(WORDS, PIECES)
def test_only_what_may_become_a_phrase_is_held(strings: list[str], pieces: list[str]) -> None:
    watch = Bans.of(tuple(strings)).watch()
    if fed(watch, pieces):
        return
    folded = "".join(piece.casefold() for piece in pieces)
    character = [place for place, char in enumerate("".join(pieces)) for _ in char.casefold()]
    begun = (
        character[place]
        for place in range(len(folded))
        if any(string.casefold().startswith(folded[place:]) for string in strings)
    )
    assert watch.held == min(begun, default=len(character) and character[-1] + 1)


@given(WORDS, PIECES, PIECES, st.integers(0, 40))
def test_after_going_back_it_is_as_if_the_rest_had_never_been(
    strings: list[str], pieces: list[str], others: list[str], length: int
) -> None:
    bans = Bans.of(tuple(strings), (r"a+b", r"\bs\w"))
    watch, text = bans.watch(), "".join(pieces)
    length = min(length, len(text))
    if fed(bans.watch(), [text[:length]]):
        return  # it stands in what is kept: nobody goes back there
    fed(watch, [text])
    watch.rewind(length)
    fresh = bans.watch()
    fed(fresh, [text[:length]])
    assert len(watch) == len(fresh) == length
    assert fed(watch, others) == fed(fresh, others)


@pytest.mark.parametrize("cut", range(12))
def test_a_regex_is_found_over_pieces(cut: int) -> None:
    watch = Bans.of((), (r"not just \w+, but",)).watch()
    text = "It was Not Just cold, but wet."
    match = fed(watch, [text[: cut + 5], *text[cut + 5 :]])
    assert match == Match(7, 25, "Not Just cold, but")


def test_only_what_may_become_a_match_of_a_regex_is_held() -> None:
    watch = Bans.of((), ("sh(iver|udder)s? down",)).watch()
    held = [watch.held for piece in ("She ", "shiv", "ers ", "all ") if not watch.feed(piece)]
    assert held == [4, 4, 4, 16]


def test_a_word_boundary_waits_for_what_comes_next() -> None:
    bans = Bans.of((), (r"\bcat\b",))
    assert fed(bans.watch(), ["a ", "cat", "tle"]) is None
    assert fed(bans.watch(), ["a ", "cat", "."]) == Match(2, 5, "cat")
    ended = bans.watch()
    assert fed(ended, ["a ", "cat"]) is None
    assert ended.held == 2
    assert ended.finish() == Match(2, 5, "cat")


def test_a_look_ahead_sees_the_next_piece() -> None:
    bans = Bans.of((), ("foo(?!bar)",))
    assert fed(bans.watch(), ["foo", "bar"]) is None
    assert fed(bans.watch(), ["foo", " "]) == Match(0, 3, "foo")


def test_patterns_with_references_keep_their_numbers() -> None:
    bans = Bans.of((), (r"(ha)\1", r"(?P<one>x)(?P=one)", "(a|b)c"))
    texts = ("oh haha", "xx", "bc")
    assert [match and match.text for match in (fed(bans.watch(), [text]) for text in texts)] == [
        "haha",
        "xx",
        "bc",
    ]


def test_no_pattern_holds_back_more_than_so_much() -> None:
    watch, held = Bans.of((), ('"[^"]*"',)).watch(), []
    for piece in ['"', *["endless "] * 60]:
        watch.feed(piece)
        held.append(len(watch) - watch.held)
    assert 390 < max(held) <= 400
    assert held[-1] == 0  # it is given up


def test_a_long_text_is_not_kept() -> None:
    watch = Bans.of(("the end",), ("x+y",)).watch()
    assert fed(watch, ["word "] * 20_000) is None
    assert fed(watch, ["the ", "END"]) == Match(100_000, 100_007, "the END")


def test_what_was_let_pass_is_not_found_again() -> None:
    watch = Bans.of(("aa",)).watch()
    assert watch.feed("xaa") == Match(1, 3, "aa")
    assert watch.allow(3) is None
    assert watch.feed("a") is None
    assert watch.feed("a") == Match(3, 5, "aa")


def test_of_several_the_next_one_comes_when_one_is_let_pass() -> None:
    watch = Bans.of(("one", "two")).watch()
    assert watch.feed("one two") == Match(0, 3, "one")
    assert watch.allow(3) == Match(4, 7, "two")


def test_nothing_is_found_in_or_over_what_is_skipped() -> None:
    watch = Bans.of(("think",)).watch()
    watch.skip("<think>")
    assert watch.feed("thi") is None
    watch.skip("</think>")
    assert watch.feed("nk") is None
    assert watch.feed("think") == Match(20, 25, "think")


def test_a_pattern_that_takes_too_long_is_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabula.engine.bans.patterns.PATIENCE_S", 0.01)
    watch = Bans.of(("plain",), ("(x+x+)+y",)).watch()
    assert watch.feed("x" * 300) is None
    assert watch.too_slow
    assert watch.feed("plain")


@pytest.mark.parametrize(
    ("strings", "regexes"),
    [
        ((), ("(",)),
        ((), ("a*",)),
        (("x" * 401,), ()),
        (("x",) * 20_001, ()),
        (("x" * 400,) * 1001, ()),
        ((), ("x",) * 501),
    ],
)
def test_what_cannot_be_looked_for_is_refused(strings: tuple[str, ...], regexes: tuple[str, ...]) -> None:
    with pytest.raises(BadParameter):
        Bans.of(strings, regexes)


@given(
    st.lists(st.sampled_from([r"ab+a", r"\bb\b", r"(?:a|b){3}", r"b(?!a)", r"a b"]), min_size=1, unique=True),
    PIECES,
)
def test_patterns_are_found_as_a_search_of_the_whole_text_finds_them(
    patterns: list[str], pieces: list[str]
) -> None:
    watch, text = Bans.of((), tuple(patterns)).watch(), "".join(pieces)
    match = fed(watch, pieces) or watch.finish()
    anywhere = [m for p in patterns if (m := regex.search(p, text, regex.IGNORECASE))]
    if not anywhere:
        assert match is None or "b(?!a)" in patterns
    else:
        assert match is not None
