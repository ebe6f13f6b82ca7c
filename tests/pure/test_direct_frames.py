"""How studio and direct child talk, and forms of replies that need no engine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.engine.direct.forms import WholeRegex
from fabula.engine.direct.frames import Frames, frame, line
from fabula.engine.sampling.candidates import Candidates

SAID = st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=30)), max_size=8)


@given(said=SAID, cut=st.integers(1, 9))
def test_frames_come_out_as_they_went_in_whatever_the_pieces(said: list[tuple[str, bytes]], cut: int) -> None:
    raw = b"".join(frame({"id": 1, "text": text}, data) for text, data in said)
    frames = Frames()
    found = [each for start in range(0, len(raw), cut) for each in frames.feed(raw[start : start + cut])]
    expected = [text.encode(errors="replace").decode() for text, _ in said]
    assert [head["text"] for head, _ in found] == expected
    assert [data for _, data in found] == [data for _, data in said]


def test_half_characters_do_not_break_a_line() -> None:
    assert line({"text": "\ud800"}) == b'{"text":"?"}\n'


# ── a reply that is one match of a regex ────────────────────────────────────────────────────────────

PIECES = [b"a", b"ab", b"1", b"", *(bytes([byte]) for byte in "灯é🗼".encode()), b"END"]
END = len(PIECES) - 1


def form(pattern: str) -> WholeRegex:
    return WholeRegex(pattern, lambda token: PIECES[token], frozenset({END}))


def following(made: WholeRegex) -> set[bytes]:
    allowed = made.allowed(Candidates.of(np.zeros(len(PIECES))))
    return set() if allowed is None else {PIECES[token] for token in allowed.ids.tolist()}


def test_only_what_may_become_a_match_follows() -> None:
    made = form(r"a{2}b?\d")
    assert following(made) == {b"a"}
    made.accept(0)
    assert following(made) == {b"a", b"ab"}
    made.accept(1)
    assert following(made) == {b"1"}
    made.accept(2)
    assert following(made) == {b"END"}
    made.back_to(1)
    assert following(made) == {b"a", b"ab"}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("灯", "灯"),
        ("[一-龥]", "灯"),
        ("[^a-z]", "é"),
        (r"\u706f", "灯"),
        (".", "🗼"),
        (r"\p{So}", "🗼"),
        ("(?:é|🗼)", "🗼"),
    ],
)
def test_a_character_may_come_byte_by_byte(pattern: str, text: str) -> None:
    made = form(pattern)
    for byte in text.encode():
        assert bytes([byte]) in following(made)
        made.accept(PIECES.index(bytes([byte])))
    assert following(made) == {b"END"}


def test_a_character_that_is_not_meant_does_not_begin() -> None:
    assert following(form("灯")) == {"灯".encode()[:1]}
    assert following(form("x")) == set()
