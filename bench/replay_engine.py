"""The same prompts on the real engine: what it keeps of them, and how long until the first token.

Each layout of a chat has a slot of its own, as two chats have in the studio.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from fabula.core.request import Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Token
from fabula.core.worker import Prompt
from fabula.engine.llamacpp.worker import LlamaCppWorker

ONE_TOKEN = Sampling(max_tokens=1, temperature=0, ignore_eos=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one prompt: tokens as the engine tells them, milliseconds by the reader's clock."""

    reused: int
    processed: int
    first_token_ms: float
    cache_reason: str


class Slot:
    """One chat on one engine. At `openings` engines that cannot go back keep a checkpoint."""

    def __init__(self, worker: LlamaCppWorker, chat: str, openings: Sequence[str] = ()) -> None:
        self._worker = worker
        self._context = Context(chat_id=chat, purpose="chat")
        self._openings = tuple(openings)

    async def ask(self, ids: tuple[int, ...]) -> Answer:
        """The prompt, and one token of an answer."""
        prompt = Prompt((ids,), add_special=False, openings=self._openings)
        began, first, told = time.perf_counter(), 0.0, None
        async for delta in self._worker.stream(prompt, ONE_TOKEN, self._context):
            if isinstance(delta, Finished):
                told = delta
            if isinstance(delta, Finished | Token):
                first = first or time.perf_counter() - began
        assert told is not None  # every stream that did not fail ends with it
        return Answer(told.reused_tokens, told.processed_tokens, first * 1000, told.cache_reason)

    async def hold(self, ids: tuple[int, ...]) -> None:
        """Be where an engine is that has read or written this: what it samples now is never read."""
        await self.ask(ids)
