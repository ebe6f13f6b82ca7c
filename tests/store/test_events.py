"""Publishing and following: nothing that is kept is missed, and nobody waits for a slow reader."""

from __future__ import annotations

import asyncio

from fabula.store.events import MemoryEvents


async def ids(events: MemoryEvents, topic: str, after: int = 0) -> list[int]:
    return [event.id async for event in events.follow(topic, after)]


def publish(events: MemoryEvents, topic: str, count: int) -> None:
    for _ in range(count):
        events.publish(topic, "text", {})


async def test_a_follower_gets_what_was_and_what_comes_without_a_gap() -> None:
    events = MemoryEvents()
    publish(events, "turn/a", 3)
    reading = asyncio.create_task(ids(events, "turn/a", after=1))
    await asyncio.sleep(0)
    publish(events, "turn/a", 2)
    events.end("turn/a")
    assert await reading == [2, 3, 4, 5]


async def test_each_topic_counts_for_itself() -> None:
    events = MemoryEvents()
    publish(events, "a", 2)
    publish(events, "b", 1)
    assert (events.latest("a"), events.latest("b"), events.latest("c")) == (2, 1, 0)


async def test_who_comes_after_the_end_still_reads_what_is_kept() -> None:
    events = MemoryEvents()
    publish(events, "a", 2)
    events.end("a")
    assert await ids(events, "a") == [1, 2]
    assert await ids(events, "a", after=2) == []


async def test_a_slow_follower_goes_on_with_what_is_kept_and_the_gap_shows() -> None:
    events = MemoryEvents(kept=4)
    follower = events.follow("a")
    publish(events, "a", 1)
    assert (await anext(follower)).id == 1
    publish(events, "a", 10)
    events.end("a")
    assert [event.id async for event in follower] == [8, 9, 10, 11]


async def test_many_followers_all_get_everything() -> None:
    events = MemoryEvents()
    reading = [asyncio.create_task(ids(events, "a")) for _ in range(50)]
    for _ in range(20):
        publish(events, "a", 1)
        await asyncio.sleep(0)
    events.end("a")
    assert await asyncio.gather(*reading) == [list(range(1, 21))] * 50


async def test_a_number_from_before_a_restart_does_not_hang_the_follower() -> None:
    events = MemoryEvents()
    publish(events, "studio", 1)
    reading = asyncio.create_task(ids(events, "studio", after=900))
    await asyncio.sleep(0)
    publish(events, "studio", 1)
    events.end("studio")
    assert await reading == [2]


async def test_publishing_to_a_topic_that_ended_opens_it_again() -> None:
    events = MemoryEvents()
    publish(events, "job/a", 1)
    events.end("job/a")
    publish(events, "job/a", 1)
    events.end("job/a")
    assert await ids(events, "job/a") == [1, 2]


async def test_old_ended_topics_are_forgotten() -> None:
    events = MemoryEvents(ended_kept=2)
    for number in range(5):
        publish(events, f"turn/{number}", 1)
        events.end(f"turn/{number}")
    assert [events.latest(f"turn/{number}") for number in range(5)] == [0, 0, 0, 1, 1]


async def test_a_follower_that_goes_away_leaves_nothing_behind() -> None:
    events = MemoryEvents()
    reading = asyncio.create_task(ids(events, "a"))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert events._topics["a"].waiters == set()
