"""What a stream tells, gathered into deltas and the facts of its end. Knows no dialect's words: those derive
a `Reader` each. Times are measured here, and replaced where the server tells its own.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fabula.core.errors import RemoteBroke
from fabula.core.stream import Delta, Finished, FinishReason, Thought, Token, ToolCallPart
from fabula.engine.remote.events import Lines, Sent, TooLong

DONE = b"[DONE]"


@dataclass(slots=True)
class Told:
    """What the server says of the generation; None where it says nothing."""

    reason: FinishReason | None = None
    stop_string: str = ""
    prompt: int = 0
    reused: int | None = None
    written: int = 0
    reasoned: int = 0
    cost: float | None = None
    effective: dict[str, Any] | None = None
    ignored: tuple[str, ...] = ()
    prompt_ms: float | None = None
    predicted_ms: float | None = None


class Reader(ABC):
    """One stream. A subclass says what an event means in `read`, and sets `complete` at the end marker."""

    def __init__(self, name: str, server: str, *, framing: type[Sent | Lines] = Sent) -> None:
        self.name, self.server = name, server
        self.told, self.complete = Told(), False
        self._frames = framing()
        self._began = time.perf_counter()
        self._first = self._last = 0.0

    @abstractmethod
    def read(self, row: dict[str, Any]) -> Iterable[Delta]:
        """What one event tells."""

    def feed(self, data: bytes) -> list[Delta]:
        """Raises RemoteBroke for what nobody can read, and what the server tells as an error."""
        try:
            return [delta for event in self._frames.feed(data) for delta in self._deltas(event)]
        except TooLong:
            raise RemoteBroke(self.server, "an event without an end") from None

    def finish(self) -> list[Delta]:
        """What was left, and the facts. Raises RemoteBroke when the stream ended before its end marker."""
        left = list(self._deltas(self._frames.rest()))
        if not self.complete:
            raise RemoteBroke(self.server, "its answer broke off")
        return [*left, self._finished()]

    def _deltas(self, event: bytes) -> Iterator[Delta]:
        if event == DONE:
            self.complete = True
            return
        if not event:
            return
        try:
            row = json.loads(event)
            if not isinstance(row, dict):
                raise ValueError("no object")
            deltas = list(self.read(row))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as reason:
            shown = event[:200].decode(errors="replace")
            raise RemoteBroke(self.server, f"an event that cannot be read: {shown}") from reason
        for delta in deltas:
            if isinstance(delta, Token | Thought | ToolCallPart):
                self._last = time.perf_counter()
                self._first = self._first or self._last
        yield from deltas

    def _finished(self) -> Finished:
        told = self.told
        first, last = self._first or self._began, self._last or self._began
        reused = told.reused or 0
        return Finished(
            reason=told.reason or "stop",
            prompt_tokens=told.prompt,
            reused_tokens=reused,
            processed_tokens=max(0, told.prompt - reused),
            completion_tokens=told.written,
            reasoning_tokens=told.reasoned,
            prompt_ms=(first - self._began) * 1000 if told.prompt_ms is None else told.prompt_ms,
            predicted_ms=(last - first) * 1000 if told.predicted_ms is None else told.predicted_ms,
            stop_string=told.stop_string,
            cost=told.cost,
            effective=told.effective,
            ignored=told.ignored,
            cache="" if told.reused is None else "slot" if told.reused else "none",
        )
