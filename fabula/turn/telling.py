"""A turn of a story: laid out steadily, counted by the model that reads it. Knows no tree and no table."""

from __future__ import annotations

import asyncio
import datetime
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.worker import Conversation, Counts, Prompt, Worker
from fabula.prompt.faithful.model import Kind, Story, Turn
from fabula.prompt.faithful.prepare import World
from fabula.prompt.macros.scene import Variables
from fabula.prompt.openings import openings
from fabula.prompt.plan import Break, NeedCounts
from fabula.prompt.steady.layout import SteadyPrompt, steady_prompt
from fabula.prompt.steady.memory import Memory
from fabula.turn.conversing import converses
from fabula.turn.manner import Manner, manner_of
from fabula.turn.request import TurnRequest
from fabula.turn.whole import reply_room, whole, without_bos

UNKNOWN_CONTEXT = 1 << 20  # tokens; of a server that does not tell its own
LETTERS_PER_TOKEN = 3.0  # where nobody can count: fewer than in English prose, so that rather too much is cut


class CountCache(Protocol):
    """Token counts that are kept from turn to turn, by message and tokenizer."""

    async def recall(self, tokenizer: str, messages: tuple[Message, ...]) -> dict[str, int]: ...
    async def remember(
        self, tokenizer: str, messages: tuple[Message, ...], counts: Mapping[str, int]
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A story's prompt, and what macros have set while it was made."""

    prompt: SteadyPrompt
    variables: Mapping[str, Any]
    context: int
    reply_room: int
    estimated: bool  # nobody could count: sizes are taken from lengths


async def _forgotten(laid: Laid) -> None:
    """Nothing is kept of a prompt that is only looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What a turn of a story is made of. `seed` and `now` are fixed, so that laying it out again after a
    count gives the same; `keep` is told what was sent."""

    story: Story
    kind: Kind
    memory: Memory
    now: datetime.datetime
    seed: int
    chat_id: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    keep: Callable[[Laid], Awaitable[None]] = _forgotten


def manner(request: TurnRequest, model: LocalModel, now: datetime.datetime) -> Manner:
    """How the model is asked and read. Which messages it gets is the layout's: here one stands for them."""
    asked = Message(role="user", text="…")
    messages = (asked, request.messages[-1]) if request.continues else (asked,)
    ignored = ("keep_reasoning",) if request.sampling.keep_reasoning else ()
    sampling = replace(request.sampling, keep_reasoning=False)
    found = manner_of(replace(request, messages=messages, sampling=sampling), model, now)
    return replace(found, ignored=(*found.ignored, *ignored))


async def lay(
    telling: Telling, request: TurnRequest, worker: Worker, manner: Manner, counts: CountCache
) -> Laid:
    """The prompt as this worker will read it. Raises ContextExceeded, TemplateRefused."""
    context = worker.plan.context or UNKNOWN_CONTEXT
    room, tokenizer = reply_room(request.sampling, context), worker.model.tokenizer
    turn = Turn(kind=telling.kind, context=context, reply_room=room)
    story = _begun(telling.story, manner) if request.continues else telling.story
    counter = worker if isinstance(worker, Counts) else None
    table = await counts.recall(tokenizer, request.messages)
    while True:
        local = Variables(dict(telling.variables))
        world = World(
            draw=random.Random(telling.seed).random, now=telling.now, local=local, chat_id=telling.chat_id
        )
        found = await asyncio.to_thread(
            steady_prompt, story, turn, manner.template, table, world, telling.memory, tokenizer=tokenizer
        )
        if not isinstance(found, NeedCounts):
            return Laid(
                prompt=found,
                variables=local.values,
                context=context,
                reply_room=room,
                estimated=counter is None,
            )
        fresh = await counted(found.texts, counter)
        if counter:
            await counts.remember(tokenizer, request.messages, fresh)
        table |= fresh


async def sent(laid: Laid, request: TurnRequest, worker: Worker, manner: Manner) -> Prompt:
    """The prompt for the engine. Raises ContextExceeded."""
    plan = laid.prompt.plan
    if converses(worker):
        return Prompt(
            (), conversation=Conversation(messages=laid.prompt.messages, continues=request.continues)
        )
    if isinstance(worker, Counts):
        return await whole(plan.pieces, worker, worker, manner.template)
    return Prompt(without_bos(plan.pieces, worker), openings=openings(manner.template))


def facts(laid: Laid) -> dict[str, Any]:
    """What is told under the reply: lore in the history, what of the head was kept, what broke the prefix."""
    prompt = laid.prompt
    return {
        "layout": "steady",
        "broke": broke(prompt.plan.broke),
        "lore": sorted({one.label for lore in prompt.memory.told.values() for one in lore}),
        "fixed": list(prompt.fixed),
        "estimated": laid.estimated,
    }


def broke(found: Break | None) -> dict[str, Any] | None:
    """`message` parts are named by their id beside them."""
    if found is None:
        return None
    part, _, message_id = found.part.partition(" ")
    return {"part": part, "message_id": message_id, "reason": found.reason, "tokens": found.tokens}


async def counted(texts: Sequence[str], counter: Counts | None) -> dict[str, int]:
    """Tokens of each text; guessed from its length where nobody can count."""
    if counter:
        return dict(zip(texts, await counter.count(texts), strict=True))
    return {text: math.ceil(len(text) / LETTERS_PER_TOKEN) for text in texts}


def _begun(story: Story, manner: Manner) -> Story:
    """A reply that goes on keeps what it thought, in front of its text."""
    *others, last = story.messages
    return replace(story, messages=[*others, replace(last, before=manner.messages[-1].before)])
