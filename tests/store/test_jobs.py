"""Jobs: leases and heartbeats, children that work, fail, are cancelled or killed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fabula.core.errors import JobNotFound, Offline
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.home import Home
from fabula.store.job_child import Cancelled, Report, execute
from fabula.store.job_runner import JobRunner
from fabula.store.jobs import Job, Jobs, Progress

CHILD = Path(__file__).parent / "children" / "job.py"


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database)


@pytest.fixture
async def runner(jobs: Jobs, events: MemoryEvents, home: Home) -> AsyncIterator[JobRunner]:
    runner = JobRunner(jobs, events, home, lambda home, id: [sys.executable, str(CHILD), id, str(home.path)])
    yield runner
    await runner.close()


async def to_the_end(events: MemoryEvents, job: Job, after: int = 0) -> list[dict[str, Any]]:
    """Everything that is told about a job until its end."""
    return [event.data async for event in events.follow(f"job/{job.id}", after)]


async def until(events: MemoryEvents, job: Job, state: str) -> dict[str, Any]:
    async for event in events.follow(f"job/{job.id}"):
        if event.data["state"] == state and event.data["progress"]["done"]:
            return event.data
    raise AssertionError(f"never {state}")


# ── leases ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_only_one_worker_gets_a_job(jobs: Jobs) -> None:
    job = await jobs.create("pull", "Get a model", {"source": "x"})
    assert (job.state, await jobs.claim(job.id, "one"), await jobs.claim(job.id, "two")) == (
        "queued",
        True,
        False,
    )
    assert (await jobs.get(job.id)).state == "running"


async def test_progress_comes_with_the_heartbeat(jobs: Jobs) -> None:
    job = await jobs.create("pull", "", {})
    await jobs.claim(job.id, "one")
    assert await jobs.heartbeat(job.id, "one", Progress(done=1, total=4, unit="bytes"))
    assert (await jobs.get(job.id)).progress == Progress(done=1, total=4, unit="bytes")
    assert not await jobs.heartbeat(job.id, "two")


async def test_a_job_whose_lease_is_over_is_interrupted_and_can_be_resumed(jobs: Jobs) -> None:
    job = await jobs.create("pull", "", {})
    await jobs.claim(job.id, "one", seconds=-1)
    assert [(over.id, over.state) for over in await jobs.expire()] == [(job.id, "interrupted")]
    assert not await jobs.heartbeat(job.id, "one")
    assert not await jobs.finish(job.id, {"late": True}, worker="one")
    assert (await jobs.resume(job.id)).state == "queued"
    assert await jobs.claim(job.id, "two")
    assert await jobs.expire() == []


async def test_cancelling_ends_a_waiting_job_and_asks_a_running_one(jobs: Jobs) -> None:
    waiting, working = await jobs.create("pull", "", {}), await jobs.create("pull", "", {})
    await jobs.claim(working.id, "one")
    assert (await jobs.cancel(waiting.id)).state == "cancelled"
    assert (await jobs.cancel(working.id)).state == "running"
    assert not await jobs.heartbeat(working.id, "one")


async def test_a_job_that_is_done_stays_as_it_is(jobs: Jobs) -> None:
    job = await jobs.create("pull", "", {})
    await jobs.claim(job.id, "one")
    await jobs.finish(job.id, {"name": "m"})
    done = await jobs.get(job.id)
    assert (done.state, done.result) == ("done", {"name": "m"})
    assert await jobs.cancel(job.id) == await jobs.resume(job.id) == done
    assert not await jobs.fail(job.id, Offline("x"))


async def test_jobs_are_listed_newest_first_and_only_to_their_owner(jobs: Jobs) -> None:
    mine = [await jobs.create("pull", f"{number}", {}, "ann") for number in range(3)]
    assert [job.title for job in await jobs.list("ann")] == ["2", "1", "0"]
    assert await jobs.list("bob") == []
    for ask in (jobs.get, jobs.cancel, jobs.resume):
        with pytest.raises(JobNotFound):
            await ask(mine[0].id, "bob")


# ── in this process ─────────────────────────────────────────────────────────────────────────────────────


async def test_an_error_of_the_work_is_kept_in_full(jobs: Jobs, database: Database) -> None:
    def offline(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
        raise Offline(arguments["source"])

    job = await jobs.create("pull", "", {"source": "hf:x"})
    ended = execute(database, job.id, {"pull": offline})
    assert ended.error
    assert (ended.state, ended.error["code"], ended.error["fields"]) == (
        "failed",
        "offline",
        {"source": "hf:x"},
    )


async def test_an_unknown_kind_or_a_fault_of_ours_fails_the_job(jobs: Jobs, database: Database) -> None:
    job = await jobs.create("nonsense", "", {})
    ended = execute(database, job.id, {})
    assert ended.error
    assert (ended.state, ended.error["code"]) == ("failed", "unexpected")


async def test_a_job_that_is_not_waiting_is_left_alone(jobs: Jobs, database: Database) -> None:
    job = await jobs.create("pull", "", {})
    await jobs.claim(job.id, "another")
    assert execute(database, job.id, {}).state == "running"


def test_the_report_measures_its_rate_and_starts_anew_with_each_stage() -> None:
    report = Report()
    report.progress(0, 100, "bytes")
    assert (report.current.rate, report.current.seconds_left) == (0, None)
    report.progress(50, 100, "bytes")
    assert report.current.rate > 0
    assert report.current.seconds_left
    report.progress(1, 10, "files", "second stage")
    assert (report.current.rate, report.current.note) == (0, "second stage")
    report.cancel()
    with pytest.raises(Cancelled):
        report.check()


# ── in a child ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_child_does_the_work_and_everyone_hears_of_it(
    runner: JobRunner, events: MemoryEvents
) -> None:
    job = await runner.submit("count", "Counting", {"upto": 20})
    told = await to_the_end(events, job)
    assert (told[-1]["state"], told[-1]["result"]) == ("done", {"counted": 20})
    assert told[-1]["progress"]["done"] == 20
    assert any(0 < data["progress"]["done"] < 20 and data["progress"]["rate"] > 0 for data in told)
    assert events.latest("studio") >= len(told)


async def test_a_child_that_fails_says_why(runner: JobRunner, events: MemoryEvents) -> None:
    told = await to_the_end(events, await runner.submit("fail", "", {}))
    assert (told[-1]["state"], told[-1]["error"]["code"]) == ("failed", "offline")


async def test_a_child_that_is_killed_leaves_a_job_that_can_be_resumed(
    runner: JobRunner, events: MemoryEvents, tmp_path: Path
) -> None:
    job = await runner.submit("die", "", {"mark": str(tmp_path / "mark")})
    told = await to_the_end(events, job)
    assert told[-1]["state"] == "interrupted"
    error = told[-1]["error"]
    assert (error["code"], error["fields"]) == ("job_killed", {"signal": "SIGKILL"})
    assert "memory" in error["message"]
    assert "resume" in error["message"]
    seen = events.latest(f"job/{job.id}")
    await runner.resume(job.id)
    told = await to_the_end(events, job, after=seen)
    assert (told[-1]["state"], told[-1]["result"], told[-1]["error"]) == ("done", {"second": True}, None)


async def test_a_child_hears_that_it_is_cancelled(runner: JobRunner, events: MemoryEvents) -> None:
    job = await runner.submit("count", "", {"upto": 10_000})
    await until(events, job, "running")
    await runner.cancel(job.id)
    told = await to_the_end(events, job)
    assert told[-1]["state"] == "cancelled"


async def test_a_child_that_does_not_hear_is_ended(
    runner: JobRunner, events: MemoryEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabula.store.job_runner.GRACE", 0.2)
    job = await runner.submit("deaf", "", {})
    await until(events, job, "running")
    await runner.cancel(job.id)
    assert (await to_the_end(events, job))[-1]["state"] == "cancelled"


async def test_a_studio_that_ends_leaves_interrupted_jobs(
    runner: JobRunner, events: MemoryEvents, jobs: Jobs
) -> None:
    job = await runner.submit("deaf", "", {})
    await until(events, job, "running")
    await runner.close()
    assert (await jobs.get(job.id)).state == "interrupted"


async def test_the_next_studio_goes_on_watching_a_child_of_the_one_before(
    runner: JobRunner, events: MemoryEvents, jobs: Jobs, home: Home
) -> None:
    job = await jobs.create("count", "", {"upto": 20})
    child = await asyncio.create_subprocess_exec(sys.executable, str(CHILD), job.id, str(home.path))
    while (await jobs.get(job.id)).state != "running":
        await asyncio.sleep(0.05)
    await runner.recover()
    assert (await to_the_end(events, job))[-1]["result"] == {"counted": 20}
    await child.wait()


async def test_the_next_studio_finds_the_jobs_of_dead_workers_interrupted(
    runner: JobRunner, jobs: Jobs
) -> None:
    job = await jobs.create("count", "", {"upto": 20})
    await jobs.claim(job.id, "dead", seconds=-1)
    await runner.recover()
    assert (await jobs.get(job.id)).state == "interrupted"
