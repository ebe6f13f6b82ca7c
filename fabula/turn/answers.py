"""A reply as it is read: reasoning, answer, tool calls; and reasoning that is ended when it is enough.

Knows no engine beyond the Worker seam, and no formats: those are data below.
"""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, Finished, Prefill, Thought, Token
from fabula.core.worker import Counts, Prompt, Worker
from fabula.engine.parsing.answer import AnswerReader
from fabula.engine.parsing.families import BRIDGE
from fabula.engine.parsing.tools.grammar import schemas_of
from fabula.turn.manner import Manner
from fabula.turn.request import TurnRequest

Ask = Callable[[Prompt, Sampling], AsyncGenerator[Delta, None]]
ID_LETTERS = string.ascii_letters + string.digits
ID_LENGTH = 9  # Mistral's templates take no other


def asked(prompt: Prompt, manner: Manner) -> Prompt:
    """The prompt, with the marks that the engine has to print."""
    return replace(prompt, shown=manner.shown, triggers=manner.triggers) if manner.reads else prompt


def sampled(sampling: Sampling, manner: Manner) -> Sampling:
    """The sampling, with the grammar that tool calls need in the place of any other form."""
    calls = manner.must_call or manner.may_call
    return replace(sampling, grammar=calls, json_schema="", regex="") if calls else sampling


def read(
    ask: Ask, worker: Worker, prompt: Prompt, request: TurnRequest, manner: Manner
) -> AsyncGenerator[Delta, None]:
    """The deltas of a reply, taken apart. What needs no taking apart costs nothing."""
    sampling = sampled(request.sampling, manner)
    if not manner.reads:
        return ask(prompt, sampling)
    return _Reply(ask, worker, asked(prompt, manner), sampling, request, manner).deltas()


def _new_id() -> str:
    return "".join(secrets.choice(ID_LETTERS) for _ in range(ID_LENGTH))


class _Reply:
    """One reply, which is asked for once, or twice when its reasoning was ended for it."""

    def __init__(
        self,
        ask: Ask,
        worker: Worker,
        prompt: Prompt,
        sampling: Sampling,
        request: TurnRequest,
        manner: Manner,
    ) -> None:
        self._ask, self._worker = ask, worker
        self._prompt, self._sampling = prompt, sampling
        self._request, self._manner = request, manner
        self._budget = request.sampling.think_budget
        self._reader = AnswerReader(
            manner.family,
            manner.format,
            schemas_of(request.tools),
            _new_id,
            opened=manner.opened,
            answers=manner.answers,
        )
        self._tokens: list[Token] = []  # all that was sampled
        self._thoughts = 0  # tokens
        self._prefill: Prefill | None = None
        self._bridged = 0  # tokens that were written for the model
        self._spent_ms = 0.0

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        enough = False
        async with aclosing(self._part(self._prompt, self._sampling)) as deltas:
            async for delta in deltas:
                yield delta
                if enough := self._is_enough():
                    break
        if enough:
            async for delta in self._answered():
                yield delta

    async def _part(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Delta, None]:
        started = time.perf_counter()
        async with aclosing(self._ask(prompt, sampling)) as deltas:
            async for delta in deltas:
                if isinstance(delta, Token):
                    self._spent_ms += (time.perf_counter() - started) * 1000
                    started = time.perf_counter()
                    if not self._tokens and self._manner.opened and not self._request.continues:
                        yield Thought("", await self._ids(self._opening()))
                    for read in self._taken(delta):
                        yield read
                elif isinstance(delta, Finished):
                    for read in self._reader.finish(
                        complete=delta.reason == "stop" and not delta.stop_string
                    ):
                        yield self._counted(read)
                    yield self._finished(delta)
                else:
                    if isinstance(delta, Prefill) and self._bridged:
                        continue  # of the second asking, which reads only the bridge
                    if isinstance(delta, Prefill):
                        self._prefill = delta
                    yield delta

    def _taken(self, token: Token) -> list[Delta]:
        self._tokens.append(token)
        return [self._counted(read) for read in self._reader.feed(token)]

    def _counted(self, read: Delta) -> Delta:
        if isinstance(read, Thought):
            self._thoughts += len(read.ids) or bool(read.text)
        return read

    # ── reasoning that is ended ─────────────────────────────────────────────────────────────────────

    def _is_enough(self) -> bool:
        if not self._reader.thinks or self._bridged:
            return False
        over = self._budget is not None and self._thoughts >= self._budget
        return over or self._request.hurry.asked

    async def _answered(self) -> AsyncGenerator[Delta, None]:
        """The block is closed with a sentence, and the model goes on from there."""
        assert self._manner.family
        for held in self._reader.close():
            yield self._counted(held)
        bridge = BRIDGE + self._manner.family.closed()
        ids = await self._ids(bridge)
        self._bridged = len(ids) or 1
        yield Thought(BRIDGE.rstrip(), ids)
        room = self._sampling.max_tokens
        sampling = self._sampling
        if self._manner.must_call_now:
            sampling = replace(sampling, grammar=self._manner.must_call_now)
        if room is not None:
            sampling = replace(sampling, max_tokens=max(1, room - self._sampled()))
        async with aclosing(self._part(self._continued(ids or bridge), sampling)) as deltas:
            async for delta in deltas:
                yield delta

    def _continued(self, bridge: tuple[int, ...] | str) -> Prompt:
        """The prompt with all that was written; as ids where every token told its own."""
        if all(token.ids or not token.text for token in self._tokens):
            written: str | tuple[int, ...] = tuple(id for token in self._tokens for id in token.ids)
        else:
            written = "".join(token.text for token in self._tokens)
        pieces = (*self._prompt.pieces, written, bridge)
        return replace(self._prompt, pieces=tuple(piece for piece in pieces if piece))

    async def _ids(self, text: str) -> tuple[int, ...]:
        if not isinstance(self._worker, Counts):
            return ()
        return tuple(await self._worker.tokenize(Prompt((text,), add_special=False)))

    def _opening(self) -> str:
        """The tag that the prompt opened, so that the ids of the reasoning are a whole block."""
        assert self._manner.family
        return f"{self._manner.family.start}\n"

    # ── the end ─────────────────────────────────────────────────────────────────────────────────────

    def _sampled(self) -> int:
        return sum(len(token.ids) or bool(token.text) for token in self._tokens)

    def _finished(self, end: Finished) -> Finished:
        thought = self._thoughts > 0
        end = replace(
            end,
            reason="tool_calls" if self._reader.calls and end.reason == "stop" else end.reason,
            reasoning_tokens=self._thoughts,
            answer_read_again=thought and not self._request.sampling.keep_reasoning,
        )
        if not self._bridged:
            return end
        prompt = self._prefill or Prefill(0, end.prompt_tokens - self._sampled() - self._bridged, 0)
        return replace(
            end,
            prompt_tokens=prompt.total,
            reused_tokens=prompt.reused,
            processed_tokens=prompt.total - prompt.reused + end.processed_tokens,
            completion_tokens=self._sampled(),
            predicted_ms=self._spent_ms,
        )
