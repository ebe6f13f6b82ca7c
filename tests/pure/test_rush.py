"""Requests that arrive together go on together; one that is alone waits for nobody."""

from __future__ import annotations

import asyncio

from fabula.core import rush
from fabula.core.rush import Rush

MANY = 100


class Road:
    """What was ready, and who went on, in their order."""

    def __init__(self) -> None:
        self.rush, self.seen = Rush(), list[str]()

    async def request(self, name: str, steps: int, enough: int = MANY) -> None:
        with self.rush.arriving():
            for _ in range(steps):
                await asyncio.sleep(0)
            self.seen.append(f"{name} ready")
            await rush.ready(enough)
            self.seen.append(f"{name} goes")
            await asyncio.sleep(0)

    async def other(self, seconds: float) -> None:
        """A request that never asks an engine."""
        with self.rush.arriving():
            await asyncio.sleep(seconds)


async def test_those_who_arrive_together_go_together() -> None:
    road = Road()
    await asyncio.gather(road.request("first", 1), road.request("second", 9), road.request("third", 4))
    assert road.seen[:3] == ["first ready", "third ready", "second ready"]
    assert {*road.seen[3:]} == {"first goes", "second goes", "third goes"}


async def test_one_alone_goes_at_once() -> None:
    road = Road()
    await road.request("only", 0)
    assert road.seen == ["only ready", "only goes"]
    await rush.ready(MANY)  # nor does what came from no server wait


async def test_as_many_as_the_engine_takes_are_enough() -> None:
    road = Road()
    await asyncio.gather(
        road.request("first", 1, 2), road.request("second", 3, 2), road.request("third", 30, 2)
    )
    assert road.seen.index("second goes") < road.seen.index("third ready")


async def test_nobody_is_waited_for_without_end() -> None:
    road = Road()
    slow = asyncio.create_task(road.other(3600))
    await asyncio.sleep(0)
    await road.request("quick", 0)
    assert road.seen == ["quick ready", "quick goes"]
    slow.cancel()


async def test_who_leaves_is_not_waited_for() -> None:
    road = Road()
    leaving = asyncio.create_task(road.other(3600))
    going = asyncio.create_task(road.request("quick", 0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert road.seen == ["quick ready"]
    leaving.cancel()
    await going
    assert road.seen == ["quick ready", "quick goes"]


async def test_a_request_waits_once() -> None:
    road = Road()
    with road.rush.arriving():
        await rush.ready(MANY)
        slow = asyncio.create_task(road.other(3600))
        await asyncio.sleep(0)
        await rush.ready(MANY)
        slow.cancel()
