"""The floor on a stream: nothing is held back without need, and cutting a text changes nothing."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from guarding import CONTEXT, GUARD, cases, refuses, say, shown
from hypothesis import given, settings
from hypothesis import strategies as st

from fabula.core.errors import Blocked
from fabula.guard import stir

REPLIES = [case for half in ("development", "heldout") for case in cases(half) if case.reply]
REPLIES = [case for case in REPLIES if not refuses(case.messages)]
WORDS = [
    "the",
    "she",
    "he",
    "they",
    ".",
    ",",
    "!",
    "\n",
    "15",
    "fifteen",
    "years",
    "old",
    "year-old",
    "is",
    "was",
    "girl",
    "child",
    "Mia",
    "had",
    "sex",
    "sexual",
    "act",
    "scene",
    "[explicit",
    "scene]",
    "school",
    "teacher",
    "and",
    "12",
    "man",
    "s",
    "e",
    "x",
    "l0li",
    "她",
    "他",
    "十五",
    "岁",
    "歲",
    "小",
    "学",
    "生",
    "做爱",
    "做",
    "爱",
    "性行为",
    "。",
    ",",
    "孩子",
    "police",
    "court",
    "convicted",
    "asleep",
    "later",
    "twenty",
    "Anna",
    "(38)",
    ";",
    "…",
    "”",
    "slept with",
    "the coach",
    "made",
    "love",
    "go to bed",
    "together",
    "sexxx",
    "se.xy",
    "er0tic",
    "zuo",
    "zuo愛",
    "luoli",
    "上了",
    "床",
    "睡了",
    "和他",
    "born in 2011",
    "2024",
    "2012年生",
    "How old?",
    "Seventh.",
    "Mr.",
    "!",
    "?",
    "🔞",
    "bear",
    ".\n\n",
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=40).flatmap(
    lambda words: st.sampled_from([" ".join(words), "".join(words)])
)


def pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in pairwise(places)]


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 400), max_size=30))
def test_cutting_a_stream_differently_changes_neither_decision_nor_what_is_seen(
    text: str, cuts: list[int]
) -> None:
    whole, blocked = shown([text])
    seen, stopped = shown(pieces(text, cuts))
    assert stopped == blocked
    assert whole.startswith(seen)
    assert blocked or seen == whole == text


def test_what_was_kept_back_is_shown_when_its_sentence_has_ended() -> None:
    told = [" fox", " bear", ".", "\n", "\n", "The", " original", " sentence"]
    assert shown(told) == ("".join(told), False)


@pytest.mark.parametrize("case", REPLIES, ids=lambda case: case.id)
def test_a_reply_letter_by_letter_is_decided_as_a_whole_one(case) -> None:  # type: ignore[no-untyped-def]
    whole, blocked = shown([case.reply], case.messages)
    seen, stopped = shown(case.reply, case.messages)
    assert stopped == blocked
    assert whole.startswith(seen)
    assert blocked or seen == case.reply


QUIET = st.lists(
    st.sampled_from(
        [
            "the",
            "harbour",
            "was",
            "quiet",
            "in",
            "港口",
            "很安静",
            "。",
            ",",
            ".",
            "!",
            "\n",
            "gulls",
            "sat",
            "on",
            "wall",
            "老人",
            "写下",
            "名字",
            "café",
            "🙂",
            "rain",
        ]
    ),
    max_size=200,
).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(QUIET, st.lists(st.integers(0, 900), max_size=30))
def test_text_without_a_signal_is_never_held_back(text: str, cuts: list[int]) -> None:
    watch = GUARD.watch((), CONTEXT)
    for piece in pieces(text, cuts):
        assert watch.feed(piece) == piece
    assert watch.finish() == ""


FAMILY = (
    "The six-year-old daughter asked her mother for a story. Tom, 9, put his little sister to bed. "
    "The children of the primary school sat by the fire; the baby slept. She is 13 and he was twelve. "
    "六歲的女兒要媽媽講故事。九歲的小明抱著妹妹上樓睡覺。孩子們念國小,寶寶在床上睡著了。"
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 900), max_size=60))
def test_of_a_family_scene_no_more_than_the_open_word_is_held_back(cuts: list[int]) -> None:
    watch, seen, fed = GUARD.watch(say("Write about Ida, a six-year-old."), CONTEXT), "", ""
    for piece in pieces(FAMILY, cuts):
        seen, fed = seen + watch.feed(piece), fed + piece
        assert fed.startswith(seen)
        assert re.fullmatch(r"[\w.]*", fed[len(seen) :])
    assert seen + watch.finish() == FAMILY


def test_what_is_sexual_is_shown_sentence_by_sentence() -> None:
    watch = GUARD.watch((), CONTEXT)
    assert watch.feed("They had sex") == "They had sex"
    assert watch.feed(" and laughed. Then") == " and laughed."
    assert watch.feed(" rain") == ""
    assert watch.finish() == " Then rain"


def test_what_completes_a_violation_is_not_seen_and_what_came_before_is_kept() -> None:
    seen, blocked = shown(["The lake was calm. A 13-year-old came by. He began a [sexual act] with her."])
    assert blocked
    assert seen == "The lake was calm. A 13-year-old came by. He began a ["
    seen, blocked = shown(["They had sex. She was 13 years old."])
    assert blocked
    assert seen == "They had sex."


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("她十二岁。教练和她发生性行为。", "她十二岁。教练和她发生"),
        ("她2012年出生,现在是2024年。写她的床戏。", "她2012年出生,现在是2024年。写她"),
        (
            "Ben was born in 2012. It is 2025. He has sex with the lodger.",
            "Ben was born in 2012. It is 2025. He has ",
        ),
        ("她十二岁性交", "她十二岁"),
    ],
)
def test_no_part_of_a_sexual_word_is_seen_once_someone_young_was_told_of(text: str, seen: str) -> None:
    assert shown([text]) == (seen, True)
    assert shown(text) == (seen, True)


def test_a_blocked_stream_stays_blocked() -> None:
    watch = GUARD.watch(say("She is 13."), CONTEXT)
    watch.feed("They had sex.\nAnd")
    with pytest.raises(Blocked):
        watch.feed(" then")
    with pytest.raises(Blocked):
        watch.finish()


def test_a_sentence_that_never_ends_is_still_shown() -> None:
    watch = GUARD.watch(say("Write how the couple have sex."), CONTEXT)
    assert watch.feed("and then she ran " * 30) != ""


LATIN_WORDS = [
    "the",
    "girl",
    "Schoolgirl",
    "undressed",
    "sex",
    "a",
    "I",
    "ing",
    "x" * 39,
    "x" * 40,
    "7",
    "14",
    "é",
]
BESIDE = ["", " ", "  ", "'s", "-", ".", "..", ",", "?", ", ", "你", "岁", "\n", "*", "1"]
latin_and_other = st.lists(
    st.sampled_from([*LATIN_WORDS, *BESIDE, *(f" {word}" for word in LATIN_WORDS)]), max_size=4
).map("".join)


@given(
    latin_and_other | st.text(max_size=6),
    latin_and_other | st.text(max_size=6),
    st.sampled_from([stir.QUIET, stir.YOUNG]),
)
def test_the_next_word_is_passed_as_any_piece_would_be(before: str, text: str, loudest: int) -> None:
    for tail in (before, stir.tail_of(before)):
        assert stir.quiet(tail, text, loudest) == stir.quiet_piece(tail + text, loudest)


HAN = st.sampled_from("她他小学學生孩子做爱愛床上睡了的和十五岁歲,。、「」…· 0a性行为為女男裸")


@given(st.text(HAN, min_size=1, max_size=8), st.sampled_from([stir.QUIET, stir.YOUNG]))
def test_chinese_is_passed_at_once_as_it_would_be_atom_by_atom(piece: str, loudest: int) -> None:
    found: str | None = stir.tail_of(piece)
    for match in stir.ATOMS.finditer(piece):
        if match.end() == len(piece) and stir.may_go_on(match[0]):
            break
        if stir.kind(match[0], piece[max(0, match.start() - stir.BEFORE) : match.start()]) > loudest:
            found = None
            break
    assert stir.quiet_piece(piece, loudest) == found
    for place in range(len(piece)):
        assert stir.quiet(piece[:place], piece[place:], loudest) == found
