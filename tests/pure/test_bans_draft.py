"""A draft shows what stands, goes back to the token where a match begins, and tells what had to stay."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.core.stream import Token
from fabula.engine.bans.draft import ALTERNATIVES, Draft
from fabula.engine.bans.matcher import Bans

VOCABULARY = ("a", "b", "ab", " a", "ba ", "c", " cab", "B", "", "ß", "d", ". ")
PHRASES = st.lists(st.sampled_from(["ab", "ba", "a b", "cab", "bb", "ss", "b c"]), unique=True, max_size=4)


def ranked(ids: Sequence[int], seed: int) -> list[int]:
    """What a model would write next, the likeliest first; the same for the same beginning."""
    order = list(range(len(VOCABULARY)))
    random.Random(f"{seed} {list(ids)}").shuffle(order)
    return order


class Writer:
    """Writes with a draft, as a worker does, and keeps what was shown."""

    def __init__(self, draft: Draft, seed: int = 0) -> None:
        self.draft, self.seed = draft, seed
        self.shown: list[Token] = []

    def write(self, length: int) -> str:
        verdict = "on"
        while verdict != "stop":
            if len(self.draft) < length:
                ids = [id for token in self.draft.tokens for id in token.ids]
                free = [id for id in ranked(ids, self.seed) if id not in self.draft.forbidden]
                verdict = self.draft.add(Token(VOCABULARY[free[0]], (free[0],)))
            else:
                verdict = self.draft.finish()
            self.shown += self.draft.ready(all=verdict == "stop")
            assert self.shown == list(self.draft.tokens)[: len(self.shown)]  # nothing shown was taken back
        return "".join(token.text for token in self.shown)


def by_force(phrases: Sequence[str], seed: int, length: int) -> str:
    """Token by token, the whole text searched each time; a token is shown when no phrase may begin in it."""
    ids: list[int] = []
    shown = 0
    forbidden: dict[int, set[int]] = {}
    while len(ids) < length:
        ids.append(next(id for id in ranked(ids, seed) if id not in forbidden.get(len(ids), set())))
        pieces = [VOCABULARY[id].casefold() for id in ids]
        ends = [len("".join(pieces[: k + 1])) for k in range(len(ids))]
        text = "".join(pieces)
        if starts := [text.find(phrase) for phrase in phrases if phrase in text]:
            place = max(shown, next(k for k, end in enumerate(ends) if end > min(starts)))
            forbidden = {at: tried for at, tried in forbidden.items() if at <= place}
            forbidden.setdefault(place, set()).add(ids[place])
            del ids[place:]
        begun = (at for at in range(len(text)) if any(phrase.startswith(text[at:]) for phrase in phrases))
        held = min(begun, default=len(text))
        if not starts:
            shown = max(shown, sum(end <= held for end in ends))
    return "".join(VOCABULARY[id] for id in ids)


@given(PHRASES, st.integers(0, 1000))
def test_it_writes_what_brute_force_writes(phrases: list[str], seed: int) -> None:
    draft = Draft(Bans.of(tuple(phrases)))
    text = Writer(draft, seed).write(16)
    assert text == by_force(phrases, seed, 16)
    assert not any(phrase in text.casefold() for phrase in phrases)


@given(PHRASES, st.integers(0, 1000), st.sampled_from(["c", "a ", "bc", "B"]))
def test_a_stop_string_ends_it_wherever_the_cut_was(phrases: list[str], seed: int, stop: str) -> None:
    draft = Draft(Bans.of(tuple(phrases)), stops=[stop])
    text = Writer(draft, seed).write(16)
    assert stop not in text
    assert not any(phrase in text.casefold() for phrase in phrases)
    assert draft.stop_string in ("", stop)


def test_a_match_that_begins_inside_a_token_takes_the_whole_token_back() -> None:
    draft = Draft(Bans.of(("ello w",)))
    assert draft.add(Token("Hello", (7,))) == "on"
    assert draft.ready() == []  # its end may become a match, so none of it is shown
    assert draft.add(Token(" world", (8,))) == "back"
    assert (len(draft), draft.forbidden, draft.wasted_tokens) == (0, {7}, 2)


def test_the_token_is_forbidden_at_its_position_only() -> None:
    draft = Draft(Bans.of(("bad",)))
    draft.add(Token("a ", (1,)))
    assert draft.add(Token("bad", (2,))) == "back"
    assert draft.forbidden == {2}
    assert draft.add(Token("good", (3,))) == "on"
    assert not draft.forbidden


def test_what_was_tried_is_kept_until_something_before_it_changes() -> None:
    draft = Draft(Bans.of(("ab", "ac", "xyab")))
    for id, text in enumerate(["xy", "ab", "ac"]):
        draft.add(Token(text, (id,)))
        if id == 1:
            assert draft.forbidden == {0}  # "xyab" begins first
            draft.add(Token("q", (9,)))
            draft.add(Token("ab", (1,)))
    assert draft.forbidden == {1, 2}


def test_after_all_alternatives_it_passes_and_is_told() -> None:
    draft = Draft(Bans.of(("e",)))
    for id in range(ALTERNATIVES):
        assert draft.add(Token("e", (id,))) == "back"
    assert draft.add(Token("e", (99,))) == "on"
    assert (draft.unavoided, draft.rewrites) == (("e",), ALTERNATIVES)
    assert draft.add(Token("f", (1,))) == "on"
    assert [token.text for token in draft.ready()] == ["e", "f"]


def test_tags_and_tool_calls_are_left_alone() -> None:
    draft = Draft(Bans.of(("think", "name")), marks=("<think>",), triggers=("<call>",))
    texts = ["<think>", "I ", "mean", "<ca", "ll>", '{"name"', ": 1}"]
    assert [draft.add(Token(text, (id,))) for id, text in enumerate(texts)] == ["on"] * len(texts)
    assert "".join(token.text for token in draft.ready()) == "".join(texts)


@pytest.mark.parametrize(("text", "shown"), [("stop", "a "), ("stoop", "a stoop")])
def test_text_that_may_become_a_stop_string_waits(text: str, shown: str) -> None:
    draft = Draft(Bans.of(()), stops=["stop"])
    for id, char in enumerate(["a ", *text]):
        draft.add(Token(char, (id,)))
    draft.finish()
    assert "".join(token.text for token in draft.ready(all=True)) == shown


def test_a_token_that_reaches_into_a_stop_string_loses_its_ids() -> None:
    draft = Draft(Bans.of(()), stops=["END"])
    assert draft.add(Token("the EN", (1,))) == "on"
    assert draft.add(Token("D.", (2,))) == "stop"
    assert draft.ready(all=True) == [Token("the ", ())]


def test_a_match_that_only_the_end_makes_is_taken_back() -> None:
    draft = Draft(Bans.of((), (r"\bcat\b",)))
    assert draft.add(Token("cat", (1,))) == "on"
    assert draft.finish() == "back"
    assert draft.forbidden == {1}
