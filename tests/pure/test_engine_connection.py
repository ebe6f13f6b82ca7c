"""An answer's body is the same however its bytes were cut on the way, and a broken one is told."""

from __future__ import annotations

import asyncio
import contextvars

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.engine.llamacpp.connection import Answer

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
LAST = b"0\r\n\r\n"
chunks = st.lists(
    st.text("0123456789abcdef\r\n;x", min_size=1, max_size=40).map(str.encode), min_size=1, max_size=8
)


def framed(chunk: bytes, size: str = "{:x}") -> bytes:
    return size.format(len(chunk)).encode() + b"\r\n" + chunk + b"\r\n"


def received(pieces: list[bytes]) -> bytes:
    async def body() -> bytes:
        answer = Answer()
        for piece in pieces:
            answer.data_received(piece)
        answer.connection_lost(None)
        return await answer.body()

    return asyncio.run(body())


def cut(data: bytes, places: list[int]) -> list[bytes]:
    return [data[start:stop] for start, stop in zip([0, *places], [*places, len(data)], strict=True)]


@given(chunks, st.sampled_from(["{:x}", "{:X}", "{:04x}", "{:x};name=value"]), st.data())
def test_a_body_is_the_same_however_it_is_cut(sent: list[bytes], size: str, data: st.DataObject) -> None:
    parts = [HEAD, *(framed(chunk, size) for chunk in sent), LAST]
    whole = b"".join(parts)
    ends = [len(b"".join(parts[:count])) for count in range(1, len(parts))]
    near = {place + step for place in ends for step in (-2, -1, 0, 1, 2) if 0 < place + step < len(whole)}
    places = data.draw(
        st.one_of(
            st.just(ends),
            st.sets(st.sampled_from(sorted(near))).map(sorted),
            st.lists(st.integers(0, len(whole)), max_size=10).map(sorted),
        )
    )
    assert received(cut(whole, places)) == b"".join(sent)


def test_half_a_size_is_not_taken_for_a_chunk_border() -> None:
    """What follows the first digit of a size looks like a chunk of its own, and is none."""
    chunk = b"abcde\r\n".ljust(0x15, b".")
    pieces = [HEAD + framed(b"one") + b"1", b"5\r\nabcde\r\n", chunk[7:] + b"\r\n" + LAST]
    assert received(pieces) == b"one" + chunk


def test_the_inside_of_a_chunk_is_not_taken_for_one() -> None:
    chunk = b"one\r\n3\r\ntwo\r\n"
    sent = framed(chunk)
    inside = sent.index(b"3")
    pieces = [HEAD + framed(b"zero"), *cut(sent, [inside, inside + 8]), LAST]
    assert pieces[2] == framed(b"two")
    assert received(pieces) == b"zero" + chunk


@pytest.mark.parametrize("tail", [b"", b"5\r\nab", framed(b"two"), framed(b"two") + b"zz\r\n"])
def test_an_answer_without_its_end_is_broken_off(tail: bytes) -> None:
    with pytest.raises(ConnectionResetError):
        received([HEAD, framed(b"one"), tail])


@pytest.mark.parametrize("variables", [0, 1])
def test_a_reader_is_woken_whatever_its_context_holds(variables: int) -> None:
    """A context without variables is falsy; where it was taken for none, its task waited for ever."""

    async def body() -> bytes:
        answer = Answer()
        loop = asyncio.get_running_loop()
        for at, piece in enumerate((HEAD, framed(b"one"), LAST), start=1):
            loop.call_later(at / 1000, answer.data_received, piece)
        return await asyncio.wait_for(answer.body(), 30)

    async def reading() -> bytes:
        context = contextvars.Context()
        for number in range(variables):
            context.run(contextvars.ContextVar[int](f"variable{number}").set, number)
        return await asyncio.create_task(body(), context=context)

    assert asyncio.run(reading()) == b"one"


def test_a_reader_that_is_cancelled_hears_of_it_at_once() -> None:
    async def cancelled() -> bool:
        task = asyncio.create_task(Answer().body())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=30)
        return task.cancelled()

    assert asyncio.run(cancelled())
