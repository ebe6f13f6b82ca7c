"""Run one turn: render, guard, stream. Knows no HTTP, no tree, and no engine beyond the Worker seam."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fabula.core.errors import SeesNoImages, WritesNoText
from fabula.core.load import Wish
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.request import Context
from fabula.core.sampling import Sampling
from fabula.core.scoring import Outlook
from fabula.core.seams import Guard, Watch
from fabula.core.stream import Delta, Exactness, Finished, Prefill, Prepared, Thought, Token, ToolCallPart
from fabula.core.worker import Counts, Place, Prompt, Sees, TellsExactness, Worker, Workers
from fabula.engine.reload import settled_by, unmet
from fabula.models.derived import Derived
from fabula.prompt.assemble import render
from fabula.prompt.infill import gap
from fabula.prompt.openings import openings
from fabula.turn import bounds, conversing, cutting, foresight, structure, telling, writing
from fabula.turn.answers import read, sampled
from fabula.turn.deriving import resolved
from fabula.turn.endings import ended
from fabula.turn.looking import Looked, look, planned
from fabula.turn.manner import Manner, manner_of
from fabula.turn.request import TurnRequest
from fabula.turn.telling import CountCache, Laid, Telling
from fabula.turn.whole import size, whole, without_bos
from fabula.turn.writing import LaidPassage, PassageRequest


@dataclass(frozen=True, slots=True)
class _Made:
    """A prompt, the number of messages that were cut to make it fit, and of a story how it was laid out."""

    prompt: Prompt
    cut: int = 0
    laid: Laid | LaidPassage | None = None
    manner: Manner | None = None  # where only the finished prompt tells it
    cut_tokens: int = 0  # of a raw prompt


class Turns:
    """Where every text that a person sees comes from."""

    def __init__(self, workers: Workers, guard: Guard, counts: CountCache):
        self._workers = workers
        self._guard = guard
        self._counts = counts
        self.derived: Callable[[str], Derived | None] = lambda name: None
        self.on_finished: Callable[[TurnRequest, Finished], None] = lambda request, end: None

    async def stream(self, request: TurnRequest) -> AsyncGenerator[Delta, None]:
        """The deltas of one turn, ending with `Finished`. Closing the generator stops the engine.

        Raises Blocked, ContextExceeded, TemplateRefused, ModelNotFound, NoRoom or an EngineFailure.
        """
        started = time.perf_counter()
        request = self._resolved(request)
        structure.check(request.sampling)
        said = _said(request)
        bounds.check(said)
        await self._judge(said, request.context)
        async with self._workers.place(request.model, _wish(request)) as place:
            async for news in place.steps():
                yield news
            worker = place.worker
            _check(request, said, worker)
            manner = _manner(request, worker)
            made = await self._prompt(request, worker, manner)
            request, manner = _ending(request, made), made.manner or manner
            watch = await self._watch(made.laid.prompt.messages if made.laid else said, request.context)
            known = _known(request, worker, manner, made, _exactness(place))
            if request.tells_ids:
                known = replace(known, prompt_ids=await _ids(made.prompt, worker))
            request = _seeded(request, known)
            yield known

            def ask(prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Delta, None]:
                return ended(worker.stream(prompt, sampling, request.context), sampling)

            facts = _Facts(known, started, partial(self.on_finished, request), request.unasked)
            screen = _Screen(watch)
            try:
                for shown in screen.opened(_begins(made)):
                    yield shown
                async with aclosing(read(ask, worker, made.prompt, request, manner)) as deltas:
                    async for delta in deltas:
                        for shown in screen.through(facts.on(delta)):
                            yield shown
                        if request.stop.asked and not facts.are_whole:
                            for shown in screen.through(facts.so_far()):
                                yield shown
                            break
            finally:
                if meter := request.context.caller.meter:
                    meter.used(worker.model.name, facts.tokens)

    async def look(self, request: TurnRequest) -> Looked:
        """The prompt that a request would get, and why; the model is loaded for it, as it has to count.

        Raises ContextExceeded, TemplateRefused, ModelNotFound, NoRoom or an EngineFailure.
        """
        request = self._resolved(request)
        async with self._workers.place(request.model, request.wish) as place:
            async for _ in place.steps():
                pass
            worker = place.worker
            if isinstance(request, PassageRequest):
                return await writing.look(request, worker, _manner(request, worker), self._counts)
            return await look(request, worker, _manner(request, worker), self._counts)

    async def foresee(self, request: TurnRequest) -> Outlook:
        """What may come next after the prompt of a request, before any sampler; nothing is written.

        Raises NoOutlook where the engine tells no probabilities, and what `stream` raises.
        """
        request = self._resolved(request)
        said = _said(request)
        bounds.check(said)
        await self._judge(said, request.context)
        async with self._workers.place(request.model, foresight.wish(request)) as place:
            async for _ in place.steps():
                pass
            worker = place.worker
            bounds.check_tokens(request.sampling, worker.model)
            made = await self._prompt(request, worker, _manner(request, worker))
            return await foresight.outlook(worker, made.prompt, request.sampling, request.context)

    async def count(self, request: TurnRequest) -> int:
        """Tokens of the prompt that a request would get, its images apart, also where it does not fit; the
        model is loaded for it.

        Raises CannotTokenize, TemplateRefused, ModelNotFound, NoRoom or an EngineFailure.
        """
        request = self._resolved(request)
        bounds.check(_said(request))
        async with self._workers.place(request.model, request.wish) as place:
            async for _ in place.steps():
                pass
            worker = place.worker
            made = await self._prompt(request, worker, _manner(request, worker))
            return await size(made.prompt, worker)

    def _resolved(self, request: TurnRequest) -> TurnRequest:
        told = self.derived(request.model)
        return resolved(request, told) if told else request

    async def _judge(self, said: tuple[Message, ...], context: Context) -> None:
        """Raises Blocked. Others are served meanwhile: a long text is judged beside the event loop."""
        if bounds.is_long(said):
            await asyncio.to_thread(self._guard.judge, said, context)
        else:
            self._guard.judge(said, context)

    async def _watch(self, said: tuple[Message, ...], context: Context) -> Watch:
        """The same holds for hearing what the reply follows."""
        if bounds.is_long(said):
            return await asyncio.to_thread(self._guard.watch, said, context)
        return self._guard.watch(said, context)

    async def _prompt(self, request: TurnRequest, worker: Worker, manner: Manner) -> _Made:
        if isinstance(request, PassageRequest):
            return await self._passage(request, worker, manner)
        if request.story:
            return await self._told(request.story, request, worker, manner)
        if conversing.converses(worker) and not request.prompt:
            return _Made(*await conversing.prompt(request, worker, manner.messages))
        if request.prompt:
            return await self._raw(request, worker)
        template, tokenizer = manner.template, worker.model.tokenizer
        images = tuple(image for message in manner.messages for image in message.images)
        _visible(images, worker)
        if request.overflow == "refuse" or images or not isinstance(worker, Counts):
            pieces = render(manner.messages, template, tokenizer=tokenizer, continues=request.continues)
            return _Made(Prompt(without_bos(pieces, worker), openings=openings(template), images=images))
        plan = await planned(request, worker, worker, manner, self._counts)
        return _Made(await whole(plan.pieces, worker, worker, template), plan.cut_messages)

    async def _raw(self, request: TurnRequest, worker: Worker) -> _Made:
        images = _visible(request.images, worker)
        fills = request.suffix and worker.model.infill and not images
        literal = bool(fills) or request.literal
        if request.overflow == "cut" and not (literal or images) and isinstance(worker, Counts):
            prompt, cut = await cutting.fitting(request, worker, worker.plan.context)
            return _Made(prompt, cut_tokens=cut)
        pieces = cutting.headed(request)
        filled = gap(pieces, request.suffix, worker.model.infill) if fills else pieces
        return _Made(Prompt(filled, literal=literal, images=images))

    async def _told(self, story: Telling, request: TurnRequest, worker: Worker, manner: Manner) -> _Made:
        """What the model will read is judged too: a card and its lore are texts of strangers."""
        laid = await telling.lay(story, request, worker, manner, self._counts)
        await self._judge(laid.prompt.messages, request.context)
        prompt = await telling.sent(laid, request, worker, manner)
        await story.keep(laid)
        return _Made(prompt, laid.prompt.plan.cut_messages, laid)

    async def _passage(self, request: PassageRequest, worker: Worker, manner: Manner) -> _Made:
        """A passage of a novel; whether it lengthens the model's own turn is known when it is laid out."""
        made = await writing.lay(request.writing, worker, request, manner.template, self._counts)
        await self._judge(made.prompt.messages, request.context)
        prompt = await writing.sent(made, worker, manner.template)
        await request.writing.keep(made)
        return _Made(prompt, 0, made, _passage_manner(request, worker, continues=made.prompt.continues))


def _check(request: TurnRequest, said: tuple[Message, ...], worker: Worker) -> None:
    """Raises WritesNoText, BadParameter or ContextExceeded."""
    if worker.model.pooling:
        raise WritesNoText(worker.model.name)
    bounds.check_tokens(request.sampling, worker.model)
    if request.overflow == "refuse":
        bounds.check_against(said, worker.plan.context)


def _visible(images: tuple[bytes, ...], worker: Worker) -> tuple[bytes, ...]:
    """The same, for a worker that sees them. Raises SeesNoImages."""
    if images and not (isinstance(worker, Sees) and worker.sees_images):
        raise SeesNoImages(worker.model.name)
    return images


async def _ids(prompt: Prompt, worker: Worker) -> tuple[int, ...]:
    """Of the whole prompt, where it has nothing but tokens."""
    if prompt.images or prompt.conversation or not isinstance(worker, Counts):
        return ()
    return tuple(await worker.tokenize(prompt))


def _manner(request: TurnRequest, worker: Worker) -> Manner:
    if conversing.converses(worker):
        return conversing.manner(request, worker.model)
    if isinstance(request, PassageRequest):
        return _passage_manner(request, worker, continues=False)
    if request.story:
        return telling.manner(request, _model(request, worker), datetime.datetime.now().astimezone())
    return manner_of(request, _model(request, worker), datetime.datetime.now().astimezone())


def _passage_manner(request: PassageRequest, worker: Worker, *, continues: bool) -> Manner:
    if conversing.converses(worker):
        return conversing.manner(request, worker.model)
    now = datetime.datetime.now().astimezone()
    return writing.manner(request, worker, _model(request, worker), now, continues=continues)


def _model(request: TurnRequest, worker: Worker) -> LocalModel:
    """The model, with the chat template that the request wishes."""
    wished = request.wish.options.chat_template
    return worker.model if wished is None else replace(worker.model, chat_template=wished)


def _ending(request: TurnRequest, made: _Made) -> TurnRequest:
    """With the texts at which a reply to this prompt ends too."""
    if not (made.laid and not isinstance(made.laid, LaidPassage) and made.laid.stops):
        return request
    stops = tuple(dict.fromkeys((*request.sampling.stop, *made.laid.stops)))
    return replace(request, sampling=replace(request.sampling, stop=stops))


def _wish(request: TurnRequest) -> Wish:
    """With what is to be written with, so that an engine can be chosen that honours it; one that sees images
    is never given up for that."""
    sees = bool(request.images) or any(message.images for message in request.messages)
    return request.wish if sees else replace(request.wish, sampling=request.sampling)


def _exactness(place: Place) -> Exactness | None:
    return place.exactness if isinstance(place, TellsExactness) else None


def _known(
    request: TurnRequest, worker: Worker, manner: Manner, made: _Made, exactness: Exactness | None
) -> Prepared:
    effective, ignored = worker.honours(sampled(request.sampling, manner))
    return Prepared(
        engine=worker.engine,
        effective=effective,
        ignored=(
            *_heard(ignored, request.unasked),
            *manner.ignored,
            *request.ignored,
            *_unmet(request, worker),
        ),
        cut_messages=made.cut,
        cut_tokens=made.cut_tokens,
        story=_laid_facts(made.laid) if made.laid else None,
        exact=exactness.facts() if exactness else None,
    )


def _unmet(request: TurnRequest, worker: Worker) -> Iterable[str]:
    """What was wished of the load, and is not worth one."""
    return (f"load.{name}" for name in unmet(worker.plan, request.wish.options, settled_by(worker)))


def _seeded(request: TurnRequest, known: Prepared) -> TurnRequest:
    """With the seed that the worker has chosen, where it takes one: it is known then however the reply ends,
    and is the same where the reply is asked for in two parts."""
    seed = known.effective.get("seed")
    if seed is None:
        return request
    unasked = request.unasked | (frozenset({"seed"}) if request.sampling.seed is None else frozenset())
    return replace(request, sampling=replace(request.sampling, seed=seed), unasked=unasked)


def _heard(ignored: Iterable[str], unasked: frozenset[str]) -> Iterable[str]:
    return (name for name in ignored if name not in unasked)


def _begins(made: _Made) -> str:
    """How the reply begins without the model: it is shown and kept as a part of it."""
    return made.laid.begins if isinstance(made.laid, Laid) else ""


def _laid_facts(laid: Laid | LaidPassage) -> dict[str, Any]:
    return laid.facts() if isinstance(laid, LaidPassage) else telling.facts(laid)


NOTHING_READ = Prefill(0, 0, 0)


class _Facts:
    """Adds to a worker's last delta what only the turn knows."""

    def __init__(
        self, known: Prepared, started: float, tell: Callable[[Finished], None], unasked: frozenset[str]
    ) -> None:
        self._known, self._started, self._tell = known, started, tell
        self._unasked = unasked  # a server may refuse them
        self._read = NOTHING_READ
        self._first_ms = 0.0
        self._thoughts = 0
        self.tokens = 0  # of prompt and reply; of a reply that was broken off, what came of it
        self.are_whole = False

    def on(self, delta: Delta) -> Delta:
        if isinstance(delta, Token):  # asked first: nearly all are
            self.tokens += len(delta.ids) or 1
            if not self._first_ms and delta.text:
                self._first_ms = (time.perf_counter() - self._started) * 1000
        elif isinstance(delta, Finished):
            return self._at_end(delta)
        else:
            self._on_others(delta)
        return delta

    def _on_others(self, delta: Delta) -> None:
        if isinstance(delta, Prefill):
            self._read = delta
        elif isinstance(delta, Thought):
            self.tokens += len(delta.ids) or 1
            self._thoughts += len(delta.ids) or 1
            if not self._first_ms and delta.text:
                self._first_ms = (time.perf_counter() - self._started) * 1000
        elif isinstance(delta, ToolCallPart):
            self.tokens += 1

    def so_far(self) -> Finished:
        """The end of a reply that is ended from outside."""
        return self._at_end(
            Finished(
                reason="stopped",
                prompt_tokens=self._read.total,
                reused_tokens=self._read.reused,
                processed_tokens=max(self._read.processed - self._read.reused, 0),
                completion_tokens=self.tokens,
                reasoning_tokens=self._thoughts,
                prompt_ms=0.0,
                predicted_ms=(time.perf_counter() - self._started) * 1000 - self._first_ms,
            )
        )

    def _at_end(self, delta: Finished) -> Finished:
        self.are_whole = True
        self.tokens = delta.prompt_tokens + delta.completion_tokens
        end = replace(
            delta,
            engine=self._known.engine,
            first_token_ms=self._first_ms,
            cut_messages=self._known.cut_messages,
            cut_tokens=self._known.cut_tokens,
            story=self._known.story,
            exact=self._known.exact,
            effective=delta.effective or self._known.effective,
            ignored=(*_heard(delta.ignored, self._unasked), *self._known.ignored),
        )
        self._tell(end)
        return end


def _said(request: TurnRequest) -> tuple[Message, ...]:
    """What the guard reads: the messages, or the text of a raw prompt (ready token ids say nothing to it)."""
    pieces = (request.head, *request.prompt, request.suffix)
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    return (*request.messages, Message(role="user", text=text)) if text else request.messages


Written = Token | Thought | ToolCallPart
WRITTEN = (Token, Thought, ToolCallPart)  # asked of each token: a tuple is told by faster than a union


class _Screen:
    """Lets through what the guard does, when it does; thoughts and tool calls too. Raises Blocked."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._held: deque[Written] = deque()
        self._passed = ""  # let through, but not yet a whole token

    def opened(self, begins: str) -> Iterable[Delta]:
        """What stands in the reply before the model writes."""
        return self.through(Token(begins)) if begins else ()

    def through(self, delta: Delta) -> Iterable[Delta]:
        if isinstance(delta, WRITTEN):
            text = delta.text if isinstance(delta, Token) else _text_of(delta)
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
