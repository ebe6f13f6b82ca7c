"""A turn that writes on a novel: laid out, and counted by the model that reads it. Knows no table."""

from __future__ import annotations

import asyncio
import datetime
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.worker import Conversation, Counts, Prompt, Worker
from fabula.prompt.novel.layout import Given, NovelPrompt, novel_prompt
from fabula.prompt.novel.layout import facts as facts_of
from fabula.prompt.novel.model import Form, Memory, Novel, Task
from fabula.prompt.openings import openings
from fabula.prompt.plan import NeedCounts
from fabula.prompt.template import ChatTemplate
from fabula.turn import telling
from fabula.turn.conversing import converses
from fabula.turn.looking import Looked, spelled
from fabula.turn.manner import Manner, manner_of
from fabula.turn.request import TurnRequest
from fabula.turn.whole import reply_room, whole, without_bos

Wanted = Literal["auto", "instruct", "raw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidPassage:
    """The prompt of a passage, laid out for one model."""

    prompt: NovelPrompt
    form: Form
    kind: str
    context: int
    reply_room: int
    estimated: bool  # nobody could count: sizes are taken from lengths

    def facts(self) -> dict[str, Any]:
        """What is told under the passage."""
        own = facts_of(self.prompt, self.kind)
        own |= {"layout": self.form, "fixed": list(self.prompt.fixed), "estimated": self.estimated}
        return own | {"broke": telling.broke(self.prompt.plan.broke)}


async def _forgotten(written: LaidPassage) -> None:
    """Nothing is kept of a prompt that is only looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What a passage is written from. `seed` is fixed, so that laying it out again after a count gives the
    same; `keep` is told what was sent. `form` "auto": a model with a chat template is asked in it."""

    novel: Novel
    task: Task
    memory: Memory
    seed: int
    form: Wanted = "auto"
    keep: Callable[[LaidPassage], Awaitable[None]] = _forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageRequest(TurnRequest):
    """A turn that writes on a novel; its `messages` are what the person says with it, for the guard."""

    writing: Writing


def form_of(writing: Writing, worker: Worker) -> Form:
    if writing.form != "auto":
        return writing.form
    return "instruct" if converses(worker) or worker.model.chat_template else "raw"


def manner(
    request: PassageRequest, worker: Worker, model: LocalModel, now: datetime.datetime, *, continues: bool
) -> Manner:
    """How the model is asked and read. One message stands for the text; raw text is not taken apart."""
    asked = Message(role="user", text="…")
    if form_of(request.writing, worker) == "raw":
        return manner_of(replace(request, prompt=("…",)), model, now)
    reply = Message(role="assistant", text="…")
    messages = (asked, reply) if continues else (asked,)
    return manner_of(replace(request, messages=messages, continues=continues), model, now)


async def look(request: PassageRequest, worker: Worker, manner: Manner, counts: telling.CountCache) -> Looked:
    """A prompt that is only looked at."""
    written = await lay(request.writing, worker, request, manner.template, counts)
    found = written.prompt
    return Looked(
        layout="raw" if written.form == "raw" else "novel",
        plan=found.plan,
        text=_spelled(written, worker, manner),
        context=written.context,
        reply_room=written.reply_room,
        estimated=written.estimated,
        fixed=found.fixed,
        verdicts=found.lore.verdicts,
    )


def _spelled(written: LaidPassage, worker: Worker, manner: Manner) -> str:
    """The whole prompt, as text."""
    found = written.prompt
    if written.form == "raw":
        return found.messages[-1].text
    return spelled(found.messages, worker, manner, continues=found.continues)


async def lay(
    writing: Writing, worker: Worker, request: TurnRequest, template: ChatTemplate, counts: telling.CountCache
) -> LaidPassage:
    """The prompt as this worker will read it. Raises ContextExceeded, TemplateRefused."""
    context = worker.plan.context or telling.UNKNOWN_CONTEXT
    room, tokenizer = reply_room(request.sampling, context), worker.model.tokenizer
    form = form_of(writing, worker)
    task = replace(writing.task, form=form, context=context, reply_room=room)
    counter = worker if isinstance(worker, Counts) else None
    table = await counts.recall(tokenizer, request.messages)
    while True:
        found = await asyncio.to_thread(_laid_out, writing, task, template, tokenizer, table)
        if not isinstance(found, NeedCounts):
            return LaidPassage(
                prompt=found,
                form=form,
                kind=task.kind,
                context=context,
                reply_room=room,
                estimated=counter is None,
            )
        fresh = await telling.counted(found.texts, counter)
        if counter:
            await counts.remember(tokenizer, request.messages, fresh)
        table |= fresh


def _laid_out(
    writing: Writing, task: Task, template: ChatTemplate, tokenizer: str, table: Mapping[str, int]
) -> NovelPrompt | NeedCounts:
    draw = random.Random(writing.seed).random
    given = Given(template=template, counts=table, draw=draw, tokenizer=tokenizer)
    return novel_prompt(writing.novel, task, given, writing.memory)


async def sent(written: LaidPassage, worker: Worker, template: ChatTemplate) -> Prompt:
    """The prompt for the engine. Raises ContextExceeded."""
    found = written.prompt
    if converses(worker) and written.form == "instruct":
        return Prompt((), conversation=Conversation(messages=found.messages, continues=found.continues))
    if isinstance(worker, Counts):
        return await whole(found.plan.pieces, worker, worker, template)
    marks = openings(template) if written.form == "instruct" else ()
    return Prompt(without_bos(found.plan.pieces, worker), openings=marks)
