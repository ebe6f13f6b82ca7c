"""What is told of one generation."""

from __future__ import annotations

import pytest

from fabula.core.stream import Finished


def finished(tokens: int, milliseconds: float) -> Finished:
    counts = {"prompt_tokens": 9, "reused_tokens": 0, "processed_tokens": 9, "completion_tokens": tokens}
    return Finished(reason="stop", prompt_ms=1.0, predicted_ms=milliseconds, **counts)


def test_the_rate_is_tokens_by_seconds():
    assert finished(30, 1500.0).facts("tiny")["tokens_per_second"] == 20.0


@pytest.mark.parametrize(("tokens", "milliseconds"), [(1, 0.001), (1, 40.0), (0, 0.0), (5, 0.5)])
def test_too_little_to_time_has_no_rate(tokens, milliseconds):
    assert finished(tokens, milliseconds).facts("tiny")["tokens_per_second"] == 0.0
