"""Which bytes are here, who fetches which, and at what rate."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fabula.models.sources.spans import UNKNOWN, Span, Spans
from fabula.models.sources.throttle import BURST, Throttle


def test_a_second_worker_takes_half_of_what_the_first_has_left() -> None:
    spans = Spans(1000, least=100)
    first, second = spans.take(), spans.take()
    assert first
    assert second
    assert (first.start, first.end, second.start, second.end) == (0, 500, 500, 1000)


def test_what_is_short_is_not_shared() -> None:
    spans = Spans(150, least=100)
    assert spans.take()
    assert spans.take() is None


def test_a_file_of_unknown_size_has_one_worker() -> None:
    spans = Spans()
    first = spans.take()
    assert first
    assert (first.end, spans.take()) == (UNKNOWN, None)
    spans.limit(10)
    assert (first.end, spans.size) == (10, 10)


def test_bytes_behind_an_end_that_moved_are_not_taken() -> None:
    spans = Spans(1000, least=100)
    first = spans.take()
    assert first
    spans.advance(first, 400)
    spans.take()
    assert spans.room(first, 500) == first.end - 400 == 300


@given(st.lists(st.integers(0, 400), max_size=60), st.integers(1, 3000))
def test_whoever_works_in_whatever_order_every_byte_comes_once(steps: list[int], size: int) -> None:
    spans, seen, working = Spans(size, least=50), bytearray(size), list[Span]()
    for step in [*steps, *[size] * (size // 50 + 8)]:
        if (span := spans.take()) and span not in working:
            working.append(span)
        for span in list(working):
            count = spans.room(span, step)
            for at in range(span.at, span.at + count):
                seen[at] += 1
            spans.advance(span, count)
            if not span.left:
                spans.release(span)
                working.remove(span)
    assert spans.is_whole
    assert set(seen) == {1}


@given(st.integers(1, 5000), st.lists(st.integers(0, 500), max_size=20))
def test_what_is_kept_can_be_read_again(size: int, steps: list[int]) -> None:
    spans = Spans(size, least=50)
    for step in steps:
        if span := spans.take():
            spans.advance(span, spans.room(span, step))
            spans.release(span)
    again = Spans.read(size, spans.kept(), least=50)
    assert again
    assert (again.done, again.kept()) == (spans.done, spans.kept())


@given(
    st.recursive(
        st.integers() | st.text() | st.none(), lambda inner: st.lists(inner, max_size=4), max_leaves=12
    )
)
def test_a_damaged_note_is_no_note(rows: object) -> None:
    spans = Spans.read(100, rows)
    assert spans is None or spans.done <= 100


def test_a_gap_or_an_overlap_is_no_note() -> None:
    assert Spans.read(100, [[0, 10, 50], [60, 60, 100]]) is None
    assert Spans.read(100, [[0, 10, 60], [50, 60, 100]]) is None
    assert Spans.read(100, [[0, 70, 60], [60, 60, 100]]) is None


def test_a_limit_is_kept_over_all_connections() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    throttle = Throttle(lambda: 1000, clock=lambda: now[0], sleep=sleep)
    for _ in range(50):
        throttle.spend(100)
    assert 5 - BURST - 0.11 <= now[0] <= 5


def test_without_a_limit_nobody_waits_and_a_stop_is_heard() -> None:
    def never(seconds: float) -> None:
        raise AssertionError(seconds)

    Throttle(lambda: 0, sleep=never).spend(1 << 40)
    Throttle(lambda: 1, sleep=never).spend(1 << 40, stopped=lambda: True)
