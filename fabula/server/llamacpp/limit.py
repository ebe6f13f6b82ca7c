"""A limit of time on writing, as llama.cpp's `t_max_predict_ms`. Knows no wire format."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fabula.core.stream import Delta, Finished, Prefill, Prepared, Token
from fabula.server.stopping import Turn


async def limited(turn: Turn, limit_ms: float) -> AsyncGenerator[Delta, None]:
    """The same deltas; once a line was written, the reply ends `limit_ms` after its first token."""
    watch = _Watch(limit_ms)
    async with aclosing(turn):
        async for delta in turn:
            watch.follow(delta)
            yield delta
            if watch.is_over:
                break
        else:
            return
    yield watch.end()


class _Watch:
    """What is needed to tell the end of a reply that the engine did not end."""

    def __init__(self, limit_ms: float) -> None:
        self._limit_ms, self._began = limit_ms, time.perf_counter()
        self._first = self._written = 0.0
        self._has_line = self._ended = False
        self._read = Prefill(0, 0, 0)
        self._known = Prepared(engine="", effective={})

    def follow(self, delta: Delta) -> None:
        if isinstance(delta, Token):
            self._first = self._first or time.perf_counter()
            self._written += len(delta.ids)
            self._has_line = self._has_line or "\n" in delta.text
        elif isinstance(delta, Prefill):
            self._read = delta
        elif isinstance(delta, Prepared):
            self._known = delta
        elif isinstance(delta, Finished):
            self._ended = True

    @property
    def is_over(self) -> bool:
        return self._has_line and not self._ended and self._past_ms() >= self._limit_ms

    def _past_ms(self) -> float:
        return (time.perf_counter() - self._first) * 1000

    def end(self) -> Finished:
        first_ms = (self._first - self._began) * 1000
        return Finished(
            reason="length",
            prompt_tokens=self._read.total,
            reused_tokens=self._read.reused,
            processed_tokens=self._read.total - self._read.reused,
            completion_tokens=int(self._written),
            prompt_ms=first_ms,
            predicted_ms=self._past_ms(),
            first_token_ms=first_ms,
            engine=self._known.engine,
            effective=self._known.effective,
            ignored=self._known.ignored,
            exact=self._known.exact,
        )
