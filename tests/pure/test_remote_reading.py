"""Streams of servers come in any pieces, and mean the same."""

from __future__ import annotations

import contextlib
import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from fabula.core.errors import RemoteBroke
from fabula.core.sampling import NEUTRAL, Sampling
from fabula.engine.remote.dialects.openai import ChatReader
from fabula.engine.remote.events import LONGEST, Lines, Sent, TooLong
from fabula.engine.remote.numbers import bias, effective, ignored

TEXTS = some.lists(some.text(max_size=8), max_size=5)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(TEXTS, some.lists(some.integers(0, 10_000), max_size=8), some.sampled_from([b"\n", b"\r\n"]))
def test_events_come_whole_however_they_are_cut(texts: list[str], cuts: list[int], end: bytes) -> None:
    events = [json.dumps({"text": text}).encode() for text in texts]
    data = b"".join(b": ping" + end + b"event: x" + end + b"data: " + event + end + end for event in events)
    sent = Sent()
    assert [event for piece in pieces(data, cuts) for event in sent.feed(piece)] == events
    assert sent.rest() == b""


@given(TEXTS, some.lists(some.integers(0, 10_000), max_size=8))
def test_lines_come_whole_however_they_are_cut(texts: list[str], cuts: list[int]) -> None:
    rows = [json.dumps(text).encode() for text in texts]
    lines = Lines()
    assert [
        line for piece in pieces(b"".join(row + b"\n" for row in rows), cuts) for line in lines.feed(piece)
    ] == rows


def test_a_last_event_without_an_empty_line_counts() -> None:
    sent = Sent()
    assert list(sent.feed(b"data: 1\n\ndata: [DONE]")) == [b"1"]
    assert sent.rest() == b"[DONE]"


def test_an_event_without_an_end_is_not_kept_for_ever() -> None:
    with pytest.raises(TooLong):
        list(Sent().feed(b"data: " + b"x" * (LONGEST + 1)))


@given(some.binary(max_size=200))
@example(b"[DONE]")
def test_no_bytes_make_a_reader_fail_in_another_way(data: bytes) -> None:
    reader = ChatReader("m", "box")
    with contextlib.suppress(RemoteBroke):  # nearly always; any other error fails
        reader.feed(b"data: " + data.replace(b"\n", b" ") + b"\n\n")
        reader.finish()


def test_what_a_server_does_not_know_is_neutral_and_told() -> None:
    asked = Sampling(temperature=0.2, top_k=3, dry_base=2.0, dry_multiplier=0.0, seed=5)
    honoured = frozenset({"temperature", "seed", "dry_base", "dry_multiplier"})
    used = effective(asked, honoured, seed=1)
    assert (used["temperature"], used["top_k"], used["seed"]) == (0.2, NEUTRAL["top_k"], 5)
    assert ignored(asked, honoured) == ("top_k", "dry_base")


def test_a_banned_token_has_the_least_bias() -> None:
    asked = Sampling(logit_bias=((3, 2.5), (4, float("-inf"))), banned_tokens=(5,))
    assert bias(asked) == {"3": 2.5, "4": -100.0, "5": -100.0}
