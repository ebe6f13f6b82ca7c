"""Run one turn: render, guard, stream. Knows no HTTP, no tree, and no engine beyond the Worker seam."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from fabula.core.errors import ContextExceeded, SeesNoImages, WritesNoText
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.request import Context
from fabula.core.sampling import Sampling
from fabula.core.seams import Guard, Watch
from fabula.core.stream import Delta, Finished, Prepared, Thought, Token, ToolCallPart
from fabula.core.worker import Counts, Pieces, Prompt, Sees, Worker, Workers
from fabula.prompt.assemble import assemble, render
from fabula.prompt.infill import gap
from fabula.prompt.openings import openings
from fabula.prompt.plan import NeedCounts
from fabula.turn import bounds, conversing, structure
from fabula.turn.answers import read, sampled
from fabula.turn.endings import ended
from fabula.turn.manner import Manner, manner_of
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
        structure.check(request.sampling)
        said = _said(request)
        bounds.check(said)
        await self._judge(said, request.context)
        async with self._workers.place(request.model, request.wish) as place:
            async for news in place.steps():
                yield news
            worker = place.worker
            if worker.model.pooling:
                raise WritesNoText(worker.model.name)
            if request.prompt or request.overflow == "refuse":
                bounds.check_against(said, worker.plan.context)
            manner = _manner(request, worker)
            prompt, cut = await self._prompt(request, worker, manner)
            watch = self._guard.watch(said, request.context)
            known = _known(request, worker, manner, cut)
            yield known

            def ask(prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Delta, None]:
                return ended(worker.stream(prompt, sampling, request.context), sampling)

            facts, screen = _Facts(known, started), _Screen(watch)
            async with aclosing(read(ask, worker, prompt, request, manner)) as deltas:
                async for delta in deltas:
                    for shown in screen.through(facts.on(delta)):
                        yield shown

    async def _judge(self, said: tuple[Message, ...], context: Context) -> None:
        """Raises Blocked. Others are served meanwhile: a long text is judged beside the event loop."""
        if bounds.is_long(said):
            await asyncio.to_thread(self._guard.judge, said, context)
        else:
            self._guard.judge(said, context)

    async def _prompt(self, request: TurnRequest, worker: Worker, manner: Manner) -> tuple[Prompt, int]:
        """The prompt and the number of messages that were cut to make it fit."""
        if conversing.converses(worker) and not request.prompt:
            return await conversing.prompt(request, worker, manner.messages)
        if request.prompt:
            fills = request.suffix and worker.model.infill
            pieces = gap(request.prompt, request.suffix, worker.model.infill) if fills else request.prompt
            return Prompt(pieces), 0
        template, tokenizer = manner.template, worker.model.tokenizer
        images = tuple(image for message in manner.messages for image in message.images)
        if images and not (isinstance(worker, Sees) and worker.sees_images):
            raise SeesNoImages(worker.model.name)
        if request.overflow == "refuse" or images or not isinstance(worker, Counts):
            pieces = render(manner.messages, template, tokenizer=tokenizer, continues=request.continues)
            return Prompt(_without_bos(pieces, worker), openings=openings(template), images=images), 0
        return await self._fitted(request, worker, worker, manner)

    async def _fitted(
        self, request: TurnRequest, worker: Worker, counter: Counts, manner: Manner
    ) -> tuple[Prompt, int]:
        """Cut to the context; the whole is tokenized at the end and checked once more."""
        context, tokenizer, template = worker.plan.context, worker.model.tokenizer, manner.template
        room = min(request.sampling.max_tokens or context // REPLY_SHARE, context // 2)
        table = await self._counts.recall(tokenizer, request.messages)
        while True:
            plan = assemble(
                manner.messages,
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
        prompt = Prompt((tuple(ids),), add_special=False, openings=openings(template))
        return prompt, plan.cut_messages


def _manner(request: TurnRequest, worker: Worker) -> Manner:
    if conversing.converses(worker):
        return conversing.manner(request, worker.model)
    return manner_of(request, _model(request, worker), datetime.datetime.now().astimezone())


def _model(request: TurnRequest, worker: Worker) -> LocalModel:
    """The model, with the chat template that the request wishes."""
    wished = request.wish.options.chat_template
    return worker.model if wished is None else replace(worker.model, chat_template=wished)


def _known(request: TurnRequest, worker: Worker, manner: Manner, cut: int) -> Prepared:
    effective, ignored = worker.honours(sampled(request.sampling, manner))
    return Prepared(
        engine=worker.engine,
        effective=effective | {"seed": request.sampling.seed},  # a random one is told at the end
        ignored=(*ignored, *manner.ignored, *request.ignored),
        cut_messages=cut,
    )


class _Facts:
    """Adds to a worker's last delta what only the turn knows."""

    def __init__(self, known: Prepared, started: float) -> None:
        self._known, self._started = known, started
        self._first_ms = 0.0

    def on(self, delta: Delta) -> Delta:
        if not self._first_ms and isinstance(delta, Token | Thought) and delta.text:
            self._first_ms = (time.perf_counter() - self._started) * 1000
        if not isinstance(delta, Finished):
            return delta
        return replace(
            delta,
            engine=self._known.engine,
            first_token_ms=self._first_ms,
            cut_messages=self._known.cut_messages,
            effective=delta.effective or self._known.effective,
            ignored=(*delta.ignored, *self._known.ignored),
        )


def _said(request: TurnRequest) -> tuple[Message, ...]:
    """What the guard reads: the messages, or the text of a raw prompt (ready token ids say nothing to it)."""
    text = "".join(piece for piece in (*request.prompt, request.suffix) if isinstance(piece, str))
    return (*request.messages, Message(role="user", text=text)) if text else request.messages


Written = Token | Thought | ToolCallPart


class _Screen:
    """Lets through what the guard does, when it does; thoughts and tool calls too. Raises Blocked."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._held: deque[Written] = deque()
        self._passed = ""  # let through, but not yet a whole token

    def through(self, delta: Delta) -> Iterable[Delta]:
        if isinstance(delta, Written):
            text = _text_of(delta)
            passed = self._watch.feed(text)
            if passed == text and not self._held:
                return (delta,)  # nearly always
            self._held.append(delta)
            self._passed += passed
            return self._freed()
        if isinstance(delta, Finished):
            self._passed += self._watch.finish()
        return (*self._freed(), delta)

    def _freed(self) -> list[Delta]:
        """Held tokens whose whole text was let through; or the guard's own words instead of them."""
        freed: list[Delta] = []
        while self._held and self._passed.startswith(text := _text_of(self._held[0])):
            self._passed = self._passed[len(text) :]
            freed.append(self._held.popleft())
        if self._passed and not (self._held and _text_of(self._held[0]).startswith(self._passed)):
            freed.append(Token(self._passed))
            self._held.clear()
            self._passed = ""
        return freed


def _text_of(delta: Written) -> str:
    return delta.arguments if isinstance(delta, ToolCallPart) else delta.text


def _without_bos(pieces: Pieces, worker: Worker) -> Pieces:
    """The engine adds its own BOS; a template that writes one as well would double it."""
    bos = worker.model.bos_token
    if worker.model.adds_bos and bos and pieces and isinstance(pieces[0], str):
        return (pieces[0].removeprefix(bos), *pieces[1:])
    return pieces
