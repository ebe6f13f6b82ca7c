"""A prompt that is only looked at: what it is made of, what each part costs, and why. Knows no tree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fabula.core.messages import Message
from fabula.core.worker import Counts, Worker
from fabula.prompt.assemble import assemble, render
from fabula.prompt.lore.why import Verdict
from fabula.prompt.plan import NeedCounts, PromptPlan
from fabula.turn import telling
from fabula.turn.conversing import converses
from fabula.turn.manner import Manner
from fabula.turn.request import TurnRequest
from fabula.turn.telling import UNKNOWN_CONTEXT, CountCache
from fabula.turn.whole import reply_room


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """`text` is the whole prompt as text, `verdicts` say of every entry of lore why it is told or not.

    Where the server has a template of its own, `text` holds the messages one below the other.
    """

    layout: Literal["steady", "text", "messages", "chat", "novel", "raw"]
    plan: PromptPlan
    text: str
    context: int
    reply_room: int
    estimated: bool
    fixed: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


async def look(request: TurnRequest, worker: Worker, manner: Manner, counts: CountCache) -> Looked:
    if request.story:
        return await _story(request.story, request, worker, manner, counts)
    context = worker.plan.context or UNKNOWN_CONTEXT
    plan = await planned(request, worker, worker if isinstance(worker, Counts) else None, manner, counts)
    return Looked(
        layout="chat",
        plan=plan,
        text=_text(_told(manner.messages, plan), request, worker, manner),
        context=context,
        reply_room=reply_room(request.sampling, context),
        estimated=not isinstance(worker, Counts),
    )


async def planned(
    request: TurnRequest, worker: Worker, counter: Counts | None, manner: Manner, counts: CountCache
) -> PromptPlan:
    """A plain chat, cut to the context. Sizes are guessed where there is no counter."""
    context, tokenizer = worker.plan.context or UNKNOWN_CONTEXT, worker.model.tokenizer
    context = min(context, request.limit or context)
    table = await counts.recall(tokenizer, request.messages)
    while True:
        plan = await asyncio.to_thread(  # a long chat takes a while, and others are served meanwhile
            assemble,
            manner.messages,
            manner.template,
            table,
            context=context,
            reply_room=reply_room(request.sampling, context),
            tokenizer=tokenizer,
            continues=request.continues,
        )
        if not isinstance(plan, NeedCounts):
            return plan
        fresh = await telling.counted(plan.texts, counter)
        if counter:
            await counts.remember(tokenizer, request.messages, fresh)
        table |= fresh


async def _story(
    story: telling.Telling, request: TurnRequest, worker: Worker, manner: Manner, counts: CountCache
) -> Looked:
    laid = await telling.lay(story, request, worker, manner, counts)
    plan = laid.prompt.plan
    raw = "".join(piece for piece in plan.pieces if isinstance(piece, str))
    return Looked(
        layout=laid.layout,
        plan=plan,
        text=raw if laid.layout == "text" else _text(laid.prompt.messages, request, worker, manner),
        context=laid.context,
        reply_room=laid.reply_room,
        estimated=laid.estimated,
        fixed=laid.prompt.fixed,
        verdicts=laid.prompt.lore.verdicts,
    )


def _told(messages: Sequence[Message], plan: PromptPlan) -> list[Message]:
    """Segments of a plain chat stand for its messages, one for one."""
    pairs = zip(messages, plan.segments, strict=True)
    return [message for message, segment in pairs if segment.included]


def _text(messages: Sequence[Message], request: TurnRequest, worker: Worker, manner: Manner) -> str:
    return spelled(messages, worker, manner, continues=request.continues)


def spelled(messages: Sequence[Message], worker: Worker, manner: Manner, *, continues: bool) -> str:
    """The prompt of a conversation, as text."""
    if converses(worker):
        return "\n\n".join(f"{message.role}: {message.text}" for message in messages)
    bare = [replace(message, token_ids=(), before=()) for message in messages]
    pieces = render(bare, manner.template, continues=continues)
    return "".join(piece for piece in pieces if isinstance(piece, str))
