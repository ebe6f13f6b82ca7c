"""What is told of one generation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fabula.cli import reply
from fabula.core.stream import Finished, Rewrites


def finished(tokens: int, milliseconds: float) -> Finished:
    counts = {"prompt_tokens": 9, "reused_tokens": 0, "processed_tokens": 9, "completion_tokens": tokens}
    return Finished(reason="stop", prompt_ms=1.0, predicted_ms=milliseconds, **counts)


def test_the_rate_is_tokens_by_seconds():
    assert finished(30, 1500.0).facts("tiny")["tokens_per_second"] == 20.0


@pytest.mark.parametrize(("tokens", "milliseconds"), [(1, 0.001), (1, 40.0), (0, 0.0), (5, 0.5)])
def test_too_little_to_time_has_no_rate(tokens, milliseconds):
    assert finished(tokens, milliseconds).facts("tiny")["tokens_per_second"] == 0.0


def test_what_banned_texts_have_taken_is_told():
    told = Rewrites(count=3, wasted_tokens=5, reread_tokens=6, unavoided=("e",), notes=("mirostat",))
    facts = replace(finished(30, 1500.0), bans=told).facts("tiny")
    assert facts["bans"]["rewrites"] == 3
    assert facts["bans"]["unavoided"] == ["e"]
    sentence = reply.facts({"facts": facts})
    assert "3 rewrites for banned texts, 5 tokens thrown away · could not be avoided: e" in sentence


def test_without_banned_texts_nothing_is_told_of_them():
    facts = finished(30, 1500.0).facts("tiny")
    assert facts["bans"] is None
    assert "rewrites" not in reply.facts({"facts": facts})


def test_a_list_of_thousands_is_kept_by_its_hash():
    used = {"banned_strings": tuple(f"phrase {number}" for number in range(5000)), "top_k": 3}
    facts = replace(finished(30, 1500.0), effective=used).facts("tiny")
    assert facts["effective"]["banned_strings"]["count"] == 5000
    assert len(facts["effective"]["banned_strings"]["sha256"]) == 64
    assert facts["effective"]["top_k"] == 3
    short = replace(finished(30, 1500.0), effective={"banned_strings": ("one",)}).facts("tiny")
    assert short["effective"]["banned_strings"] == ("one",)
