"""Every sampler against a distribution worked out by hand, or against its definition written another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabula.engine.sampling import chance, repetition, temperature, truncation
from fabula.engine.sampling.candidates import Candidates
from fabula.engine.sampling.guidance import guided, log_softmax

FIVE = Candidates.of(np.log([0.5, 0.25, 0.15, 0.06, 0.04]))
MIXED = Candidates.of(np.log([0.06, 0.5, 0.04, 0.25, 0.15]))  # the same, not sorted
LOGITS = st.lists(st.floats(-20, 20), min_size=1, max_size=40).map(np.array)


def ids(left: Candidates) -> list[int]:
    return sorted(left.ids.tolist())


def tokens(*given: int) -> np.ndarray:
    return np.array(given, np.int64)


# ── leaving out unlikely tokens ─────────────────────────────────────────────────────────────────────


def test_top_k_keeps_the_likeliest() -> None:
    assert ids(truncation.top_k(MIXED, 2)) == [1, 3]
    assert ids(truncation.top_k(MIXED, 99)) == [0, 1, 2, 3, 4]


def test_top_p_keeps_the_fewest_that_make_up_p() -> None:
    assert ids(truncation.top_p(FIVE, 0.7)) == [0, 1]
    assert ids(truncation.top_p(FIVE, 0.76)) == [0, 1, 2]
    assert ids(truncation.top_p(FIVE, 0.0)) == [0]


def test_top_p_over_more_tokens_than_are_sorted_at_first() -> None:
    flat = Candidates.of(np.zeros(10_000))
    assert len(truncation.top_p(flat, 0.9)) in (9000, 9001)


def test_min_p_is_relative_to_the_likeliest() -> None:
    assert ids(truncation.min_p(FIVE, 0.2)) == [0, 1, 2]


def test_top_a_is_relative_to_the_square_of_the_likeliest() -> None:
    assert ids(truncation.top_a(FIVE, 0.5)) == [0, 1, 2]  # 0.5 · 0.5² = 0.125


def test_top_n_sigma_counts_in_standard_deviations_of_the_logits() -> None:
    given = Candidates.of([3.0, 2.0, 1.0, -2.0])  # deviation √3.5 ≈ 1.87
    assert ids(truncation.top_n_sigma(given, 1.0)) == [0, 1]


def test_typical_begins_where_surprise_is_nearest_to_the_entropy() -> None:
    # entropy 1.28 nats; surprises 0.69, 1.39, 1.90, 2.81, 3.22: the second is nearest, then the first
    assert ids(truncation.typical(FIVE, 0.2)) == [1]
    assert ids(truncation.typical(FIVE, 0.3)) == [0, 1]


def test_tail_free_cuts_where_the_curve_flattens() -> None:
    # drops 0.25, 0.10, 0.09, 0.02; bends 0.15, 0.01, 0.07 → shares 0.652, 0.043, 0.304
    assert ids(truncation.tail_free(FIVE, 0.5)) == [0]
    assert ids(truncation.tail_free(FIVE, 0.66)) == [0, 1]
    assert ids(truncation.tail_free(FIVE, 0.7)) == [0, 1, 2]


def test_epsilon_is_a_floor_in_ten_thousandths() -> None:
    assert ids(truncation.epsilon(FIVE, 500)) == [0, 1, 2, 3]
    assert ids(truncation.epsilon(FIVE, 9999)) == [0]


def test_eta_lowers_the_floor_when_the_model_is_unsure() -> None:
    # ε = 0.09: √0.09 · e^−1.28 = 0.083, below ε itself
    assert ids(truncation.eta(FIVE, 900)) == [0, 1, 2]
    unsure = Candidates.of(np.zeros(50))
    assert len(truncation.eta(unsure, 900)) == 50


@pytest.mark.parametrize(
    "cut",
    [
        lambda c: truncation.top_k(c, 3),
        lambda c: truncation.top_p(c, 0.6),
        lambda c: truncation.min_p(c, 0.3),
        lambda c: truncation.top_a(c, 0.9),
        lambda c: truncation.top_n_sigma(c, 0.5),
        lambda c: truncation.typical(c, 0.4),
        lambda c: truncation.tail_free(c, 0.5),
        lambda c: truncation.epsilon(c, 3000),
        lambda c: truncation.eta(c, 3000),
        lambda c: chance.mirostat_2(c, 0.5),
        lambda c: chance.mirostat_1(c, 0.5, 40),
    ],
)
@settings(max_examples=40, deadline=None)
@given(row=LOGITS)
def test_cutting_never_takes_every_token_and_never_changes_a_logit(cut, row) -> None:
    left = cut(Candidates.of(row))
    assert len(left) >= 1
    assert (row[left.ids] == left.logits).all()
    assert math.isclose(left.probabilities().sum(), 1, rel_tol=1e-9)


# ── flatter and steeper ─────────────────────────────────────────────────────────────────────────────


def test_temperature_divides_and_zero_takes_the_likeliest() -> None:
    hot = temperature.temperature(FIVE, 2.0).probabilities()
    roots = np.sqrt([0.5, 0.25, 0.15, 0.06, 0.04])
    assert hot == pytest.approx(roots / roots.sum())
    assert ids(temperature.temperature(MIXED, 0)) == [1]


def test_dynamic_temperature_follows_the_entropy() -> None:
    even, sure = Candidates.of([1.0, 1.0]), Candidates.of([50.0, 0.0])
    assert temperature.dynamic(even, 1.0, 0.5, 1.0).logits == pytest.approx([1 / 1.5] * 2)
    assert temperature.dynamic(sure, 1.0, 0.5, 1.0).logits == pytest.approx([100.0, 0.0])
    entropy = -sum(p * math.log(p) for p in (0.5, 0.25, 0.15, 0.06, 0.04))
    share = entropy / math.log(5)
    heat = temperature.dynamic(FIVE, 1.0, 1.0, 2.0).logits / FIVE.logits
    assert heat == pytest.approx([1 / (2 * share**2)] * 5)


def test_smoothing_bends_logits_around_the_highest() -> None:
    given = Candidates.of([4.0, 3.0, 2.0])
    assert temperature.smoothing(given, 0.5, 1.0).logits == pytest.approx([4, 3.5, 2])
    assert temperature.smoothing(given, 0.5, 2.0).logits == pytest.approx([4, 3.5, 1])


# ── against repetition ──────────────────────────────────────────────────────────────────────────────


def test_penalties_divide_what_is_positive_and_multiply_what_is_not() -> None:
    given = Candidates.of([2.0, -2.0, 1.0])
    left = repetition.penalties(
        given, tokens(0, 1, 1), repetition=2.0, slope=1.0, presence=0.5, frequency=0.25
    )
    assert left.logits == pytest.approx([1 - 0.75, -4 - 1.0, 1.0])


def test_a_slope_spares_tokens_of_the_older_half() -> None:
    given = Candidates.of([2.0, 2.0, 2.0])
    left = repetition.penalties(given, tokens(0, 1, 0, 1), repetition=3.0, slope=0.5, presence=0, frequency=0)
    assert left.logits == pytest.approx([2 / 3, 2 / 3, 2.0])
    left = repetition.penalties(given, tokens(0, 0, 1, 1), repetition=3.0, slope=0.5, presence=0, frequency=0)
    assert left.logits == pytest.approx([1.0, 2 / 3, 2.0])


def test_the_encoder_penalty_favours_words_of_the_prompt() -> None:
    left = repetition.encoder_penalty(Candidates.of([2.0, -2.0, 1.0]), tokens(0, 1), 2.0)
    assert left.logits == pytest.approx([4.0, -1.0, 1.0])


def test_no_run_of_n_tokens_occurs_twice() -> None:
    given = Candidates.of(np.zeros(6))
    assert ids(repetition.no_repeat_ngram(given, tokens(1, 2, 3, 4, 1, 2), 3)) == [0, 1, 2, 4, 5]
    assert ids(repetition.no_repeat_ngram(given, tokens(1, 2), 1)) == [0, 3, 4, 5]
    assert ids(repetition.no_repeat_ngram(given, tokens(1, 2), 3)) == [0, 1, 2, 3, 4, 5]


def test_dry_grows_with_the_length_of_the_repetition() -> None:
    given = Candidates.of(np.zeros(10))
    said = tokens(7, 1, 2, 3, 9, 1, 2)  # 3 followed "1 2" before
    left = repetition.dry(given, said, since_breaker=7, multiplier=1.0, base=1.75, allowed=2)
    assert left.logits.tolist() == [0, 0, 0, -1.0, 0, 0, 0, 0, 0, 0]
    longer = tokens(7, 1, 2, 3, 7, 1, 2)
    left = repetition.dry(given, longer, since_breaker=7, multiplier=1.0, base=1.75, allowed=2)
    assert left.logits[3] == pytest.approx(-1.75)
    left = repetition.dry(given, longer, since_breaker=1, multiplier=1.0, base=1.75, allowed=2)
    assert left.logits[3] == 0


@settings(max_examples=60, deadline=None)
@given(said=st.lists(st.integers(0, 3), min_size=2, max_size=30), reach=st.integers(0, 30))
def test_repeats_are_those_that_a_plain_search_finds(said: list[int], reach: int) -> None:
    expected: dict[int, int] = {}
    for end in range(len(said) - 1):
        length = 0
        while (
            length <= end and length < min(reach, len(said) - 1) and said[end - length] == said[-1 - length]
        ):
            length += 1
        if length:
            expected[said[end + 1]] = max(expected.get(said[end + 1], 0), length)
    assert repetition.repeats(tokens(*said), reach) == expected


# ── chance and memory ───────────────────────────────────────────────────────────────────────────────


def test_xtc_leaves_the_least_likely_of_those_above_the_threshold() -> None:
    assert ids(chance.xtc(FIVE, 0.0, 1.0, 0.1)) == [2, 3, 4]
    assert ids(chance.xtc(FIVE, 0.0, 1.0, 0.3)) == [0, 1, 2, 3, 4]
    assert ids(chance.xtc(FIVE, 0.5, 0.5, 0.1)) == [0, 1, 2, 3, 4]
    assert ids(chance.xtc(FIVE, 0.0, 1.0, 0.51)) == [0, 1, 2, 3, 4]


def test_mirostat_2_keeps_what_surprises_less_than_mu() -> None:
    assert ids(chance.mirostat_2(FIVE, 2.0)) == [0, 1]
    assert chance.mirostat_after(2.0, 5.0, 0.1, FIVE, 0) == pytest.approx(2.0 + 0.4)


def test_mirostat_1_finds_the_exponent_of_a_zipf_distribution() -> None:
    zipf = Candidates.of(-1.3 * np.log(np.arange(1, 1001)))
    k = (0.3 * 2**6 / (1 - 1000**-0.3)) ** (1 / 1.3)
    assert len(chance.mirostat_1(zipf, 6.0, 1000)) == int(k)


def test_mirostat_comes_to_its_surprise() -> None:
    random, mu, surprises = np.random.default_rng(1), 10.0, []
    for _ in range(600):
        row = Candidates.of(random.normal(0, 2, 200))
        kept = chance.mirostat_2(row, mu)
        token = int(random.choice(kept.ids, p=kept.probabilities()))
        surprises.append(-math.log2(chance.chance_of(kept, token)))
        mu = chance.mirostat_after(mu, 3.0, 0.1, kept, token)
    assert np.mean(surprises[100:]) == pytest.approx(3.0, abs=0.2)


def test_adaptive_p_prefers_tokens_near_the_wanted_probability() -> None:
    left = chance.adaptive(FIVE, 0.25)
    distance = np.abs(np.array([0.5, 0.25, 0.15, 0.06, 0.04]) - 0.25) / 0.3
    assert left.logits == pytest.approx(5 - 10 * distance**2 / (1 + distance))
    assert chance.adaptive_wanted(0.3, 0.5) == pytest.approx(0.1)
    assert chance.adaptive_after(0.3, 10.0, 0.9, FIVE, 0) == pytest.approx(((0.5 + 0.9 * 3) / 10, 10))


def test_guidance_of_1_changes_nothing_and_of_0_is_the_negative_prompt() -> None:
    wanted, unwanted = np.array([1.0, 2.0, 0.5]), np.array([0.0, 0.0, 3.0])
    assert guided(wanted, unwanted, 1.0) == pytest.approx(log_softmax(wanted))
    assert guided(wanted, unwanted, 0.0) == pytest.approx(log_softmax(unwanted))
    away = guided(wanted, unwanted, 3.0)
    assert away == pytest.approx(3 * log_softmax(wanted) - 2 * log_softmax(unwanted))
