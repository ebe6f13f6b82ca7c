"""A reply's samplers together: their order, their memory, and going back."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from fabula.core.sampling import SAMPLERS, Sampling
from fabula.engine.sampling.chain import STEPS, Chain, probabilities
from fabula.engine.sampling.history import History, Vocabulary
from fabula.engine.sampling.order import OFF, order

PIECES = ["a", "b", "c", "\n", "x:", "end", "，", "d"]
LETTERS = Vocabulary(8, frozenset({5}), lambda token: PIECES[token].encode())
OFF_ALL = {name: value for fields in OFF.values() for name, value in fields.items()}
PLAIN = Sampling(**OFF_ALL)
ROW = np.log([0.4, 0.3, 0.1, 0.08, 0.06, 0.03, 0.02, 0.01])


def after(sampling: Sampling, row: object = ROW, **more: object) -> list[float]:
    return [round(float(p), 4) for p in probabilities(row, sampling, LETTERS, **more)]


def test_every_named_sampler_has_a_step_and_a_value_that_switches_it_off() -> None:
    assert set(STEPS) == set(OFF) == set(SAMPLERS)
    assert order(PLAIN) == ()
    assert order(Sampling()) == ("top_k", "top_p", "min_p", "temperature")


def test_those_that_are_named_come_first_and_none_is_switched_off_by_not_being_named() -> None:
    asked = Sampling(sampler_order=("temperature", "min_p"), top_a=0.1)
    assert order(asked) == ("temperature", "min_p", "top_k", "top_a", "top_p")


def test_the_order_changes_the_result() -> None:
    hot_first = replace(PLAIN, temperature=4.0, top_p=0.5, sampler_order=("temperature", "top_p"))
    cut_first = replace(hot_first, sampler_order=("top_p", "temperature"))
    assert sum(p > 0 for p in after(cut_first)) == 2
    assert sum(p > 0 for p in after(hot_first)) > 2


def test_a_dynamic_temperature_takes_the_place_of_the_plain_one() -> None:
    asked = replace(PLAIN, temperature=0.8, dynatemp_range=0.5, top_k=3)
    assert order(asked) == ("top_k", "dynatemp")
    assert order(replace(asked, sampler_order=("temperature",))) == ("dynatemp", "top_k")


def test_nothing_follows_adaptive_p() -> None:
    assert (
        order(replace(PLAIN, adaptive_target=0.3, top_k=5, sampler_order=("adaptive_p",)))[-1] == "adaptive_p"
    )


def test_biases_and_bans_come_before_all_else() -> None:
    asked = replace(PLAIN, logit_bias=((1, 1.0), (2, -math.inf)), banned_tokens=(0,))
    total = 0.3 * math.e + 0.08 + 0.06 + 0.03 + 0.02 + 0.01
    assert after(asked)[:3] == [0.0, round(0.3 * math.e / total, 4), 0.0]


def test_a_reply_may_not_end_before_its_least_length() -> None:
    chain = Chain(replace(PLAIN, min_tokens=1), LETTERS)
    assert 5 not in chain.candidates(ROW).ids
    chain.accept(0)
    assert 5 in chain.candidates(ROW).ids
    assert after(replace(PLAIN, ignore_eos=True))[5] == 0


def test_what_forbids_every_token_is_told() -> None:
    with pytest.raises(ValueError, match="no token"):
        Chain(replace(PLAIN, banned_tokens=tuple(range(8))), LETTERS).candidates(ROW)


def test_a_seed_fixes_the_reply() -> None:
    def reply(seed: int) -> list[int]:
        chain = Chain(PLAIN, LETTERS, seed=seed)
        for _ in range(20):
            chain.accept(chain.draw(chain.candidates(ROW)))
        return chain.history.written.tolist()

    assert reply(3) == reply(3) != reply(4)


def test_tokens_are_drawn_as_often_as_their_probability_says() -> None:
    chain = Chain(replace(PLAIN, top_k=3), LETTERS, seed=1)
    left = chain.candidates(ROW)
    drawn = np.bincount([chain.draw(left) for _ in range(8000)], minlength=8) / 8000
    assert drawn == pytest.approx(left.full(8), abs=0.02)


def test_going_back_forgets_tokens_and_what_samplers_remember_but_not_random_numbers() -> None:
    chain = Chain(replace(PLAIN, mirostat=2, mirostat_tau=2.0), LETTERS, (1, 2), seed=5)
    before = [chain.memory.mu]
    for _ in range(3):
        chain.accept(chain.draw(chain.candidates(ROW)))
        before.append(chain.memory.mu)
    first = chain.random()
    chain.rewind(1)
    assert chain.memory.mu == before[1] != before[3]
    assert len(chain.history.written) == 1
    assert chain.random() != first


def test_mirostat_switches_off_cuts_that_nobody_asked_for() -> None:
    assert order(Sampling(mirostat=2)) == ("temperature", "mirostat")
    assert order(Sampling(mirostat=2, top_k=7)) == ("top_k", "temperature", "mirostat")


def test_penalties_see_the_prompt_and_the_reply_within_their_window() -> None:
    asked = replace(PLAIN, presence_penalty=1.0, repetition_window=2)
    chain = Chain(asked, LETTERS, (0, 1))
    chain.accept(2)
    left = chain.candidates(ROW)
    lost = np.round(left.logits - ROW, 6).tolist()
    assert lost == [0, -1, -1, 0, 0, 0, 0, 0]


# ── sequence breakers ───────────────────────────────────────────────────────────────────────────────


def history(*ids: int, breakers: tuple[str, ...] = ("\n", ":", "ab", "，")) -> History:
    made = History(ids[:1], LETTERS.spell, breakers)
    for token in ids[1:]:
        made.add(token)
    return made


def test_a_breaker_counts_wherever_it_stands_in_a_token() -> None:
    assert history(0, 3, 2, 2).since_breaker(9 - 5) == 2  # "a\ncc"
    assert history(0, 4, 2).since_breaker(3) == 1  # "ax:c"
    assert history(0, 6, 2).since_breaker(3) == 1  # "a，c"


def test_a_breaker_may_lie_over_two_tokens() -> None:
    assert history(2, 0, 1, 2, 2).since_breaker(5) == 2  # "cabcc"
    assert history(2, 1, 0, 2, 2).since_breaker(5) == 5  # "cbacc"


def test_breakers_are_forgotten_when_their_tokens_are() -> None:
    made = history(0, 2, 3, 2)
    assert made.since_breaker(4) == 1
    made.back_to(1)
    made.add(7)
    assert made.since_breaker(3) == 3
