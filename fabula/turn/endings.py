"""How a reply ends: at a loop, at a stop string that the engine missed, and with a word on the form that was
asked for. Knows only deltas.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, Finished, FinishReason, Prefill, Token
from fabula.turn import structure
from fabula.turn.loops import LoopWatch


def ended(deltas: AsyncGenerator[Delta, None], sampling: Sampling) -> AsyncGenerator[Delta, None]:
    """The worker's deltas; what was not asked for costs nothing per token."""
    if stops := [stop for stop in sampling.stop if stop]:
        deltas = _until_stop(deltas, stops)
    if sampling.loop_count:
        deltas = _until_loop(deltas, sampling)
    if sampling.json_schema or sampling.regex:
        deltas = _checked(deltas, sampling)
    return deltas


async def _until_stop(deltas: AsyncGenerator[Delta, None], stops: list[str]) -> AsyncGenerator[Delta, None]:
    """llama.cpp looks for a stop string only where its last token stands: it misses one whose end is in a
    token with the first bytes of a character, as in " 北", and then sends all that it held back in one piece.
    """
    ledger = _Ledger()
    async with aclosing(deltas):
        async for delta in deltas:
            ledger.note(delta)
            if isinstance(delta, Token) and len(delta.text) > 1:
                found = [(delta.text.index(stop), stop) for stop in stops if stop in delta.text]
                if found:
                    at, stop = min(found)
                    if at:
                        yield replace(delta, text=delta.text[:at], ids=())
                    yield replace(ledger.finished("stop"), stop_string=stop)
                    return
            yield delta


async def _until_loop(deltas: AsyncGenerator[Delta, None], sampling: Sampling) -> AsyncGenerator[Delta, None]:
    """Ends the stream, and with it the engine's work, when the reply only repeats itself."""
    watch, ledger = LoopWatch(sampling), _Ledger()
    async with aclosing(deltas):
        async for delta in deltas:
            ledger.note(delta)
            yield delta
            if isinstance(delta, Token) and watch.loops(delta.ids):
                yield ledger.finished("loop")
                return


async def _checked(deltas: AsyncGenerator[Delta, None], sampling: Sampling) -> AsyncGenerator[Delta, None]:
    text: list[str] = []
    async with aclosing(deltas):
        async for delta in deltas:
            if isinstance(delta, Token):
                text.append(delta.text)
            elif isinstance(delta, Finished):
                delta = replace(delta, form_problem=structure.problem(sampling, "".join(text)))
            yield delta


class _Ledger:
    """The figures of a stream that is ended from outside, where the engine tells none."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._first = 0.0
        self._prefill = Prefill(0, 0, 0)
        self._tokens = 0

    def note(self, delta: Delta) -> None:
        if isinstance(delta, Prefill):
            self._prefill = delta
        elif isinstance(delta, Token):
            self._first = self._first or time.perf_counter()
            self._tokens += len(delta.ids)

    def finished(self, reason: FinishReason) -> Finished:
        now = time.perf_counter()
        return Finished(
            reason=reason,
            prompt_tokens=self._prefill.total,
            reused_tokens=self._prefill.reused,
            processed_tokens=self._prefill.total - self._prefill.reused,
            completion_tokens=self._tokens,
            prompt_ms=(self._first - self._started) * 1000,
            predicted_ms=(now - self._first) * 1000,
        )
