"""Turns that belong to a chat: they go on when the reader leaves, and can be followed from any event.

Each event is appended to the journal before anyone is shown it, so what was on a screen survives `kill -9`.
A turn's events stay in memory until `GRACE_S` after its end, for readers that come back late.

A turn may write several alternatives side by side: its events then name the `index` of theirs. Knows no HTTP
and no tree: what becomes of the texts is the business of the `Keeper` that it is given.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from fabula.core.errors import FabulaError, StoreUnwritable, TurnNotFound, Unexpected
from fabula.core.seams import Event, Journal, Record
from fabula.core.stream import (
    Choice,
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
LEAST_LOGPROB = -1e4
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """What a reply of a turn has brought so far; complete when `reason` is set.

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
    facts: dict[str, Any] | None = None  # as they were journaled, of a reply that ended before a crash
    tokens: list[Token] = field(default_factory=list)  # where probabilities were asked for

    def take(self, delta: Delta) -> None:
        if isinstance(delta, Token):
            self.text += delta.text
            self.token_ids += delta.ids
            self.has_ids &= bool(delta.ids) or not delta.text
            self.tokens += [delta] if delta.chosen else []
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


class Keeper(Protocol):
    """Where the texts of a turn go. `facts` are those of one reply that has ended; `settle` stores them all
    and gives the data of the last event. It must be safe to repeat after a crash."""

    def facts(self, outcome: Outcome) -> dict[str, Any]: ...
    async def settle(self, outcomes: Sequence[Outcome]) -> dict[str, Any]: ...


def as_event(delta: Delta) -> tuple[str, dict[str, Any]] | None:
    """Kind and data of the event for a delta, or None for what readers are not shown."""
    match delta:
        case Token(text=text, ids=ids, chosen=None):
            return "text", {"text": text, "ids": list(ids)}
        case Token(text=text, ids=ids, chosen=Choice() as chosen, likeliest=likeliest):
            token = [*_row(chosen), [_row(one) for one in likeliest]]
            return "text", {"text": text, "ids": list(ids), "token": token}
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


def replay(events: Sequence[Event], count: int = 1) -> list[Outcome]:
    """The outcomes of a turn whose process died, from its journal."""
    outcomes = [Outcome(reason="interrupted") for _ in range(count)]
    for event in events:
        outcome, data = outcomes[event.data.get("index", 0)], event.data
        if event.kind == "text":
            outcome.take(_token(data))
        elif event.kind == "reasoning":
            outcome.take(Thought(data["text"], tuple(data["ids"])))
        elif event.kind == "prefill":
            outcome.take(Prefill(data["processed"], data["total"], data["reused"]))
        elif event.kind == "prepared":
            outcome.take(Prepared(**data["known"]))
        elif event.kind == "written":
            outcome.reason, outcome.facts = data["reason"], data["facts"]
            outcome.has_ids &= data["has_ids"]
    return outcomes


def _row(choice: Choice) -> list[Any]:
    """A candidate as events carry it; JSON has no −∞."""
    return [choice.id, choice.text, max(choice.logprob, LEAST_LOGPROB)]


def _token(data: dict[str, Any]) -> Token:
    if "token" not in data:
        return Token(data["text"], tuple(data["ids"]))
    *chosen, likeliest = data["token"]
    return Token(data["text"], tuple(data["ids"]), Choice(*chosen), tuple(Choice(*one) for one in likeliest))


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
        streams: Sequence[AsyncGenerator[Delta, None]],
        keeper: Keeper,
        hurry: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin a turn of one reply or several. `header` is journaled, to store the texts by after a crash;
        readers see `start`. `hurry` is called when the person wants the answer now.
        """
        turn = _Turn(id, self._journal.begin(id, header), hurry)
        turn.emit("start", start)
        self._turns[id] = turn
        marks: list[dict[str, Any]] = [{"index": index} for index in range(len(streams))]
        replies = [
            _Reply(turn, keeper, stream, mark if len(streams) > 1 else {})
            for stream, mark in zip(streams, marks, strict=True)
        ]
        turn.works = [asyncio.create_task(reply.write()) for reply in replies]
        turn.task = asyncio.create_task(self._run(turn, replies, keeper))

    def running(self, id: str) -> bool:
        turn = self._turns.get(id)
        return turn is not None and not turn.ended

    def require(self, id: str) -> None:
        """Raises TurnNotFound, now rather than when the first event is awaited."""
        self._find(id)

    def stop(self, id: str) -> None:
        """Ask a turn to end, all of it; its text so far is kept. Raises TurnNotFound."""
        turn = self._find(id)
        if not turn.ended:
            turn.stop()

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
            turn.stop()
        await asyncio.gather(*tasks, return_exceptions=True)
        for turn in self._turns.values():
            if turn.forget is not None:
                turn.forget.cancel()

    def _find(self, id: str) -> _Turn:
        if id not in self._turns:
            raise TurnNotFound(id)
        return self._turns[id]

    async def _run(self, turn: _Turn, replies: Sequence[_Reply], keeper: Keeper) -> None:
        await asyncio.gather(*(reply.end(work) for reply, work in zip(replies, turn.works, strict=True)))
        await self._settle(turn, [reply.outcome for reply in replies], keeper)

    async def _settle(self, turn: _Turn, outcomes: Sequence[Outcome], keeper: Keeper) -> None:
        """Store the texts, then tell it. What cannot be stored stays in the journal for the next start."""
        data: dict[str, Any] = {}
        failure = outcomes[0].error if all(outcome.error for outcome in outcomes) else None
        try:
            data = await keeper.settle(outcomes)
            self._journal.fold(turn.id)
        except FabulaError as unstored:
            failure = unstored
        except Exception as fault:  # a turn that never ends would keep its readers waiting for ever
            log.exception("turn %s could not be stored", turn.id)
            failure = Unexpected(f"{type(fault).__name__}: {fault}")
        turn.end("error" if failure else "done", data | (failure.kept() if failure else {}))
        loop = asyncio.get_running_loop()
        turn.forget = loop.call_later(GRACE_S, self._turns.pop, turn.id, None)


class _Reply:
    """One reply of a turn; `mark` names it in its events when there are several."""

    def __init__(
        self,
        turn: _Turn,
        keeper: Keeper,
        deltas: AsyncGenerator[Delta, None],
        mark: dict[str, Any],
    ) -> None:
        self._turn, self._keeper, self._deltas, self._mark = turn, keeper, deltas, mark
        self.outcome = Outcome()

    async def write(self) -> None:
        began, turn, outcome, mark = time.perf_counter(), self._turn, self.outcome, self._mark
        async with aclosing(self._deltas):
            async for delta in self._deltas:
                outcome.take(delta)
                if isinstance(delta, Token | Thought) and delta.text:
                    outcome.tick((time.perf_counter() - began) * 1000)
                elif isinstance(delta, Prepared):
                    turn.note("prepared", {"known": asdict(delta)} | mark)
                    if joint := (delta.story or {}).get("joint"):
                        turn.show("joint", {"text": joint} | mark)
                event = as_event(delta)
                if event is not None:
                    kind, data = event
                    turn.emit(kind, data | mark if mark else data)

    async def end(self, work: asyncio.Task[None]) -> None:
        """Waits for its end, however it comes, and writes it down: others may go on for long."""
        outcome = self.outcome
        try:
            await work
        except asyncio.CancelledError:
            outcome.reason = "stopped"
            await self._deltas.aclose()  # one that was stopped before its first step has not begun
        except FabulaError as error:
            outcome.reason, outcome.error = "error", error
        except Exception as error:  # whatever failed, the text so far is stored and said so
            log.exception("turn %s failed", self._turn.id)
            outcome.reason, outcome.error = "error", Unexpected(f"{type(error).__name__}: {error}")
        self._tell()

    def _tell(self) -> None:
        outcome = self.outcome
        told = {"reason": outcome.reason, "facts": self._keeper.facts(outcome)}
        told |= {"error": outcome.error.kept() if outcome.error else None}
        self._turn.note("written", told | {"has_ids": outcome.has_ids} | self._mark)
        if self._mark:
            self._turn.show("written", told | self._mark)


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
        self.works: list[asyncio.Task[None]] = []
        self.forget: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        for work in self.works:
            work.cancel()

    def emit(self, kind: str, data: dict[str, Any]) -> None:
        event = Event(len(self.events) + 1, kind, data)
        self.record.append(event)
        self._show(event)

    def note(self, kind: str, data: dict[str, Any]) -> None:
        """For the journal alone: what only a later start needs to know. Without it that knows less."""
        try:
            self.record.append(Event(len(self.events) + 1, kind, data))
        except StoreUnwritable as full:
            log.warning("the journal of turn %s lacks a note: %s", self.id, full)

    def show(self, kind: str, data: dict[str, Any]) -> None:
        """For readers alone."""
        self._show(Event(len(self.events) + 1, kind, data))

    def end(self, kind: str, data: dict[str, Any]) -> None:
        """Show the last event. It is not journaled: by now the database holds what it tells."""
        self.ended = True
        self.record.close()
        self.show(kind, data)

    def _show(self, event: Event) -> None:
        self.events.append(event)
        self._ring()

    def _ring(self) -> None:
        bell, self.changed = self.changed, asyncio.Event()
        bell.set()
