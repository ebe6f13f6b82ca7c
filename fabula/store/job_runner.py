"""The studio's side of jobs: starts each in a child process, watches it and tells how far it is.

Knows no kinds. A child that dies leaves an interrupted job that can be resumed. A child outlives a studio
that is killed: the next one finds its lease and goes on watching.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from fabula.core.errors import FabulaError, JobKilled, Unexpected
from fabula.core.request import LOCAL_OWNER
from fabula.core.seams import Events
from fabula.core.texts import phrase
from fabula.store import jobs
from fabula.store.files import writing
from fabula.store.home import Home
from fabula.store.jobs import Job, Jobs

LOOK = 0.25  # seconds between looks at the database
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""Of numpy's matrices: its threads wait by spinning, and on a busy machine for each other (measured: 31 times
the axes of 192 prompts took 79 s with four, well under 1 s with one). torch and the engine have their own."""
KILLED = 9  # SIGKILL, which Windows has no name for
GRACE = 10.0  # seconds that a cancelled job, or one of a studio that ends, gets to stop by itself


def command(home: Home, id: str) -> list[str]:
    return [sys.executable, "-m", "fabula", "job", "exec", id, "--home", str(home.path)]


class JobRunner:
    def __init__(
        self,
        store: Jobs,
        events: Events,
        home: Home,
        command: Callable[[Home, str], list[str]] = command,
    ) -> None:
        self._jobs = store
        self._events = events
        self._home = home
        self._command = command
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._children: dict[str, asyncio.subprocess.Process] = {}

    async def recover(self) -> None:
        """At the studio's start: jobs whose worker died become interrupted, living ones are watched."""
        for job in await self._jobs.expire():
            self._publish(job, "end")
        for id in await self._jobs.database.read(jobs.running):
            self._watch(id, self._look_until_over(id))

    async def submit(
        self, kind: str, title: str, arguments: dict[str, Any], owner_id: str = LOCAL_OWNER
    ) -> Job:
        """A new job, started at once."""
        job = await self._jobs.create(kind, title, arguments, owner_id)
        return await self.start(job.id)

    async def resume(self, id: str, owner_id: str = LOCAL_OWNER) -> Job:
        """Starts a failed, cancelled or interrupted job again from where it was."""
        job = await self._jobs.resume(id, owner_id)
        return await self.start(id) if job.state == "queued" else job

    async def cancel(self, id: str, owner_id: str = LOCAL_OWNER) -> Job:
        job = await self._jobs.cancel(id, owner_id)
        self._publish(job, "end" if job.state in jobs.ENDED else "progress")
        return job

    async def start(self, id: str) -> Job:
        """Runs a waiting job in a child of its own. One that this runner watches already is left alone."""
        if id not in self._watches:
            child = await self._spawn(id)
            self._children[id] = child
            self._watch(id, self._attend(id, child))
        job = await self._get(id)
        self._publish(job, "progress")
        return job

    def watches(self, id: str) -> bool:
        """Whether a child of this studio, or of an earlier one, may still be at work on it."""
        return id in self._watches

    def log(self, id: str, most: int) -> dict[str, Any]:
        """The end of what its process wrote, and how many bytes there are."""
        text, size = tail(self._log(id), most)
        return {"text": text, "size": size}

    async def close(self) -> None:
        """The studio ends: its children stop, and their jobs can be resumed."""
        children = dict(self._children)
        attending = [self._watches[id] for id in children if id in self._watches]
        for child in children.values():
            _signal(child.terminate)
        if attending:
            await asyncio.wait(attending, timeout=GRACE)
        for child in children.values():
            _signal(child.kill)
        await asyncio.gather(*attending, return_exceptions=True)
        watches = list(self._watches.values())  # of children of an earlier studio: they go on
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)

    async def _spawn(self, id: str) -> asyncio.subprocess.Process:
        log = self._log(id)
        with writing(log):
            log.parent.mkdir(parents=True, exist_ok=True)
            file = log.open("ab")
        with file:
            return await asyncio.create_subprocess_exec(
                *self._command(self._home, id),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**ONE_THREAD, **os.environ, "FABULA_HOME": str(self._home.path)},
            )

    async def _attend(self, id: str, child: asyncio.subprocess.Process) -> None:
        """Watches a child of ours to its end; one that died on the way leaves an interrupted job."""
        look = asyncio.create_task(self._look(id, child))
        try:
            await child.wait()
        finally:
            look.cancel()
            self._children.pop(id, None)
        await self._jobs.database.write(lambda c: self._settle(c, id, child.returncode))
        self._publish(await self._get(id), "end")

    def _settle(self, connection: Connection, id: str, code: int | None) -> None:
        """A job whose child has gone cannot be running any more."""
        if jobs.find(connection, id).cancel_requested:
            jobs.end(connection, id, "cancelled")
        else:
            jobs.end(connection, id, "interrupted", error=jobs.as_error(_death(code, self._log(id))))

    def _log(self, id: str) -> Path:
        return self._home.jobs / f"{id}.log"

    async def _look(self, id: str, child: asyncio.subprocess.Process) -> None:
        """Publishes what changed, and ends a child that does not hear that it was cancelled."""
        told, asked_at = 0.0, 0.0
        while True:
            await asyncio.sleep(LOOK)
            row = await self._jobs.database.read(lambda c: jobs.find(c, id))
            if row.updated_at != told and row.state == "running":
                told = row.updated_at
                self._publish(await self._get(id), "progress")
            if row.cancel_requested and not asked_at:
                asked_at = time.monotonic()
            if asked_at and time.monotonic() - asked_at > GRACE:
                _signal(child.kill)

    async def _look_until_over(self, id: str) -> None:
        """Watches the child of an earlier studio by its lease."""
        told = 0.0
        while (job := await self._get(id)).state not in jobs.ENDED:
            if job.updated_at != told:
                told = job.updated_at
                self._publish(job, "progress")
            await asyncio.sleep(LOOK)
            await self._jobs.expire()
        self._publish(job, "end")

    def _watch(self, id: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._watches[id] = task
        task.add_done_callback(lambda _: self._watches.pop(id, None))

    async def _get(self, id: str) -> Job:
        return await self._jobs.database.read(lambda c: jobs.get(c, id))

    def _publish(self, job: Job, kind: str) -> None:
        data = jobs.as_data(job)
        self._events.publish(f"job/{job.id}", kind, data)
        self._events.publish("studio", "job", data)
        if kind == "end":
            self._events.end(f"job/{job.id}")


def _death(code: int | None, log: Path) -> FabulaError:
    """What is told of a child that ended before its job. One that was killed had no last words."""
    if code == -KILLED:
        return JobKilled("SIGKILL")
    return Unexpected(last_line(log) or phrase("reasons.exit_status", code=code))


def last_line(log: Path, size: int = 4096) -> str:
    """The last thing a child said, from the last `size` bytes of its log."""
    lines = tail(log, size)[0].split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def tail(log: Path, most: int) -> tuple[str, int]:
    """The last `most` bytes of a log, and its length; nothing of one that was never written."""
    try:
        with log.open("rb") as file:
            length = log.stat().st_size
            file.seek(max(0, length - most))
            return file.read().decode("utf-8", "replace"), length
    except OSError:
        return "", 0


def _signal(send: Callable[[], None]) -> None:
    with contextlib.suppress(ProcessLookupError):
        send()
