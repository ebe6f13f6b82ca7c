"""The queue of downloads: one after another, whatever people do. Jobs are real, their children are not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fabula.core.errors import JobNotFound, SourceMissing
from fabula.models.sources.queue import Queue
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.home import Home
from fabula.store.jobs import Job, Jobs


class Children:
    """In the place of child processes: each works for a moment, and hears that it is to stop."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs, self.at_work, self.most, self.order = jobs, set[str](), 0, list[str]()
        self.length = 5  # looks at the database
        self.fails: dict[str, SourceMissing] = {}
        self.tasks = set[asyncio.Task[None]]()

    def watches(self, id: str) -> bool:
        return id in self.at_work

    async def start(self, id: str) -> Job:
        if id not in self.at_work:
            self.at_work.add(id)
            self.most = max(self.most, len(self.at_work))
            task = asyncio.create_task(self.work(id))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return await self.jobs.get(id)

    async def cancel(self, id: str) -> Job:
        return await self.jobs.cancel(id)

    async def work(self, id: str) -> None:
        if await self.jobs.claim(id, "child"):
            self.order.append((await self.jobs.get(id)).title)
            for _ in range(self.length):
                await asyncio.sleep(0.01)
                if not await self.jobs.heartbeat(id, "child"):
                    break
            await self.end(id)
        self.at_work.discard(id)

    async def end(self, id: str) -> None:
        if (await self.jobs.get(id)).state != "running":
            return
        if not await self.jobs.heartbeat(id, "child"):
            from fabula.store import jobs

            await self.jobs.database.write(lambda c: jobs.end(c, id, "cancelled"))
        elif failure := self.fails.pop(id, None):
            await self.jobs.fail(id, failure)
        else:
            await self.jobs.finish(id, {})


@pytest.fixture
def children(database: Database) -> Children:
    return Children(Jobs(database))


@pytest.fixture
async def queue(home: Home, children: Children) -> AsyncIterator[Queue]:
    queue = made(home, children, [])
    await queue.open()
    yield queue
    await queue.close()


def made(home: Home, children: Children, gone: list[str]) -> Queue:
    return Queue(home.downloads, children.jobs, children, MemoryEvents(), gone.append)  # type: ignore[arg-type]


async def until_empty(queue: Queue) -> None:
    for _ in range(1500):
        if not (rows := await queue.list()):
            return
        await asyncio.sleep(0.02)
    raise AssertionError([(row.source, row.state, row.job.state) for row in rows])


async def test_one_after_another_in_their_order(queue: Queue, children: Children) -> None:
    for name in ("a", "b", "c"):
        await queue.add(name, {})
    await queue.add("first", {}, first=True)
    await until_empty(queue)
    assert (children.most, len(children.order)) == (1, 4)
    assert children.order.index("first") < children.order.index("b") < children.order.index("c")


async def test_the_same_source_is_one_download(queue: Queue) -> None:
    first, again = await queue.add("a", {}), await queue.add("a", {})
    assert (first.id, len(await queue.list())) == (again.id, 1)


async def test_whatever_people_do_one_runs_at_a_time_and_all_end(queue: Queue, children: Children) -> None:
    chance, ids = random.Random(3), [(await queue.add(f"m{n}", {})).id for n in range(6)]
    for _ in range(120):
        id, act = chance.choice(ids), chance.choice(("pause", "resume", "move", "cancel", "wait"))
        try:
            if act == "wait" or (act == "cancel" and chance.random() < 0.8):
                await asyncio.sleep(0.01)
            elif act == "move":
                await queue.move(id, chance.randint(1, 6))
            else:
                await getattr(queue, act)(id)
        except JobNotFound:
            ids.remove(id)
            ids.append((await queue.add(f"m{len(children.order)}-{chance.random()}", {})).id)
    for row in await queue.list():
        await queue.resume(row.job.id)
    await until_empty(queue)
    assert children.most == 1


async def test_who_asks_again_for_one_that_is_stopping_is_told_of_one_that_goes_on(
    queue: Queue, children: Children
) -> None:
    children.length = 1000
    job = await queue.add("a", {})
    while not children.at_work:
        await asyncio.sleep(0.01)
    await queue.pause(job.id)
    children.length = 5
    assert (await queue.add("a", {})).state in ("queued", "running", "done")
    await until_empty(queue)


async def test_what_trying_again_does_not_mend_leaves_the_queue(queue: Queue, children: Children) -> None:
    hopeless = await queue.add("nowhere", {})
    children.fails[hopeless.id] = SourceMissing("nowhere")
    await until_empty(queue)
    assert (await children.jobs.get(hopeless.id)).state == "failed"


async def test_what_came_of_a_cancelled_download_goes_when_nobody_writes_it(
    home: Home, children: Children
) -> None:
    gone: list[str] = []
    queue = made(home, children, gone)
    children.length = 1000  # it does not end by itself before it is cancelled
    await queue.open()
    job = await queue.add("a", {})
    async with asyncio.timeout(10):
        while not children.at_work:
            await asyncio.sleep(0.01)
        await queue.cancel(job.id)
        assert gone == []
        while not gone:
            await asyncio.sleep(0.01)
    assert (gone, children.at_work) == (["a"], set())
    await queue.close()


async def test_a_damaged_list_is_an_empty_one(home: Home, children: Children) -> None:
    Path(home.downloads).write_text('[{"id": 3}, "?"]')
    queue = made(home, children, [])
    await queue.open()
    assert await queue.list() == []
    await queue.close()
