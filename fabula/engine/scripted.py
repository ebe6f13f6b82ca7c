"""A worker that plays a written script instead of a model, for tests and benches.

Knows no model and no process.
Its tokenization is fixed: every run of letters and digits, every run of white space and every other
character is one token (`\\w+|\\s+|[^\\w\\s]`), numbered from 1 in the order in which they first appear.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fabula.core.errors import ContextExceeded, EngineDied, FabulaError
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.request import ANYONE, Context
from fabula.core.sampling import NAMES, Sampling
from fabula.core.stream import Choice, Delta, Finished, FinishReason, Prefill, Token
from fabula.core.worker import Embedded, Judged, Prompt
from fabula.engine.sampling.needs import idle, in_force

PIECE = re.compile(r"\w+|\s+|[^\w\s]")
SEED = 42  # what `effective` tells when no seed was asked for
PREFILL_STEPS = 2
DIMENSIONS = 8  # of embeddings


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the script. `error` is raised before token number `fail_at` (0 = before the first)."""

    text: str
    delay_s: float = 0.0  # before each token
    error: FabulaError | None = None
    fail_at: int = 0


Script = Callable[[Prompt, Sampling], Reply | str]


class ScriptedWorker:
    """A Worker (and Counts, Spells) whose replies are given: a list played round and round, or a function.
    With a model that embeds or judges it does that too.

    What was asked is kept in `prompts`, `samplings` and `contexts`; `stopped` counts the streams left early.
    """

    model: LocalModel
    plan: Plan
    engine = "scripted"

    def __init__(
        self,
        script: Sequence[Reply | str] | Script = ("Hello there, traveller.",),
        *,
        load_delay_s: float = 0.0,
        load_error: FabulaError | None = None,
    ) -> None:
        self._script = script if callable(script) else _round_and_round(script)
        self._load_delay_s = load_delay_s
        self._load_error = load_error
        self._ids: dict[str, int] = {}
        self._seen: list[int] = []
        self._death = asyncio.Event()
        self.pid = 0
        self.loads = 0
        self.stopped = 0
        self.prompts: list[Prompt] = []
        self.samplings: list[Sampling] = []
        self.contexts: list[Context] = []

    async def load(self, model: LocalModel, plan: Plan) -> None:
        self.model, self.plan = model, plan
        self.loads += 1
        self.sees_images = bool(model.projector)
        if (how := plan.options.pooling or model.pooling) == "rank":
            self.rerank = self._judged
        elif how:
            self.embed = self._embedded
        await asyncio.sleep(self._load_delay_s)
        if self._load_error:
            raise self._load_error

    async def close(self) -> None:
        self._death.set()

    def die(self) -> None:
        """As if the engine's process had been killed: running streams raise EngineDied."""
        self._death.set()

    @property
    def alive(self) -> bool:
        return not self._death.is_set()

    async def gone(self) -> None:
        await self._death.wait()

    def honours(self, sampling: Sampling) -> tuple[dict[str, Any], tuple[str, ...]]:
        seed = SEED if sampling.seed is None else sampling.seed
        # JSON has no infinity; `Sampling.of` reads this back.
        bias = [[token, "-inf" if bias == -math.inf else bias] for token, bias in sampling.logit_bias]
        used = in_force(sampling, NAMES) | {"seed": seed} | ({"logit_bias": bias} if bias else {})
        return used, idle(sampling)

    async def tokenize(self, prompt: Prompt) -> list[int]:
        ready = (self.ids(piece) if isinstance(piece, str) else piece for piece in prompt.pieces)
        return [id for ids in ready for id in ids]

    async def count(self, texts: Sequence[str]) -> list[int]:
        return [len(PIECE.findall(text)) for text in texts]

    async def spelled(self, prompt: Prompt, *, parse_special: bool = True) -> list[tuple[int, bytes]]:
        pieces = {id: piece for piece, id in self._ids.items()}
        return [(id, pieces.get(id, "").encode()) for id in await self.tokenize(prompt)]

    async def detokenize(self, ids: Sequence[int]) -> str:
        pieces = {id: piece for piece, id in self._ids.items()}
        return "".join(pieces.get(id, "") for id in ids)

    async def _embedded(self, texts: Sequence[str | tuple[int, ...]]) -> Embedded:
        """A text's vector counts its tokens by the remainder of their ids."""
        read = [self.ids(text) if isinstance(text, str) else list(text) for text in texts]
        return Embedded(tuple(_vector(ids) for ids in read), sum(map(len, read)))

    async def _judged(self, query: str, documents: Sequence[str]) -> Judged:
        """A document's score is the number of the query's tokens in it."""
        asked = set(self.ids(query))
        read = [self.ids(document) for document in documents]
        scores = tuple(float(sum(id in asked for id in ids)) for ids in read)
        return Judged(scores, sum(map(len, read)))

    def ids(self, text: str) -> list[int]:
        return [self._ids.setdefault(piece, len(self._ids) + 1) for piece in PIECE.findall(text)]

    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: Context = ANYONE
    ) -> AsyncGenerator[Delta, None]:
        self.prompts.append(prompt)
        self.samplings.append(sampling)
        self.contexts.append(context)
        try:
            async for delta in self._play(prompt, sampling):
                yield delta
        except (GeneratorExit, asyncio.CancelledError):
            self.stopped += 1
            raise

    async def _play(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Delta, None]:
        asked = await self.tokenize(prompt)
        if len(asked) >= self.plan.context:
            raise ContextExceeded(len(asked), self.plan.context)
        reused = _shared_prefix(self._seen, asked)
        for prefill in _prefill(reused, len(asked)):
            yield prefill
        outcome = self._script(prompt, sampling)
        reply = Reply(outcome) if isinstance(outcome, str) else outcome
        text, stop_string = _cut(reply.text, sampling.stop)
        room = min(sampling.max_tokens or self.plan.context, self.plan.context - len(asked))
        pieces = PIECE.findall(text)
        started = time.monotonic()
        for number, piece in enumerate(pieces[:room]):
            await self._wait(reply, number)
            yield self._token(piece, sampling)
        self._fail(reply, min(len(pieces), room))
        self._seen = asked + self.ids("".join(pieces[:room]))
        reason: FinishReason = "length" if len(pieces) > room else "stop"
        effective, _ = self.honours(sampling)
        yield Finished(
            reason=reason,
            prompt_tokens=len(asked),
            reused_tokens=reused,
            processed_tokens=len(asked) - reused,
            cache="slot" if reused else "none",
            completion_tokens=min(len(pieces), room),
            prompt_ms=1.0,
            predicted_ms=(time.monotonic() - started) * 1000,
            stop_string=stop_string if reason == "stop" else "",
            engine=self.engine,
            effective=effective,
        )

    async def _wait(self, reply: Reply, number: int) -> None:
        if reply.delay_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._death.wait(), reply.delay_s)
        else:
            await asyncio.sleep(0)
        self._fail(reply, number)
        if self._death.is_set():
            raise EngineDied(self.model.name, "the engine was killed (SIGKILL)")

    def _fail(self, reply: Reply, number: int) -> None:
        if reply.error and number >= reply.fail_at:
            raise reply.error

    def _token(self, piece: str, sampling: Sampling) -> Token:
        (id,) = self.ids(piece)
        if sampling.logprobs is None:
            return Token(piece, (id,))
        choice = Choice(id, piece, -0.25, tuple(piece.encode()))
        other = dataclasses.replace(choice, id=0, text="�", logprob=-1.5, bytes=())
        return Token(piece, (id,), choice, (choice, other)[: sampling.logprobs])


def _vector(ids: Sequence[int]) -> tuple[float, ...]:
    counts = [sum(id % DIMENSIONS == place for id in ids) for place in range(DIMENSIONS)]
    length = math.sqrt(sum(count * count for count in counts)) or 1.0
    return tuple(count / length for count in counts)


def _round_and_round(replies: Sequence[Reply | str]) -> Script:
    def endless() -> Iterator[Reply | str]:
        while True:
            yield from replies

    turns = endless()
    return lambda prompt, sampling: next(turns)


def _shared_prefix(before: list[int], now: list[int]) -> int:
    """How many tokens the cache holds; the last one of a prompt is always processed, as in a real engine."""
    for index, (old, new) in enumerate(zip(before, now[:-1], strict=False)):
        if old != new:
            return index
    return max(0, min(len(before), len(now) - 1))


def _prefill(reused: int, total: int) -> Iterator[Prefill]:
    for step in range(1, PREFILL_STEPS + 1):
        yield Prefill(reused + (total - reused) * step // PREFILL_STEPS, total, reused)


def _cut(text: str, stops: tuple[str, ...]) -> tuple[str, str]:
    """The text before the first stop string, and that string."""
    found = [(text.index(stop), stop) for stop in stops if stop and stop in text]
    if not found:
        return text, ""
    at, stop = min(found)
    return text[:at], stop
