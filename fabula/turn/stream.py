"""Run one turn: render, guard, stream. Knows no HTTP, no tree, and no engine beyond the Worker seam."""

from __future__ import annotations

import datetime
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from fabula.core.errors import ContextExceeded
from fabula.core.messages import Message
from fabula.core.seams import Guard, Watch
from fabula.core.stream import Delta, Finished, Loading, Prepared, Token
from fabula.core.worker import Counts, Pieces, Prompt, Worker, Workers
from fabula.prompt.assemble import assemble, render
from fabula.prompt.plan import NeedCounts
from fabula.prompt.template import ChatTemplate
from fabula.turn.request import TurnRequest

REPLY_SHARE = 4  # without a limit, a reply is promised this part of the context (and never more than half)


class CountCache(Protocol):
    """Token counts that are kept from turn to turn, by message and tokenizer."""

    async def recall(self, tokenizer: str, messages: tuple[Message, ...]) -> dict[str, int]: ...
    async def remember(
        self, tokenizer: str, messages: tuple[Message, ...], counts: Mapping[str, int]
    ) -> None: ...


class Turns:
    """Where every text that a person sees comes from."""

    def __init__(self, workers: Workers, guard: Guard, counts: CountCache):
        self._workers = workers
        self._guard = guard
        self._counts = counts

    async def stream(self, request: TurnRequest) -> AsyncGenerator[Delta, None]:
        """The deltas of one turn, ending with `Finished`. Closing the generator stops the engine.

        Raises Blocked, ContextExceeded, TemplateRefused, ModelNotFound, NoRoom or an EngineFailure.
        """
        started = time.perf_counter()
        said = _said(request)
        self._guard.judge(said, request.context)
        if not self._workers.is_loaded(request.model):
            yield Loading(request.model)
        async with self._workers.lease(request.model) as worker:
            prompt, cut = await self._prompt(request, worker)
            watch = self._guard.watch(said, request.context)
            known = _known(request, worker, cut)
            yield known
            deltas = _facts(worker.stream(prompt, request.sampling), known, started)
            async with aclosing(deltas):
                async for delta in _watched(deltas, watch):
                    yield delta

    async def _prompt(self, request: TurnRequest, worker: Worker) -> tuple[Prompt, int]:
        """The prompt and the number of messages that were cut to make it fit."""
        if request.prompt:
            return Prompt(request.prompt), 0
        model = worker.model
        template = ChatTemplate(
            model.chat_template,
            bos=model.bos_token,
            eos=model.eos_token,
            now=datetime.datetime.now().astimezone(),
        )
        if request.overflow == "refuse" or not isinstance(worker, Counts):
            pieces = render(
                request.messages, template, tokenizer=model.tokenizer, continues=request.continues
            )
            return Prompt(_without_bos(pieces, worker)), 0
        return await self._fitted(request, worker, worker, template)

    async def _fitted(
        self, request: TurnRequest, worker: Worker, counter: Counts, template: ChatTemplate
    ) -> tuple[Prompt, int]:
        """Cut to the context; the whole is tokenized at the end and checked once more."""
        context, tokenizer = worker.plan.context, worker.model.tokenizer
        room = min(request.sampling.max_tokens or context // REPLY_SHARE, context // 2)
        table = await self._counts.recall(tokenizer, request.messages)
        while True:
            plan = assemble(
                request.messages,
                template,
                table,
                context=context,
                reply_room=room,
                tokenizer=tokenizer,
                continues=request.continues,
            )
            if not isinstance(plan, NeedCounts):
                break
            fresh = dict(zip(plan.texts, await counter.count(plan.texts), strict=True))
            await self._counts.remember(tokenizer, request.messages, fresh)
            table |= fresh
        ids = await counter.tokenize(Prompt(_without_bos(plan.pieces, worker)))
        if len(ids) >= context:
            raise ContextExceeded(prompt_tokens=len(ids), context=context)
        return Prompt((tuple(ids),), add_special=False), plan.cut_messages


def _known(request: TurnRequest, worker: Worker, cut: int) -> Prepared:
    effective, ignored = worker.honours(request.sampling)
    return Prepared(
        engine=worker.engine,
        effective=effective | {"seed": request.sampling.seed},  # a random one is told at the end
        ignored=(*ignored, *request.ignored),
        cut_messages=cut,
    )


async def _facts(
    deltas: AsyncGenerator[Delta, None], known: Prepared, started: float
) -> AsyncGenerator[Delta, None]:
    """The worker's deltas, with what only the turn knows added to the last one."""
    first = 0.0
    async with aclosing(deltas):
        async for delta in deltas:
            if isinstance(delta, Token) and not first:
                first = (time.perf_counter() - started) * 1000
            if isinstance(delta, Finished):
                delta = replace(
                    delta,
                    engine=known.engine,
                    first_token_ms=first,
                    cut_messages=known.cut_messages,
                    effective=delta.effective or known.effective,
                    ignored=(*delta.ignored, *known.ignored),
                )
            yield delta


def _said(request: TurnRequest) -> tuple[Message, ...]:
    """What the guard reads: the messages, or the text of a raw prompt (ready token ids say nothing to it)."""
    text = "".join(piece for piece in request.prompt if isinstance(piece, str))
    return (*request.messages, Message(role="user", text=text)) if text else request.messages


async def _watched(deltas: AsyncIterator[Delta], watch: Watch) -> AsyncIterator[Delta]:
    """Only what the guard lets through, when it lets it through. Raises Blocked."""
    held: deque[Token] = deque()
    shown = ""  # let through, but not yet a whole token
    async for delta in deltas:
        if isinstance(delta, Token):
            held.append(delta)
            shown += watch.feed(delta.text)
        elif isinstance(delta, Finished):
            shown += watch.finish()
        while held and shown.startswith(held[0].text):
            shown = shown[len(held[0].text) :]
            yield held.popleft()
        if shown and not (held and held[0].text.startswith(shown)):  # the guard's own words
            yield Token(shown)
            held.clear()
            shown = ""
        if not isinstance(delta, Token):
            yield delta


def _without_bos(pieces: Pieces, worker: Worker) -> Pieces:
    """The engine adds its own BOS; a template that writes one as well would double it."""
    bos = worker.model.bos_token
    if worker.model.adds_bos and bos and pieces and isinstance(pieces[0], str):
        return (pieces[0].removeprefix(bos), *pieces[1:])
    return pieces
