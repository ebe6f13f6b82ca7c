"""One row → one validated answer: checked, asked again with another seed, flagged if that was in vain.

Knows no table and no HTTP. Nothing is judged here: a form is checked by its own rules, and a refusal is the
guard's, or a phrase that is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fabula.batches.gate import Gate
from fabula.batches.refusals import looks_refused
from fabula.core import errors
from fabula.core.errors import Blocked, EngineDied, EngineFailure, FabulaError, QueueFull
from fabula.core.sampling import SEED_LIMIT, Sampling
from fabula.core.stream import Finished, Token
from fabula.core.texts import Phrase, phrase
from fabula.turn.request import TurnRequest
from fabula.turn.stream import Turns

Status = Literal["ok", "refused", "schema_failed", "cut", "error"]
STATUSES: tuple[Status, ...] = ("ok", "refused", "schema_failed", "cut", "error")
PAUSE_S = 1.0  # after an engine's failure; doubles with each further one
RETRIES = 2

HOPELESS: tuple[type[FabulaError], ...] = (
    errors.NotFound,
    errors.WritesNoText,
    errors.OnlyConverses,
    errors.StoreFailure,
    errors.DoesNotFit,
    errors.NoDiskSpace,
    errors.ModelLoadFailed,
    errors.BuildMissing,
    errors.BuildUnavailable,
    errors.BuildBroken,
    errors.ExtraMissing,
    errors.RemoteKeyRefused,
    errors.RemoteUntrusted,
    errors.RemoteModelMissing,
)
"""What no other row would fare better with: it ends the batch, and is no answer to a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`looks_refused` is the phrase that makes an answer look like a refusal, "" = none. Milliseconds are of
    all attempts together, the tokens of the last one."""

    status: Status
    text: str = ""
    reason: Phrase | None = None
    looks_refused: str = ""
    attempts: int = 1
    prompt_tokens: int = 0
    completion_tokens: int = 0
    effective: dict[str, Any] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    milliseconds: int = 0
    engine_failed: bool = False  # the row is not to blame, and may be asked again another day


@dataclass(frozen=True, slots=True)
class _Try:
    """An answer, whether asking again could give a better one, and the engine's failure if that was it."""

    answer: Answer
    again: bool = False
    failure: EngineFailure | None = None


class _Clock:
    """The time of a row's own work, without what it waited for others."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started


class Answers:
    def __init__(self, turns: Turns, gate: Gate) -> None:
        self._turns, self._gate = turns, gate
        self._asked_now: set[asyncio.Task[Answer]] = set()
        self._closing = False

    def close(self) -> None:
        """The studio ends: nobody waits for the rows that are being written."""
        self._closing = True
        for task in self._asked_now:
            task.cancel()

    async def answer(self, request: TurnRequest, retries: int = RETRIES) -> Answer:
        """Waits behind people. Raises one of HOPELESS, or EngineDied when the studio is closing."""
        task = asyncio.create_task(self._answer(request, retries))
        self._asked_now.add(task)
        task.add_done_callback(self._asked_now.discard)
        try:
            return await task
        except asyncio.CancelledError:
            task.cancel()
            if self._closing:
                raise EngineDied(request.model, phrase("reasons.studio_closing")) from None
            raise

    async def _answer(self, request: TurnRequest, retries: int) -> Answer:
        if not (request.prompt or any(message.text.strip() for message in request.messages[-1:])):
            return Answer(status="error", reason=phrase("batch.reason.no_question"), attempts=0)
        clock = _Clock()
        tried, attempt = await self._once(request, clock), 1
        while tried.again and attempt <= retries:
            if tried.failure:
                await asyncio.sleep(_pause(tried.failure, attempt))
            elif request.sampling.temperature == 0:
                tried = _useless(tried)
                break
            tried = await self._once(_reseeded(request, attempt), clock)
            attempt += 1
        return replace(tried.answer, attempts=attempt, milliseconds=round(clock.seconds * 1000))

    async def _once(self, request: TurnRequest, clock: _Clock) -> _Try:
        while True:
            try:
                async with self._gate.place(request.model):
                    with clock.running():
                        return await self._asked(request)
            except QueueFull as full:
                await asyncio.sleep(full.seconds)
            except Blocked as blocked:
                return _Try(Answer(status="refused", reason=blocked.as_phrase()))
            except HOPELESS:
                raise
            except FabulaError as failure:
                if _closing(failure):
                    raise
                engine = failure if isinstance(failure, EngineFailure) else None
                again = engine is not None and not isinstance(engine, errors.EngineRefused)
                answer = Answer(status="error", reason=failure.as_phrase(), engine_failed=again)
                return _Try(answer, again=again, failure=engine)

    async def _asked(self, request: TurnRequest) -> _Try:
        text: list[str] = []
        end: Finished | None = None
        async with aclosing(self._turns.stream(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, Token):
                    text.append(delta.text)
                elif isinstance(delta, Finished):
                    end = delta
        assert end, "a stream that does not fail ends with Finished"
        return judged("".join(text), end, request.sampling)


def judged(text: str, end: Finished, sampling: Sampling) -> _Try:
    """What a reply that came is worth."""
    status, reason = _status(text, end)
    answer = Answer(
        status=status,
        text=text,
        reason=reason,
        looks_refused=looks_refused(text),
        prompt_tokens=end.prompt_tokens,
        completion_tokens=end.completion_tokens,
        effective=end.effective or {},
        ignored=end.ignored,
    )
    has_form = bool(sampling.json_schema or sampling.regex or sampling.grammar)
    return _Try(answer, again=status in ("error", "schema_failed") or (status == "cut" and has_form))


def _status(text: str, end: Finished) -> tuple[Status, Phrase | None]:
    if end.reason == "length":
        return "cut", phrase("batch.reason.cut", tokens=end.completion_tokens)
    if end.reason == "loop":
        return "cut", phrase("batch.reason.loop")
    if end.form_problem:
        return "schema_failed", end.form_problem
    if not text.strip():
        return "error", phrase("batch.reason.blank")
    return "ok", None


def _pause(failure: EngineFailure, attempt: int) -> float:
    """Seconds. A server that says when to come again is listened to."""
    pause: float = PAUSE_S * 2 ** (attempt - 1)
    return max(pause, failure.seconds) if isinstance(failure, errors.RemoteBusy) else pause


def _useless(tried: _Try) -> _Try:
    """Nothing but the seed could change, and that changes nothing."""
    reason = phrase("batch.reason.greedy", reason=tried.answer.reason)
    return _Try(replace(tried.answer, reason=reason))


def _reseeded(request: TurnRequest, attempt: int) -> TurnRequest:
    """A seed that was not chosen is another one anyway."""
    seed = request.sampling.seed
    if seed is None:
        return request
    return replace(request, sampling=replace(request.sampling, seed=(seed + attempt) % SEED_LIMIT))


def _closing(failure: FabulaError) -> bool:
    """The studio ends: no row is to blame."""
    reason = failure.reason if isinstance(failure, EngineDied) else None
    return isinstance(reason, Phrase) and reason.key == "reasons.studio_closing"
