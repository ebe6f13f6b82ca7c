"""The seams where PostgreSQL can take the place of files, and the guard's. Knows no storage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from fabula.core.messages import Message
from fabula.core.request import Context


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, numbered from 1 within its topic (`turn/ID`, `job/ID`, `studio`)."""

    id: int
    kind: str
    data: dict[str, Any] = field(default_factory=dict)


class Record(Protocol):
    """The journal of one turn: written before each send, so that what was shown survives `kill -9`."""

    id: str

    def append(self, event: Event) -> None: ...
    def close(self) -> None: ...


class Journal(Protocol):
    """All unfinished turns. `fold` is told when the database has taken a turn in."""

    def begin(self, id: str, header: dict[str, Any]) -> Record: ...
    def read(self, id: str, after: int = 0) -> tuple[dict[str, Any], list[Event]]: ...
    def unfinished(self) -> list[str]: ...
    def fold(self, id: str) -> None: ...


class Events(Protocol):
    """Publish and follow events by topic; a follower that gives `after` misses nothing that is still kept."""

    def publish(self, topic: str, kind: str, data: dict[str, Any]) -> Event: ...
    def follow(self, topic: str, after: int = 0) -> AsyncIterator[Event]: ...
    def end(self, topic: str) -> None: ...


class Locks(Protocol):
    """Named locks across processes. `hold` raises BlockingIOError when another process has it."""

    def hold(self, name: str) -> AbstractContextManager[None]: ...


class Watch(Protocol):
    """A guard's eye on one stream: text goes in, text that may be shown comes out. Raises Blocked."""

    def feed(self, text: str) -> str: ...
    def finish(self) -> str: ...


class Guard(Protocol):
    """The policy that an operator applies. Raises Blocked when a request may not run.

    `watch` is given the request once more: what a reply may say depends on what was said before it.
    """

    def judge(self, messages: Sequence[Message], context: Context) -> None: ...
    def watch(self, messages: Sequence[Message], context: Context) -> Watch: ...
