"""Downloads one after another: the order, what is paused, and what goes on after a restart.

    waiting ──its turn──► running ──► done (leaves the queue) | failed (stays until it is resumed)
       ▲                     │ pause
       └────── resume ◄── paused

Each download is a job; this decides when it runs. The order and the pauses are in a file of the home, so that
the next studio goes on where this one ended. Knows no source and no HTTP.
"""

from __future__ import annotations

import asyncio
import builtins  # in Queue, `list` lists downloads
import contextlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from fabula.core.errors import FabulaError, JobNotFound
from fabula.core.request import LOCAL_OWNER
from fabula.core.seams import Events
from fabula.store.files import write_atomic
from fabula.store.job_runner import JobRunner
from fabula.store.jobs import OPEN, RESUMABLE, Job, Jobs, as_data

log = logging.getLogger(__name__)

KIND = "pull"
LOOK = 0.3  # seconds between two looks while something is on its way
SOON = 0.05  # seconds between two looks at a download that is stopping
STOPPING = 15.0  # seconds that it may take: a child that does not hear is ended after ten
GRACE = 3.0  # seconds before a studio goes on with what another one left: many only live for one command
HOPELESS = ("unknown_source", "source_missing", "quantization_missing", "not_in_store", "not_a_model")
"""Failures that trying again does not mend: such a download leaves the queue."""
State = Literal["waiting", "running", "paused", "failed"]


@dataclass(frozen=True, slots=True)
class Entry:
    id: str  # of the job
    source: str
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """A download as people see it. `position` is 1 for the next."""

    job: Job
    source: str
    state: State
    position: int


class Queue:
    """`discard` deletes what is on the disk of a source that is no longer wanted."""

    def __init__(
        self, file: Path, jobs: Jobs, runner: JobRunner, events: Events, discard: Callable[[str], None]
    ) -> None:
        self._file, self._jobs, self._runner, self._events = file, jobs, runner, events
        self._discard = discard
        self._entries: list[Entry] = []
        self._stopping: set[str] = set()  # paused, and perhaps not yet still
        self._again: set[str] = set()  # jobs to be resumed as soon as they have stopped
        self._unwanted: dict[str, str] = {}  # jobs whose files go as soon as they have stopped → their source
        self._changes = 0  # by people: what was read before the last one may say otherwise
        self._moved = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._not_before = 0.0

    async def open(self) -> None:
        """After the runner has recovered. What was left waits a moment."""
        self._entries = self._read()
        self._not_before = time.monotonic() + GRACE
        for entry in self._entries:
            job = await self._job(entry.id)
            if job and job.state == "interrupted" and not entry.paused:
                await self._jobs.resume(entry.id)
        self._pump = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._pump:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    # ── what people do ──────────────────────────────────────────────────────────────────────────────

    async def add(self, source: str, arguments: dict[str, Any], *, first: bool = False) -> Job:
        """A download behind the others, or before all that wait; one that is there already goes on."""
        known = next((entry for entry in self._entries if entry.source == source), None)
        if known:
            job = await self.resume(known.id)
        else:
            job = await self._jobs.create(KIND, source, arguments, LOCAL_OWNER)
            self._tell(job)
            self._entries.append(Entry(job.id, source))
        if first:
            await self.move(job.id, 1)
        self._not_before = 0
        self._save()
        return job

    async def list(self) -> builtins.list[Waiting]:
        rows: builtins.list[Waiting] = []
        for entry in tuple(self._entries):  # people may change it meanwhile
            if (job := await self._job(entry.id)) and job.state != "done":
                rows.append(Waiting(job, entry.source, _state(job, entry), len(rows) + 1))
        return rows

    async def pause(self, id: str) -> Job:
        """What is here stays. Raises JobNotFound."""
        self._change(id, paused=True)
        self._again.discard(id)
        self._stopping.add(id)
        job = await self._jobs.get(id)
        if job.state == "running":
            job = await self._runner.cancel(id)
        self._tell(job)
        return job

    async def resume(self, id: str) -> Job:
        """It waits for its turn, and goes on from where it was. Raises JobNotFound.

        One that is still stopping is waited for: told as it is now, it would look like one that has ended.
        """
        self._change(id, paused=False)
        self._not_before = 0
        self._stopping.discard(id)
        self._again.add(id)
        await self._resume_stopped()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOPPING):
                while id in self._again:
                    await asyncio.sleep(SOON)
                    await self._resume_stopped()
        return await self._jobs.get(id)

    async def cancel(self, id: str) -> Job:
        """Taken off, and what came of it is deleted. Raises JobNotFound."""
        entry = self._entry(id)
        self._entries.remove(entry)
        self._save()
        self._again.discard(id)
        self._unwanted[id] = entry.source
        job = await self._runner.cancel(id)
        await self._clear()
        return job

    async def move(self, id: str, position: int) -> None:
        """1 = the next. What runs goes on. Raises JobNotFound."""
        entry = self._entry(id)
        self._entries.remove(entry)
        self._entries.insert(max(position - 1, 0), entry)
        self._save()

    # ── its turn ────────────────────────────────────────────────────────────────────────────────────

    async def _run(self) -> None:
        while True:
            self._moved.clear()
            try:
                active = await self._step()
            except FabulaError as error:  # a database that is locked, a disk that is full: they pass
                log.warning("the queue of downloads: %s", error)
                active = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK if active else None):  # wait_for may lose a cancellation
                    await self._moved.wait()

    async def _step(self) -> bool:
        """Starts the next where none is running. Whether there is something to look after."""
        await self._clear()
        await self._resume_stopped()
        await self._drop_done()
        changes = self._changes
        rows = await self.list()
        running = any(self._runner.watches(id) for id in self._unwanted)
        for row in rows:
            running = running or row.job.state == "running" or self._runner.watches(row.job.id)
            if changes == self._changes:
                self._follow(row)
            if row.job.state == "running" and row.job.id in self._stopping:
                await self._runner.cancel(row.job.id)  # it was paused just before it began
        next_one = next((row for row in rows if row.job.state == "queued" and row.state == "waiting"), None)
        if next_one and not running and self._has(next_one.job.id) and time.monotonic() >= self._not_before:
            await self._runner.start(next_one.job.id)
            running = True
        return running or bool(next_one or self._unwanted or self._again)

    async def _drop_done(self) -> None:
        for entry in tuple(self._entries):
            job = await self._job(entry.id)
            hopeless = job and job.error and job.error.get("code") in HOPELESS
            if job is None or job.state == "done" or hopeless:
                self._entries = [each for each in self._entries if each.id != entry.id]
                self._save()

    def _follow(self, row: Waiting) -> None:
        """What was stopped or begun by other ways is noted here."""
        job = row.job
        if not self._has(job.id):  # somebody took it off meanwhile
            return
        if job.state == "cancelled" and row.state != "paused" and job.id not in self._again:
            self._change(job.id, paused=True)
        elif job.state == "running" and row.state == "paused" and job.id not in self._stopping:
            self._change(job.id, paused=False)

    async def _resume_stopped(self) -> None:
        for id in tuple(self._again):
            job = await self._job(id)
            if job and job.state in RESUMABLE and not self._runner.watches(id):
                self._tell(await self._jobs.resume(id))
                self._again.discard(id)
                self._changes += 1
            elif job is None or job.state == "done" or (job.state in OPEN and not job.cancel_requested):
                self._again.discard(id)  # it goes on by itself

    async def _clear(self) -> None:
        """Deletes what belongs to cancelled downloads, once nobody writes it any more."""
        for id, source in tuple(self._unwanted.items()):
            job = await self._job(id)
            still = job is None or (job.state != "running" and not self._runner.watches(id))
            if still and self._unwanted.pop(id, ""):
                await asyncio.to_thread(self._discard, source)

    # ── the file ────────────────────────────────────────────────────────────────────────────────────

    def _has(self, id: str) -> bool:
        return any(entry.id == id for entry in self._entries)

    def _entry(self, id: str) -> Entry:
        for entry in self._entries:
            if entry.id == id:
                return entry
        raise JobNotFound(id)

    def _change(self, id: str, *, paused: bool) -> None:
        entry = self._entry(id)
        self._entries[self._entries.index(entry)] = replace(entry, paused=paused)
        self._save()

    async def _job(self, id: str) -> Job | None:
        with contextlib.suppress(JobNotFound):
            return await self._jobs.get(id)
        return None

    def _tell(self, job: Job) -> None:
        self._events.publish(f"job/{job.id}", "progress", as_data(job))
        self._events.publish("studio", "job", as_data(job))

    def _save(self) -> None:
        rows = [asdict(entry) for entry in self._entries]
        write_atomic(self._file, json.dumps(rows, ensure_ascii=False, indent=1).encode())
        self._changes += 1
        self._moved.set()

    def _read(self) -> builtins.list[Entry]:
        """A file that somebody damaged costs the order, and no download: its parts are still there."""
        try:
            rows = json.loads(self._file.read_text(encoding="utf-8"))
            return [Entry(str(row["id"]), str(row["source"]), bool(row["paused"])) for row in rows]
        except (OSError, ValueError, TypeError, KeyError):
            return []


def _state(job: Job, entry: Entry) -> State:
    if entry.paused:
        return "paused"
    if job.state in ("failed", "interrupted"):
        return "failed"
    return "running" if job.state == "running" else "waiting"
