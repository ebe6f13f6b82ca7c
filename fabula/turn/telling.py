"""A turn of a story: laid out, and counted by the model that reads it. Knows no tree and no table."""

from __future__ import annotations

import asyncio
import datetime
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

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
from fabula.turn.forms import FaithfulPrompt, Form, Given, TextForm, faithful_prompt
from fabula.turn.manner import Manner, manner_of
from fabula.turn.request import TurnRequest
from fabula.turn.whole import reply_room, whole, without_bos

Layout = Literal["steady", "text", "messages"]
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

    prompt: SteadyPrompt | FaithfulPrompt
    variables: Mapping[str, Any]
    shared: Mapping[str, Any]  # those of all chats
    layout: Layout
    context: int
    reply_room: int
    estimated: bool  # nobody could count: sizes are taken from lengths

    @property
    def begins(self) -> str:
        """How the reply begins; the model is not asked for it."""
        return self.prompt.begins if isinstance(self.prompt, SteadyPrompt) else ""

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts at which a reply to this prompt ends."""
        return self.prompt.stops if isinstance(self.prompt, FaithfulPrompt) else ()


async def _forgotten(laid: Laid) -> None:
    """Nothing is kept of a prompt that is only looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What a turn of a story is made of. `seed` and `now` are fixed, so that laying it out again after a
    count gives the same; `keep` is told what was sent. `form` None is the steady layout; `quiet` is asked for
    at the end, beside the chat; `full`: the last prompt did not hold the whole chat."""

    story: Story
    kind: Kind
    memory: Memory
    now: datetime.datetime
    seed: int
    chat_id: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)
    form: Form | None = None
    quiet: str = ""
    full: bool = False
    keep: Callable[[Laid], Awaitable[None]] = _forgotten


def manner(request: TurnRequest, model: LocalModel, now: datetime.datetime) -> Manner:
    """How the model is asked and read. Which messages it gets is the layout's: here one stands for them."""
    asked = Message(role="user", text="…")
    messages = (asked, request.messages[-1]) if request.continues else (asked,)
    ignored = ("keep_reasoning",) if request.sampling.keep_reasoning else ()
    sampling = replace(request.sampling, keep_reasoning=False)
    found = manner_of(replace(request, messages=messages, sampling=sampling), model, now)
    form = request.story.form if request.story else None
    wraps_itself = isinstance(form, TextForm) and (form.plain or form.instruct is not None)
    return replace(found, ignored=(*found.ignored, *ignored), opened=found.opened and not wraps_itself)


async def lay(
    telling: Telling, request: TurnRequest, worker: Worker, manner: Manner, counts: CountCache
) -> Laid:
    """The prompt as this worker will read it. Raises ContextExceeded, TemplateRefused."""
    context = worker.plan.context or UNKNOWN_CONTEXT
    room, tokenizer = reply_room(request.sampling, context), worker.model.tokenizer
    turn = Turn(
        kind=telling.kind,
        context=context,
        reply_room=room,
        quiet_prompt=telling.quiet,
        full=telling.full,
    )
    begun = request.continues and telling.form is None
    story = _begun(telling.story, manner) if begun else telling.story
    counter = worker if isinstance(worker, Counts) else None
    table = await counts.recall(tokenizer, request.messages)
    while True:
        local, shared = Variables(dict(telling.variables)), Variables(dict(telling.shared))
        world = World(
            draw=random.Random(telling.seed).random,
            now=telling.now,
            local=local,
            everywhere=shared,
            chat_id=telling.chat_id,
            plain={"model": worker.model.name},
        )
        found = await asyncio.to_thread(_laid_out, telling, story, turn, manner, table, world, worker.model)
        if not isinstance(found, NeedCounts):
            return Laid(
                prompt=named(found, story),
                variables=local.values,
                shared=shared.values,
                layout=telling.form.layout if telling.form else "steady",
                context=context,
                reply_room=room,
                estimated=counter is None,
            )
        fresh = await counted(found.texts, counter)
        if counter:
            await counts.remember(tokenizer, request.messages, fresh)
        table |= fresh


def named(prompt: SteadyPrompt | FaithfulPrompt, story: Story) -> SteadyPrompt | FaithfulPrompt:
    """With the name of the system prompt that was chosen."""
    label = story.prompt_name
    if not label:
        return prompt
    segments = tuple(
        one._replace(label=label) if one.source == "system_prompt" and not one.label else one
        for one in prompt.plan.segments
    )
    return replace(prompt, plan=replace(prompt.plan, segments=segments))


def _laid_out(
    telling: Telling,
    story: Story,
    turn: Turn,
    manner: Manner,
    table: Mapping[str, int],
    world: World,
    model: LocalModel,
) -> SteadyPrompt | FaithfulPrompt | NeedCounts:
    template = manner.template
    if telling.form:
        given = Given(template=template, memory=telling.memory, bos=model.bos_token)
        return faithful_prompt(telling.form, story, turn, given, table, world)
    return steady_prompt(story, turn, template, table, world, telling.memory, tokenizer=model.tokenizer)


async def sent(laid: Laid, request: TurnRequest, worker: Worker, manner: Manner) -> Prompt:
    """The prompt for the engine. Raises ContextExceeded."""
    plan = laid.prompt.plan
    if converses(worker) and laid.layout != "text":
        return Prompt(
            (),
            conversation=Conversation(
                messages=laid.prompt.messages, continues=request.continues or bool(laid.begins)
            ),
        )
    if isinstance(worker, Counts):
        return await whole(plan.pieces, worker, worker, manner.template)
    return Prompt(without_bos(plan.pieces, worker), openings=openings(manner.template))


def facts(laid: Laid) -> dict[str, Any]:
    """What is told under the reply: lore in the history, what of the head was kept, what broke the prefix."""
    prompt = laid.prompt
    return {
        "layout": laid.layout,
        "broke": broke(prompt.plan.broke),
        "lore": _lore(laid),
        "fixed": list(prompt.fixed),
        "estimated": laid.estimated,
    }


def _lore(laid: Laid) -> list[str]:
    """The names of entries that are in the prompt; in the steady layout those of earlier turns too, and not
    those that stand in the head."""
    prompt = laid.prompt
    if isinstance(prompt, FaithfulPrompt):
        return sorted({entry.comment or ", ".join(entry.keys) for entry in prompt.lore.entries})
    return sorted({one.label for lore in prompt.memory.told.values() for one in lore})


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
