"""Write a reply without what is banned, on a server that only goes forward. Knows no connection, no slot.

On a match the stream is closed, the token in which it begins is asked for once more without its id, and the
rest is streamed from there: two requests, each of which reads one token, since the prompt and all that stands
are still in the slot. What the engine begins anew at each request, measured:

- its random numbers: the same seed would give the same number again, so each request has another one;
- stop strings: it would not see one that begins before the cut, so `Draft` looks for them;
- mirostat's and adaptive-p's running state: told as a note;
- a grammar: it would begin at its root, so forms are refused (`wire.check`). One that a trigger starts is
  none yet where bans still hold.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from fabula.core.errors import ContextExceeded
from fabula.core.sampling import SEED_LIMIT, Sampling
from fabula.core.stream import Delta, Finished, FinishReason, Prefill, Rewrites, Token
from fabula.core.worker import Prompt
from fabula.engine.bans.draft import Draft, Verdict
from fabula.engine.bans.matcher import Bans
from fabula.engine.llamacpp.reading import Reader, single

PARTS = 4  # tokens that one character may have
BROKEN = "\ufffd"  # what stands for a part of a character


@dataclass(frozen=True, slots=True)
class Asks:
    """How the engine is asked: a request that is streamed, one that is not, the text of tokens."""

    read: Callable[[dict[str, Any], Reader], AsyncGenerator[Delta, None]]
    answer: Callable[[dict[str, Any]], Awaitable[Any]]
    detokenize: Callable[[Sequence[int]], Awaitable[str]]


async def bans_of(sampling: Sampling) -> Bans | None:
    """What is banned, compiled; None when nothing is. Raises BadParameter."""
    if not (sampling.banned_strings or sampling.banned_regexes):
        return None
    bans = await asyncio.to_thread(Bans.of, sampling.banned_strings, sampling.banned_regexes)
    return None if bans.empty else bans


def rewritten(
    asks: Asks,
    name: str,
    body: dict[str, Any],
    prompt: Prompt,
    sampling: Sampling,
    bans: Bans,
    one_way: bool,
) -> AsyncGenerator[Delta, None]:
    """The reply that `body` asks for, without what is banned."""
    draft = Draft(bans, stops=sampling.stop, marks=prompt.shown, triggers=prompt.triggers)
    begun_anew = {
        "mirostat": bool(sampling.mirostat),
        "adaptive_p": bool(sampling.adaptive_target),
        "no_way_back": one_way,
    }
    notes = [note for note, holds in begun_anew.items() if holds]
    return Rewriting(asks, name, body | {"stop": []}, draft, logprobs=sampling.logprobs, notes=notes).deltas()


@dataclass(slots=True)
class _Ledger:
    """The figures of a reply that several requests have made."""

    started: float
    first: float = 0.0
    prefill: Prefill | None = None
    requests: int = 0
    reread_tokens: int = 0
    before: int = 0  # tokens that stood when the last request was made
    engine: Finished | None = None  # of the last request, where it was not closed


class Rewriting:
    """`body` is the request as it would be sent without bans, but for its stop strings.

    `notes` are told when something was taken back.
    """

    def __init__(
        self,
        engine: Asks,
        name: str,
        body: dict[str, Any],
        draft: Draft,
        *,
        logprobs: int | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self._engine, self._name, self._draft = engine, name, draft
        self._body = body
        self._limit: int = body["n_predict"]
        self._logprobs, self._notes = logprobs, tuple(notes)
        self._ledger = _Ledger(time.perf_counter())
        self._over = False
        self._went_back = False  # of that place one token is asked for, whose id is told in any case
        self._reason: FinishReason = "stop"

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        """What may be shown, as soon as it may; nothing of it is ever taken back."""
        while not self._over:
            part = self._replaced() if self._went_back else self._streamed()
            async with aclosing(part) as deltas:
                async for delta in deltas:
                    yield delta
        for token in self._draft.ready(all=True):
            yield token
        yield self._finished()

    # ── requests ────────────────────────────────────────────────────────────────────────────────────

    async def _streamed(self) -> AsyncGenerator[Delta, None]:
        """From what stands on, until something has to be taken back or the reply ends."""
        reader = Reader(self._name, logprobs=self._logprobs)
        self._ledger.engine = None
        try:
            async with aclosing(self._engine.read(self._next(), reader)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, Token):
                        self._ledger.first = self._ledger.first or time.perf_counter()
                        verdict = self._draft.add(delta)
                        for token in self._shown(verdict):
                            yield token
                        if verdict != "on":
                            return
                    elif isinstance(delta, Finished):
                        self._ledger.engine = delta
                        self._end(delta.reason)
                    elif isinstance(delta, Prefill) and self._first_reading(delta):
                        yield delta
        except ContextExceeded:
            if self._ledger.requests == 1:
                raise
            self._end("length")  # what stands fills the context

    async def _replaced(self) -> AsyncGenerator[Delta, None]:
        """One token at the place where a match began, other than those that began one."""
        forbidden = [[id, False] for id in sorted(self._draft.forbidden)]
        self._ledger.engine = None
        try:
            answer = await self._single(forbidden, ())
            if answer.get("stop_type") == "eos":
                self._end("stop")
                return
            token = await self._whole(single(answer, self._logprobs))
        except ContextExceeded:
            self._end("length")
            return
        for shown in self._shown(self._draft.add(token)):
            yield shown
        if not self._over and self._left() == 0:
            self._end("length")

    async def _single(self, forbidden: list[list[Any]], more: tuple[int, ...]) -> dict[str, Any]:
        body = self._next(more)
        alone = {"n_predict": 1, "stream": False, "logit_bias": [*body["logit_bias"], *forbidden]}
        answer: dict[str, Any] = await self._engine.answer(body | alone)
        self._ledger.reread_tokens += answer["timings"]["prompt_n"]
        return answer

    async def _whole(self, token: Token) -> Token:
        """With the rest of its character, where it is only a part of one."""
        if token.text and BROKEN not in token.text:
            return token
        ids, text = token.ids, await self._engine.detokenize(token.ids)
        if not token.text and BROKEN not in text:
            return token  # a special token, which has no text that is shown
        while text.endswith(BROKEN) and len(ids) < PARTS:
            answer = await self._single([], ids)
            if answer.get("stop_type") == "eos":
                break
            ids = (*ids, *single(answer, None).ids)
            text = await self._engine.detokenize(ids)
        return replace(token, text=text, ids=ids)

    def _next(self, more: tuple[int, ...] = ()) -> dict[str, Any]:
        """The request for what follows all that stands."""
        seed = (self._body["seed"] + self._ledger.requests) % SEED_LIMIT
        self._ledger.requests += 1
        self._ledger.before = self._written()
        return self._body | {"prompt": self._prompt(more), "n_predict": self._left(), "seed": seed}

    def _prompt(self, more: tuple[int, ...]) -> Any:
        prompt, tokens = self._body["prompt"], self._draft.tokens
        if isinstance(prompt, dict):  # with images it is one text
            return prompt | {"prompt_string": prompt["prompt_string"] + "".join(t.text for t in tokens)}
        flat = [prompt] if isinstance(prompt, str) else list(prompt)
        for token in tokens:
            flat += token.ids or ([token.text] if token.text else [])
        return [*flat, *more]

    def _left(self) -> int:
        """Tokens that may still be written; −1 = as many as there is room for."""
        return self._limit if self._limit < 0 else max(0, self._limit - self._written())

    def _written(self) -> int:
        return sum(len(token.ids) or bool(token.text) for token in self._draft.tokens)

    # ── what comes of it ────────────────────────────────────────────────────────────────────────────

    def _shown(self, verdict: Verdict) -> list[Token]:
        self._went_back = verdict == "back"
        if verdict == "stop":
            self._over, self._reason = True, "stop"
            return []
        return self._draft.ready()

    def _end(self, reason: FinishReason) -> None:
        """Nothing follows, unless that makes the end of the text a match."""
        self._went_back = self._draft.finish() == "back"
        self._over, self._reason = not self._went_back, reason

    def _first_reading(self, delta: Prefill) -> bool:
        if self._ledger.requests == 1:
            self._ledger.prefill = delta
            return True
        if delta.processed == delta.total:
            self._ledger.reread_tokens += delta.total - delta.reused
        return False

    def _finished(self) -> Finished:
        ledger, draft = self._ledger, self._draft
        told = Rewrites(
            count=draft.rewrites,
            wasted_tokens=draft.wasted_tokens,
            reread_tokens=ledger.reread_tokens,
            unavoided=draft.unavoided,
            notes=(*(self._notes if draft.rewrites else ()), *(["slow_regex"] if draft.too_slow else [])),
        )
        if ledger.engine and ledger.requests == 1:
            return replace(ledger.engine, bans=told)
        now = time.perf_counter()
        first = ledger.first or now
        read = ledger.prefill or Prefill(0, 0, 0)
        return Finished(
            reason=self._reason,
            prompt_tokens=read.total,
            reused_tokens=read.reused,
            processed_tokens=read.total - read.reused,
            completion_tokens=ledger.before + ledger.engine.completion_tokens
            if ledger.engine  # it also counts parts of a character that never became one
            else self._written(),
            prompt_ms=(first - ledger.started) * 1000,
            predicted_ms=(now - first) * 1000,
            stop_string=draft.stop_string,
            effective={},
            bans=told,
        )
