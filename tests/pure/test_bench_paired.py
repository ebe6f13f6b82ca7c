"""The numbers behind the benches: intervals that hold the truth, ratios that common noise does not move."""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # bench/ stands beside the package

from bench.paired import difference, mean, median, ratio, t_quantile
from bench.report import at_least, at_most, exactly


@pytest.mark.parametrize(
    ("freedom", "printed"), [(1, 12.706), (2, 4.303), (5, 2.571), (10, 2.228), (29, 2.045), (120, 1.980)]
)
def test_students_t_is_as_in_printed_tables(freedom, printed):
    assert t_quantile(freedom) == pytest.approx(printed, abs=5e-4)


def test_a_mean_has_the_interval_of_the_textbook():
    found = mean([4.8, 5.1, 5.0, 4.9, 5.2])
    assert (found.value, found.count) == (pytest.approx(5.0), 5)
    assert found.high - found.value == pytest.approx(2.776 * math.sqrt(0.025) / math.sqrt(5), rel=1e-3)


def test_one_measurement_proves_nothing():
    assert mean([3.0]).low == -math.inf
    assert mean([3.0]).high == math.inf


def test_what_slows_both_sides_of_a_pair_does_not_move_the_ratio():
    noise = random.Random(1)
    theirs = [100 * noise.uniform(0.3, 1.0) for _ in range(10)]
    found = ratio([rate * 0.9 for rate in theirs], theirs)
    assert found.value == pytest.approx(0.9)
    assert found.high - found.low < 1e-9


def test_a_ratio_turned_round_is_its_inverse():
    ours, theirs = [1.0, 2.0, 3.0], [2.0, 2.5, 5.0]
    there, back = ratio(ours, theirs), ratio(theirs, ours)
    assert (back.value, back.low) == (pytest.approx(1 / there.value), pytest.approx(1 / there.high))


def test_a_difference_is_taken_pair_by_pair():
    assert difference([11.0, 21.0, 31.0], [10.0, 20.0, 30.0]).value == 1.0


def test_intervals_hold_the_truth_as_often_as_they_say():
    draw = random.Random(2)
    samples = ([draw.gauss(7, 2) for _ in range(8)] for _ in range(1000))
    held = sum(found.low <= 7 <= found.high for found in map(mean, samples))
    assert 930 <= held <= 970


def test_a_median_does_not_follow_one_wild_value():
    found = median([10.0, 10.2, 9.9, 10.1, 10.0, 9.8, 500.0])
    assert found.value == 10.0
    assert 9.8 <= found.low <= found.high <= 500.0
    assert found == median([10.0, 10.2, 9.9, 10.1, 10.0, 9.8, 500.0])


def test_unequal_lists_are_no_pairs():
    with pytest.raises(ValueError):
        ratio([1.0, 2.0], [1.0])


def test_a_target_is_decided_only_when_the_whole_interval_is_on_one_side():
    found = mean([0.94, 0.96, 0.95, 0.97])
    assert at_least(0.90).verdict(found) == "pass"
    assert at_least(0.95).verdict(found) == "undecided"
    assert at_most(0.90).verdict(found) == "short of target"
    assert at_most(3).verdict(exactly(3)) == "pass"
