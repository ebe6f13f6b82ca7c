"""The child's side of a job: take the lease, do the work, say how far it is. Knows no kinds.

`fabula job exec ID` calls `execute`. A thread renews the lease and writes the progress, so that the work
itself may be busy for as long as it likes.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fabula.core.errors import FabulaError, StoreFailure, Unexpected
from fabula.store import jobs
from fabula.store.database import Database
from fabula.store.jobs import Job, Progress

log = logging.getLogger(__name__)

BEAT = 0.3  # seconds between looks at the progress
RENEW = jobs.LEASE / 3  # seconds between heartbeats when nothing moves
WINDOW = 10.0  # seconds over which the rate is measured


class Cancelled(Exception):
    """Raised by `Report.check` when the work is to end."""


class Report:
    """How the work of a job tells where it is, and hears that it is to stop. Safe from any thread."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._samples: deque[tuple[float, float]] = deque()
        self._cancelled = threading.Event()
        self._lock = threading.Lock()

    def progress(self, done: float, total: float = 0, unit: str = "", note: str = "") -> None:
        """Cheap enough for inner loops: it is written now and then, not at every call."""
        now = time.monotonic()
        with self._lock:
            if self._samples and done < self._samples[-1][1]:
                self._samples.clear()  # another stage began
            self._samples.append((now, done))
            while now - self._samples[0][0] > WINDOW:
                self._samples.popleft()
            self._progress = Progress(
                done=done, total=total, unit=unit, note=note, **self._pace(now, done, total)
            )

    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raises Cancelled when the work is to end: what was done so far stays as it is."""
        if self.cancelled():
            raise Cancelled

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def current(self) -> Progress:
        with self._lock:
            return self._progress

    def _pace(self, now: float, done: float, total: float) -> dict[str, Any]:
        since, base = self._samples[0]
        rate = (done - base) / (now - since) if now > since else 0.0
        return {"rate": rate, "seconds_left": max(0.0, total - done) / rate if rate and total else None}


Entry = Callable[[dict[str, Any], Report], dict[str, Any]]
"""The work of one kind of job: arguments and report in, result out. May raise Cancelled or a FabulaError."""


def execute(database: Database, id: str, entries: Mapping[str, Entry]) -> Job:
    """Does one waiting job in this process. Another worker's job is left alone. Raises JobNotFound."""
    worker = f"{socket.gethostname()[:32]}:{os.getpid()}"
    if not database.write_sync(lambda c: jobs.claim(c, id, worker)):
        return database.read_sync(lambda c: jobs.get(c, id))
    row = database.read_sync(lambda c: jobs.find(c, id))
    report, done = Report(), threading.Event()
    beat = threading.Thread(target=_beat, args=(database, id, worker, report, done), daemon=True)
    beat.start()
    try:
        ending = _work(entries, row.kind, row.arguments, report)
    finally:
        done.set()
        beat.join()
    database.write_sync(lambda c: jobs.heartbeat(c, id, worker, report.current))
    database.write_sync(lambda c: jobs.end(c, id, worker=worker, **ending))
    return database.read_sync(lambda c: jobs.get(c, id))


def _work(
    entries: Mapping[str, Entry], kind: str, arguments: dict[str, Any], report: Report
) -> dict[str, Any]:
    """How it ended, as fields of the job's row."""
    try:
        result = entries[kind](arguments, report)
    except Cancelled:
        return {"state": "cancelled"}
    except FabulaError as error:
        return {"state": "failed", "error": jobs.as_error(error)}
    except Exception as error:  # a fault of ours ends the job, told as such
        log.exception("a job of kind %s failed", kind)
        return {"state": "failed", "error": jobs.as_error(Unexpected(f"{type(error).__name__}: {error}"))}
    return {"state": "done", "result": result}


def _beat(database: Database, id: str, worker: str, report: Report, done: threading.Event) -> None:
    told, when = Progress(), time.monotonic()
    while not done.wait(BEAT):
        current = report.current
        if replace(current, seconds_left=None) == told and time.monotonic() - when < RENEW:
            continue
        try:
            if not database.write_sync(lambda c: jobs.heartbeat(c, id, worker, report.current)):
                report.cancel()
        except StoreFailure as error:  # a full disk may be cleared before the lease is over
            log.warning("the heartbeat of job %s failed: %s", id, error)
            continue
        told, when = replace(current, seconds_left=None), time.monotonic()
