"""Ending an answer from outside before it is written: its reader gets an end at once, with what is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from fabula.core.stream import Delta, Finished, Prefill, Token
from fabula.server.stopping import Stop, Stoppable, Stops


async def reading_for_ever(total: int) -> AsyncGenerator[Delta, None]:
    yield Prefill(3, total, 2)
    await asyncio.Event().wait()


async def all_of(turn: Stoppable) -> list[Delta]:
    return [delta async for delta in turn]


async def test_one_stop_ends_all_choices_that_write_nothing_yet() -> None:
    stop = Stop()
    choices = [asyncio.create_task(all_of(Stoppable(reading_for_ever(n), stop))) for n in (10, 20, 30)]
    while len(stop.waiting) < 3:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    stop.ask()
    for choice, total in zip(choices, (10, 20, 30), strict=True):
        end = (await asyncio.wait_for(choice, 30))[-1]
        assert isinstance(end, Finished)
        assert (end.reason, end.prompt_tokens, end.completion_tokens) == ("stopped", total, 0)
    assert not stop.waiting


async def test_one_that_is_asked_before_anything_is_read_ends_too() -> None:
    stop = Stop()
    stop.ask()
    (end,) = await all_of(Stoppable(reading_for_ever(1), stop))
    assert isinstance(end, Finished)
    assert end.reason == "stopped"


async def test_a_reader_who_leaves_is_not_taken_for_a_stop() -> None:
    stop = Stop()
    choice = asyncio.create_task(all_of(Stoppable(reading_for_ever(1), stop)))
    while not stop.waiting:
        await asyncio.sleep(0)
    choice.cancel()
    with pytest.raises(asyncio.CancelledError):
        await choice
    assert not stop.waiting


async def test_what_is_written_is_passed_on_and_others_are_left_alone() -> None:
    async def writing() -> AsyncGenerator[Delta, None]:
        yield Token("a", (1,))
        yield Token("b", (2,))

    stops = Stops()
    mine, theirs = stops.begin("me", "/a"), stops.begin("you", "/a")
    told = await all_of(Stoppable(writing(), mine))
    assert [delta.text for delta in told if isinstance(delta, Token)] == ["a", "b"]
    assert stops.ask("me", ("/a",)) == 1
    assert (mine.asked, theirs.asked) == (True, False)
