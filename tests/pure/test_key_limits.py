"""Rates, and the bucket that holds one: time is an argument."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.accounts.limits import Bucket, Rate
from fabula.core.errors import BadParameter


@pytest.mark.parametrize(
    ("text", "said", "per_second"),
    [
        ("60/min", "60/min", 1.0),
        ("5/s", "5/s", 5.0),
        (" 7200 / hour ", "7200/h", 2.0),
        ("86400/d", "86400/d", 1),
    ],
)
def test_a_rate_is_read_as_people_write_it(text: str, said: str, per_second: float) -> None:
    rate = Rate.of(text)
    assert rate
    assert (str(rate), rate.per_second) == (said, per_second)
    assert Rate.of(str(rate)) == rate


@pytest.mark.parametrize("text", ["60", "0/min", "-1/s", "60/year", "1e3/s", "60/min/min", "9" * 20 + "/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(BadParameter):
        Rate.of(text)


def test_no_text_is_no_limit() -> None:
    assert Rate.of("") is None


def test_all_of_a_rate_may_come_at_once_and_then_one_each_second() -> None:
    bucket = Bucket(Rate(60, "min"), now=0.0)
    for _ in range(60):
        assert bucket.wait(0.0) == 0
        bucket.take(0.0)
    assert bucket.wait(0.0) == pytest.approx(1.0)
    assert bucket.wait(0.5) == pytest.approx(0.5)
    assert bucket.wait(1.0) == 0


def test_a_long_reply_is_paid_off_afterwards() -> None:
    bucket = Bucket(Rate(600, "min"), now=0.0)
    bucket.take(0.0, 1000)
    assert bucket.wait(0.0) == pytest.approx(40.1)
    assert bucket.wait(50.0) == 0


@given(st.lists(st.floats(0, 100), max_size=300), st.integers(1, 50))
def test_no_more_than_the_rate_and_what_was_saved_up_is_let_through(steps: list[float], count: int) -> None:
    bucket, now, taken = Bucket(Rate(count, "min"), 0.0), 0.0, 0
    for step in steps:
        now += step
        if not bucket.wait(now):
            bucket.take(now)
            taken += 1
    assert taken <= count + now * count / 60 + 1e-6
