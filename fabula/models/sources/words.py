"""The words of fetching: Source, Progress, Errand. Knows no network and no kind of source."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fabula.core.errors import NoDiskSpace

Kind = Literal["wheel", "url", "hub", "modelscope", "ollama", "file"]

TICK = 0.1  # seconds between two reports of progress
CONNECTIONS = 4  # at a time to one server


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model comes from, taken apart. `text` is what the person wrote, without the fragment."""

    kind: Kind
    text: str
    target: str  # the wheel's name, the address, owner/repo or the path
    version: str = ""  # of a wheel, or the revision of a repository
    choice: str = ""  # quantization or file of a repository
    sha256: str = ""
    size: int = 0  # bytes, where it is known beforehand


@dataclass(frozen=True, slots=True)
class Progress:
    """`note` is a text key that says what is being done. `total` is 0 as long as it is not known."""

    done: int
    total: int
    unit: str = "bytes"
    note: str = "models.fetch.downloading"


class FetchCancelled(Exception):
    """The person stopped it. What can be resumed is kept."""


def silent(progress: Progress) -> None:
    """For callers that show no progress."""


def never() -> bool:
    """For callers that do not cancel."""
    return False


def unlimited() -> int:
    """For downloads that may be as fast as they come."""
    return 0


def free_space(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@dataclass(frozen=True)
class Errand:
    """One fetch: where to put things, whom to tell, and how to see that it was cancelled."""

    folder: Path
    progress: Callable[[Progress], None] = silent
    cancelled: Callable[[], bool] = never
    free_space: Callable[[Path], int] = free_space
    sleep: Callable[[float], None] = time.sleep
    limit: Callable[[], int] = unlimited  # bytes per second, asked again and again; 0 = none
    connections: int = CONNECTIONS

    @property
    def workshop(self) -> Path:
        """Where unfinished files lie: on the same filesystem, and never listed."""
        folder = self.folder / ".fetch"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def check_cancelled(self) -> None:
        if self.cancelled():
            raise FetchCancelled

    def check_space(self, needed: int) -> None:
        free = self.free_space(self.folder)
        if needed > free:
            raise NoDiskSpace(needed, free, str(self.folder))

    def pause(self, seconds: float) -> None:
        """Sleeps, but not through a cancellation."""
        while seconds > 0:
            self.check_cancelled()
            self.sleep(min(seconds, TICK))
            seconds -= TICK
        self.check_cancelled()


class Meter:
    """Reports progress at most every `TICK`, and sees cancellations. `start` bytes were there before."""

    def __init__(self, errand: Errand, total: int, note: str, start: int = 0) -> None:
        self.errand, self.total, self.note, self.done = errand, total, note, start
        self._reported = 0.0
        self.tell()

    def add(self, count: int) -> None:
        self.set(self.done + count)

    def set(self, done: int) -> None:
        self.done = done
        if time.monotonic() - self._reported >= TICK:
            self.tell()

    def tell(self) -> None:
        self._reported = time.monotonic()
        self.errand.progress(Progress(self.done, self.total, note=self.note))
        self.errand.check_cancelled()
