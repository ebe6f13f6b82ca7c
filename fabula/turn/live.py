"""Turns that belong to a chat: they go on when the reader leaves, and can be followed from any event.

Each event is appended to the journal before anyone is shown it, so what was on a screen survives `kill -9`.
A turn's events stay in memory until `GRACE_S` after its end, for readers that come back late. Knows no HTTP
and no tree: what becomes of the text is the business of the `settle` that it is given.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from fabula.core.errors import FabulaError, TurnNotFound, Unexpected
from fabula.core.seams import Event, Journal, Record
from fabula.core.stream import (
    Delta,
    Finished,
    FinishReason,
    Loading,
    Prefill,
    Prepared,
    Queued,
    Thought,
    Token,
)

GRACE_S = 600.0
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """What a turn has brought so far; complete when `reason` is set.

    `token_ids` stand for exactly `text` while `has_ids` holds: not when a guard changed the text, and not
    when a stop string was cut off, whose tokens reach into what is shown. `reasoning_ids` are those of the
    reasoning and its tags.
    """

    text: str = ""
    has_ids: bool = True
    token_ids: list[int] = field(default_factory=list)
    reasoning: str = ""
    has_reasoning_ids: bool = True
    reasoning_ids: list[int] = field(default_factory=list)
    reason: FinishReason | None = None
    prepared: Prepared | None = None
    prefill: Prefill | None = None
    first_token_ms: float = 0.0  # both times since the turn began; 0 = there was none
    last_token_ms: float = 0.0
    finished: Finished | None = None
    error: FabulaError | None = None

    def take(self, delta: Delta) -> None:
        if isinstance(delta, Token):
            self.text += delta.text
            self.token_ids += delta.ids
            self.has_ids &= bool(delta.ids) or not delta.text
        elif isinstance(delta, Thought):
            self.reasoning += delta.text
            self.reasoning_ids += delta.ids
            self.has_reasoning_ids &= bool(delta.ids) or not delta.text
        elif isinstance(delta, Prefill):
            self.prefill = delta
        elif isinstance(delta, Prepared):
            self.prepared = delta
        elif isinstance(delta, Finished):
            self.has_ids &= not delta.stop_string
            self.reason, self.finished = delta.reason, delta

    def tick(self, since_ms: float) -> None:
        """A token has come."""
        self.first_token_ms = self.first_token_ms or since_ms
        self.last_token_ms = since_ms


Settle = Callable[[Outcome], Awaitable[dict[str, Any]]]
"""Stores the outcome and gives the data of the last event. Must be safe to repeat after a crash."""


def as_event(delta: Delta) -> tuple[str, dict[str, Any]] | None:
    """Kind and data of the event for a delta, or None for what readers are not shown."""
    match delta:
        case Token(text=text, ids=ids):
            return "text", {"text": text, "ids": list(ids)}
        case Thought(text=text, ids=ids):
            return "reasoning", {"text": text, "ids": list(ids)}
        case Prefill(processed=processed, total=total, reused=reused):
            return "prefill", {"processed": processed, "total": total, "reused": reused}
        case Loading(model=model, why=why):
            return "loading", {
                "model": model,
                "why": {"key": why.key, "fields": dict(why.fields)} if why else None,
            }
        case Queued(position=position, behind=behind):
            return "queued", {"position": position, "behind": behind}
        case _:
            return None


def replay(events: list[Event]) -> Outcome:
    """The outcome of a turn whose process died, from its journal."""
    outcome = Outcome(reason="interrupted")
    for event in events:
        if event.kind == "text":
            outcome.take(Token(event.data["text"], tuple(event.data["ids"])))
        elif event.kind == "reasoning":
            outcome.take(Thought(event.data["text"], tuple(event.data["ids"])))
        elif event.kind == "prefill":
            outcome.take(Prefill(**event.data))
    return outcome


class Live:
    """All turns of this process that belong to chats."""

    def __init__(self, journal: Journal):
        self._journal = journal
        self._turns: dict[str, _Turn] = {}

    def start(
        self,
        id: str,
        header: dict[str, Any],
        start: dict[str, Any],
        deltas: AsyncGenerator[Delta, None],
        settle: Settle,
        hurry: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin a turn. `header` is journaled, to store the text by after a crash; readers see `start`.

        `hurry` is called when the person wants the answer now.
        """
        turn = _Turn(id, self._journal.begin(id, header), hurry)
        turn.emit("start", start)
        self._turns[id] = turn
        outcome = Outcome()
        turn.work = asyncio.create_task(_write(turn, deltas, outcome))
        turn.task = asyncio.create_task(self._run(turn, turn.work, outcome, settle))

    def running(self, id: str) -> bool:
        turn = self._turns.get(id)
        return turn is not None and not turn.ended

    def require(self, id: str) -> None:
        """Raises TurnNotFound, now rather than when the first event is awaited."""
        self._find(id)

    def stop(self, id: str) -> None:
        """Ask a turn to end; its text so far is kept. Raises TurnNotFound."""
        turn = self._find(id)
        if not turn.ended and turn.work is not None:
            turn.work.cancel()

    def answer_now(self, id: str) -> None:
        """End a turn's reasoning; what it has thought is kept. Raises TurnNotFound."""
        turn = self._find(id)
        if not turn.ended:
            turn.hurry()

    async def follow(self, id: str, after: int = 0) -> AsyncIterator[Event]:
        """Every event of a turn after the given number, to its end. Raises TurnNotFound."""
        turn = self._find(id)
        position = max(0, after)
        while True:
            bell = turn.changed  # taken before reading: what comes meanwhile rings this one
            while position < len(turn.events):
                yield turn.events[position]
                position += 1
            if turn.ended:
                return
            await bell.wait()

    async def close(self) -> None:
        """Stop all turns and wait until what they wrote is stored."""
        tasks = [turn.task for turn in self._turns.values() if turn.task and not turn.ended]
        for turn in self._turns.values():
            if turn.work is not None:
                turn.work.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for turn in self._turns.values():
            if turn.forget is not None:
                turn.forget.cancel()

    def _find(self, id: str) -> _Turn:
        if id not in self._turns:
            raise TurnNotFound(id)
        return self._turns[id]

    async def _run(self, turn: _Turn, work: asyncio.Task[None], outcome: Outcome, settle: Settle) -> None:
        try:
            await work
        except asyncio.CancelledError:
            outcome.reason = "stopped"
        except FabulaError as error:
            outcome.reason, outcome.error = "error", error
        except Exception as error:  # whatever failed, the text so far is stored and said so
            log.exception("turn %s failed", turn.id)
            outcome.reason, outcome.error = "error", Unexpected(f"{type(error).__name__}: {error}")
        await self._settle(turn, outcome, settle)

    async def _settle(self, turn: _Turn, outcome: Outcome, settle: Settle) -> None:
        """Store the text, then tell it. What cannot be stored stays in the journal for the next start."""
        data: dict[str, Any] = {}
        try:
            data = await settle(outcome)
            self._journal.fold(turn.id)
        except FabulaError as unstored:
            outcome.error = unstored
        except Exception as fault:  # a turn that never ends would keep its readers waiting for ever
            log.exception("turn %s could not be stored", turn.id)
            outcome.error = Unexpected(f"{type(fault).__name__}: {fault}")
        failure = outcome.error
        if failure is not None:
            data |= {"code": failure.code, "message": failure.sentence(), "fields": failure.fields}
        turn.end("error" if failure else "done", data)
        loop = asyncio.get_running_loop()
        turn.forget = loop.call_later(GRACE_S, self._turns.pop, turn.id, None)


async def _write(turn: _Turn, deltas: AsyncGenerator[Delta, None], outcome: Outcome) -> None:
    began = time.perf_counter()
    async with aclosing(deltas):
        async for delta in deltas:
            outcome.take(delta)
            if isinstance(delta, Token | Thought) and delta.text:
                outcome.tick((time.perf_counter() - began) * 1000)
            event = as_event(delta)
            if event is not None:
                turn.emit(*event)


class _Turn:
    """One running turn: its journal record, its events, and a bell for those who wait for more."""

    def __init__(self, id: str, record: Record, hurry: Callable[[], None]):
        self.id = id
        self.hurry = hurry
        self.record = record
        self.events: list[Event] = []
        self.changed = asyncio.Event()
        self.ended = False
        self.task: asyncio.Task[None] | None = None
        self.work: asyncio.Task[None] | None = None
        self.forget: asyncio.TimerHandle | None = None

    def emit(self, kind: str, data: dict[str, Any]) -> None:
        event = Event(len(self.events) + 1, kind, data)
        self.record.append(event)
        self._show(event)

    def end(self, kind: str, data: dict[str, Any]) -> None:
        """Show the last event. It is not journaled: by now the database holds what it tells."""
        self.ended = True
        self.record.close()
        self._show(Event(len(self.events) + 1, kind, data))

    def _show(self, event: Event) -> None:
        self.events.append(event)
        self._ring()

    def _ring(self) -> None:
        bell, self.changed = self.changed, asyncio.Event()
        bell.set()
