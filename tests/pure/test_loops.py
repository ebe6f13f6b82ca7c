"""A reply that only repeats itself is ended; what merely looks alike goes on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fabula.core.sampling import Sampling
from fabula.turn.loops import SHORTEST, LoopWatch


def watch(count: int = 3, length: int = 64) -> LoopWatch:
    return LoopWatch(Sampling(loop_count=count, loop_length=length))


def loops_at(ids: list[int], watcher: LoopWatch) -> int | None:
    return next((place for place, id in enumerate(ids) if watcher.loops([id])), None)


def test_a_stanza_that_comes_three_times_is_a_loop():
    stanza = list(range(100, 124))
    assert loops_at([1, 2, 3, *stanza * 3], watch()) == 3 + 72 - 1


def test_twice_is_not_enough():
    stanza = list(range(100, 124))
    assert loops_at([*stanza, *stanza, 5, 6, 7], watch()) is None


def test_a_line_of_dashes_is_no_loop():
    enough = SHORTEST * 3
    assert loops_at([7] * (enough - 1), watch()) is None
    assert loops_at([7] * enough, watch()) == enough - 1


def test_a_piece_longer_than_asked_for_is_no_loop():
    assert loops_at(list(range(70)) * 5, watch(length=64)) is None
    assert loops_at(list(range(70)) * 5, watch(length=70)) is not None


def test_nothing_is_watched_unless_asked_for():
    assert not LoopWatch(Sampling()).active


@given(st.lists(st.integers(0, 3), max_size=200), st.integers(2, 4), st.integers(1, 12))
def test_it_agrees_with_the_plain_definition(ids: list[int], count: int, length: int):
    def plain(upto: int) -> bool:
        return any(
            all(ids[upto - 1 - n] == ids[upto - 1 - n - period] for n in range(covered - period))
            for period in range(1, length + 1)
            for covered in [max(period, SHORTEST) * count]
            if covered <= upto
        )

    expected = next((place for place in range(len(ids)) if plain(place + 1)), None)
    assert loops_at(ids, watch(count, length)) == expected
