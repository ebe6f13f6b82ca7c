"""What an engine's probe tells of its logits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fabula.engine.llamacpp.foreseeing import PENALTY, offset_of
from fabula.engine.sampling.tail import rest


def softmax(logits: dict[int, float]) -> dict[int, float]:
    total = sum(math.exp(value) for value in logits.values())
    return {token: math.exp(value) / total for token, value in logits.items()}


@pytest.mark.parametrize("offset", [21.0, 3.5, -6.0])
def test_a_penalty_shows_where_the_logits_lie(offset: float) -> None:
    chances = softmax({1: 2.0, 2: 1.5, 3: 0.0, 4: -3.0, 5: -7.5})
    before = {token: math.log(chance) for token, chance in chances.items()}
    logits = {token: chance + offset for token, chance in before.items()}
    penalised = {2, 4, 5}
    moved = {
        token: (logit / PENALTY if logit > 0 else logit * PENALTY) if token in penalised else logit
        for token, logit in logits.items()
    }
    assert offset_of(before, softmax(moved), penalised) == pytest.approx(offset)


def test_without_a_penalised_token_nothing_is_known() -> None:
    before = {1: -0.5, 2: -0.9}
    assert offset_of(before, {1: 0.6, 2: 0.4}, {7}) is None
    assert offset_of(before, {1: 0.6, 2: 0.4}, {1, 2}) is None


def test_the_rest_of_a_normal_spread_is_about_as_it_is() -> None:
    drawn = np.sort(np.random.default_rng(1).normal(0, 3, 30_000))[::-1]
    logprobs = drawn - np.log(np.exp(drawn).sum())
    found = np.concatenate([logprobs[:3000], rest(logprobs[:3000], len(logprobs))])
    assert found.std() == pytest.approx(logprobs.std(), rel=0.1)
    assert np.exp(found).sum() == pytest.approx(1, abs=0.01)


def test_nothing_is_added_to_a_whole_vocabulary() -> None:
    assert len(rest(np.array([-0.1, -2.0]), 2)) == 0
