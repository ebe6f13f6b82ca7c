"""Fetch one file over HTTP(S) through several connections, resuming what is there. Knows not what it is for.

`ID.part` holds the bytes so far and `ID.json` what they belong to: address, size, validator, and which spans
are here. A later call, in this process or the next, goes on from there with Range and If-Range; a server that
has another file by now, or knows no ranges, makes it start again.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import httpx

from fabula.core.errors import ChecksumMismatch, DownloadBroken, Offline
from fabula.core.texts import phrase
from fabula.models.sources import landing, requests
from fabula.models.sources.requests import TIMEOUT, Broken, Remote
from fabula.models.sources.spans import Span, Spans
from fabula.models.sources.throttle import Throttle
from fabula.models.sources.words import TICK, Errand, Meter

FIRST_ATTEMPTS = 2  # while the server was never reached: being offline should be told soon
ATTEMPTS = 5  # in a row without a single byte, as long as none came at all
PATIENT_ATTEMPTS = 25  # once some came: about ten minutes, so that a night's download outlives an outage
LONGEST_PAUSE = 30.0  # seconds between two attempts
SOON = 3.0  # seconds; a shorter pause is not worth a word
SAVED_EVERY = 0.25  # seconds between two notes of what is here
LONGEST_WAIT = 300.0  # seconds that a server may ask for; what is here stays
TOPPED_UP = 2.0  # seconds before another connection takes the place of a broken one
GOODBYE = 0.5  # seconds for each connection to hear that all is over


@dataclass(slots=True)
class _State:
    """What the bytes in the `.part` belong to."""

    url: str
    source: str = ""
    size: int = 0
    validator: str = ""
    name: str = ""
    spans: list[list[int]] = field(default_factory=list)


class _Changed(Exception):
    """What is here belongs to another file, or the server cannot send a part: all begins anew."""


class Download:
    """One remote file on its way. `run` may be called again after any failure."""

    def __init__(self, remote: Remote, errand: Errand, before: int = 0, total: int = 0) -> None:
        """`before` and `total` place this file among several, for the progress."""
        self.remote, self.errand = remote, errand
        self.before, self.total = before, total
        self.part = errand.workshop / f"{remote.id}.part"
        self.note = errand.workshop / f"{remote.id}.json"
        self.state = self._recall()
        self.spans = self._spans()
        self.ranged = True  # until the server shows that it knows no ranges
        self.restarts = 0
        self.sha256 = ""  # once it was worked out
        self.spent = Throttle(errand.limit)
        self.saved_at = 0.0

    def run(self) -> Path:
        """The finished `.part`, its checksum verified."""
        failures, reached, began = 0, False, self.spans.done
        while not self.spans.is_whole:
            have = self.spans.done
            try:
                with landing.disk_errors(self.errand, lambda: self.state.size, self.forget):
                    self._transfer()
            except _Changed:
                self._restart()
            except Broken as broken:
                reached = reached or broken.reached
                failures = 1 if self.spans.done > have else failures + 1
                most = PATIENT_ATTEMPTS if self.spans.done > began else ATTEMPTS
                self._give_up(failures, most if reached else FIRST_ATTEMPTS, broken)
                self._wait(broken.wait or min(0.5 * 2 ** (failures - 1), LONGEST_PAUSE), broken)
        self.sha256 = self._verified()
        return self.part

    def land(self, target: Path | None = None) -> Path:
        """Under its name, or the name that the same file has already."""
        wanted = target or self.errand.folder / self.name
        if wanted.is_file() and self._is_same(wanted):
            self.forget()
            return wanted
        done = landing.land(self.part, landing.free_name(wanted))
        self.note.unlink(missing_ok=True)
        return done

    def forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        self.state = _State(self.remote.url, self.remote.source)
        self.spans = Spans()

    @property
    def have(self) -> int:
        """Bytes that are there already."""
        return self.spans.done

    @property
    def name(self) -> str:
        return landing.file_name(self.remote.name or self.state.name or requests.name_in(self.remote.url))

    # ── all connections of one attempt ──────────────────────────────────────────────────────────────

    def _transfer(self) -> None:
        """Until all is here. Raises Broken when the last connection broke."""
        self.part.touch()
        with httpx.Client(timeout=TIMEOUT) as client:
            crew = _Crew(self, client)
            meter = self._meter()
            try:
                while not self.spans.is_whole:
                    crew.tend()
                    meter.set(self.before + self.spans.done)
                    if time.monotonic() - self.saved_at > SAVED_EVERY:
                        self._save()
                    crew.wait(TICK)
                    meter.total = self.total or self.state.size
            finally:
                crew.dismiss()
                self._save()
            meter.set(self.before + self.spans.done)
            meter.tell()

    def _meter(self) -> Meter:
        total = self.total or self.state.size
        return Meter(self.errand, total, "models.fetch.downloading", self.before + self.spans.done)

    def fetch(self, client: httpx.Client, span: Span, stopped: Callable[[], bool]) -> None:
        """One connection's work on one span. Raises Broken, _Changed or an error for the person."""
        spans, more = self.spans, {}
        if self.ranged:
            last = "" if not spans.size or span.end == spans.size else span.end - 1
            more = {"range": f"bytes={span.at}-{last}"}
            if span.at and self._judge:
                more["if-range"] = self._judge
        with requests.asked(client, self.remote, more) as answer, self.part.open("r+b", buffering=0) as file:
            self._understand(answer, span)
            file.seek(span.at)
            self._receive(answer, spans, span, file, stopped)

    @property
    def _judge(self) -> str:
        """What tells whether it is still the same file; with a checksum that is known, the checksum does."""
        return "" if self.remote.sha256 else self.state.validator

    def _understand(self, answer: httpx.Response, span: Span) -> None:
        """Sees that the bytes of this answer belong where they are wanted; learns what the file is."""
        start, size = requests.place(answer)
        if answer.status_code == 416 or start != span.at:
            without = answer.status_code == 200 and not self._judge
            self.ranged = self.ranged and not without and span.at > 0
            raise _Changed
        known = requests.validator(answer)
        if self.spans.size:
            if (size and size != self.spans.size) or (self._judge and known and known != self._judge):
                raise _Changed
            return
        self.ranged = answer.status_code == 206
        self._learn(answer, size or self.remote.expected, known)

    def _learn(self, answer: httpx.Response, size: int, validator: str) -> None:
        """Raises DownloadBroken for what cannot be the file: a pointer to it, a page of a proxy."""
        if self.remote.sha256 and self.remote.expected and size != self.remote.expected:
            told = phrase("reasons.other_size", size=size, expected=self.remote.expected)
            raise DownloadBroken(self.remote.source, told)
        self.errand.check_space(max(size - self.spans.done, 0))
        name = requests.name_offered(answer)
        self.state = _State(self.remote.url, self.remote.source, size, validator, name)
        if size:
            self.spans.limit(size)

    def _receive(
        self,
        answer: httpx.Response,
        spans: Spans,
        span: Span,
        file: BinaryIO,
        stopped: Callable[[], bool],
    ) -> None:
        with requests.broken_connections():
            for block in answer.iter_bytes():  # as they come: a block size would hold bytes back
                if stopped():
                    return
                count = spans.room(span, len(block))
                file.write(block[:count])
                spans.advance(span, count)
                self.spent.spend(len(block), stopped)
                if not span.left:
                    return
        if stopped():
            return
        if not spans.size:  # the server told no size, and has ended
            spans.limit(span.at)
            self.state.size = span.at
        elif span.left:
            raise Broken(f"{spans.done} of {spans.size} bytes came", reached=True)

    def _restart(self) -> None:
        """Nothing of what is here can be used."""
        self.restarts += 1
        if self.restarts > ATTEMPTS:
            raise DownloadBroken(self.remote.source, phrase("reasons.keeps_changing"))
        self.forget()

    def _wait(self, seconds: float, broken: Broken) -> None:
        """Told where it takes long enough to wonder."""
        if broken.wait or seconds > SOON:
            meter = self._meter()
            meter.note = "models.fetch.asked_to_wait" if broken.wait else "models.fetch.network"
            meter.tell()
        self.errand.pause(seconds)

    def _give_up(self, failures: int, most: int, broken: Broken) -> None:
        if broken.wait > LONGEST_WAIT:
            told = phrase("reasons.asks_to_wait", seconds=round(broken.wait))
            raise DownloadBroken(self.remote.source, told) from broken
        if failures < most:
            return
        if not broken.reached:
            raise Offline(self.remote.source) from broken
        raise DownloadBroken(self.remote.source, str(broken)) from broken

    # ── what is there already ───────────────────────────────────────────────────────────────────────

    def _save(self) -> None:
        """Only what is on the disk is noted, and only what could be told from another file later."""
        if not self.spans.size or not self.part.exists():
            return
        self.saved_at = time.monotonic()
        rows = self.spans.kept()
        with self.part.open("r+b") as file:
            os.fsync(file.fileno())
        self.state.spans = rows
        draft = self.note.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self.state)), encoding="utf-8")
        draft.replace(self.note)

    def _recall(self) -> _State:
        fresh = _State(self.remote.url, self.remote.source)
        try:
            state = _State(**json.loads(self.note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return fresh
        return state if self.remote.sha256 or state.url == self.remote.url else fresh

    def _spans(self) -> Spans:
        """Bytes that nothing vouches for are dropped."""
        spans = Spans.read(self.state.size, self.state.spans)
        vouched = self.state.validator or self.remote.sha256
        long_enough = spans and self.part.exists() and self.part.stat().st_size >= spans.reach
        if spans and vouched and long_enough:
            return spans
        self.state = _State(self.remote.url, self.remote.source)
        self.part.unlink(missing_ok=True)
        return Spans()

    def _verified(self) -> str:
        """The checksum where one is expected, else ""."""
        if not self.remote.sha256:
            return ""
        actual, name = landing.digest_of(self.part, self.errand), self.name
        if actual != self.remote.sha256.lower():
            self.forget()
            raise ChecksumMismatch(name, self.remote.sha256.lower(), actual)
        return actual

    def _is_same(self, target: Path) -> bool:
        if target.stat().st_size != self.part.stat().st_size:
            return False
        own = self.sha256 or landing.digest_of(self.part, self.errand)
        return landing.digest_of(target, self.errand) == own


class _Crew:
    """The connections of one download: one, and more as soon as there is something for them to do."""

    def __init__(self, download: Download, client: httpx.Client) -> None:
        self.download, self.client = download, client
        self.threads: list[threading.Thread] = []
        self.failures: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
        self.over = threading.Event()
        self.moved = threading.Event()
        self.next_at = 0.0

    def tend(self) -> None:
        """Raises what ended the last connection, or what no other connection could mend."""
        self.threads = [thread for thread in self.threads if thread.is_alive()]
        broken = self._broken()
        if broken and not self.threads:
            raise broken
        if broken:
            self.next_at = time.monotonic() + (broken.wait or TOPPED_UP)
        if not self.threads or time.monotonic() >= self.next_at:
            self._call_in()

    def _broken(self) -> Broken | None:
        last = None
        with suppress(queue.Empty):
            while True:
                failure = self.failures.get_nowait()
                if not isinstance(failure, Broken):
                    raise failure
                last = failure
        return last

    def _call_in(self) -> None:
        spans, most = self.download.spans, self.download.errand.connections
        known = bool(spans.size) and self.download.ranged
        wanted = min(most, spans.shares) if known else 1
        for _ in range(wanted - len(self.threads)):
            thread = threading.Thread(target=self._work, name="download", daemon=True)
            self.threads.append(thread)
            thread.start()

    def _work(self) -> None:
        try:
            while not self.over.is_set() and (span := self.download.spans.take()):
                try:
                    self.download.fetch(self.client, span, self.over.is_set)
                finally:
                    self.download.spans.release(span)
        except BaseException as failure:  # noqa: BLE001 it is raised again in the thread that waits
            self.failures.put(failure)
        self.moved.set()

    def wait(self, seconds: float) -> None:
        self.moved.wait(seconds)
        self.moved.clear()

    def dismiss(self) -> None:
        """A connection that hears nothing ends by itself: it writes no byte any more."""
        self.over.set()
        for thread in self.threads:
            thread.join(GOODBYE)
