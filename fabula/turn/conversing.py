"""A turn with a worker that has a template of its own: it is sent messages. Knows no server.

Where such a conversation is longer than the context and may be cut, its oldest messages go, in halves of the
room as everywhere (`prompt.assemble`). Only the whole has a known size then: each message is taken to have
its share of it by its length, and what is left is weighed again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fabula.core.errors import SeesNoImages
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.worker import Conversation, Converses, Prompt, Sees, Worker
from fabula.prompt.template import ChatTemplate
from fabula.turn.manner import Manner
from fabula.turn.request import TurnRequest

BLOCK_SHARE = 2


def converses(worker: Worker) -> bool:
    # Every request asks twice, and Python 3.11 takes long to see that a protocol is not fulfilled.
    return bool(getattr(worker, "converses", False))


def manner(request: TurnRequest, model: LocalModel) -> Manner:
    """Nothing is to be taken apart: the server tells reasoning and calls of tools as such."""
    ignored = []
    if request.reasoning_format:
        ignored.append("reasoning_format")
    if request.prompt and request.suffix and not model.infill:
        ignored.append("suffix")
    messages = request.messages
    if not request.sampling.keep_reasoning:
        messages = tuple(
            dataclasses.replace(message, reasoning="") if message.reasoning else message
            for message in messages
        )
    return Manner(template=ChatTemplate(""), messages=messages, ignored=tuple(ignored))


async def prompt(request: TurnRequest, worker: Worker, messages: tuple[Message, ...]) -> tuple[Prompt, int]:
    """The prompt and the number of messages that were cut. Raises SeesNoImages."""
    assert isinstance(worker, Converses)
    if any(message.images for message in messages) and not (isinstance(worker, Sees) and worker.sees_images):
        raise SeesNoImages(worker.model.name)
    whole = Conversation(
        messages=messages,
        continues=request.continues,
        tools=request.tools,
        tool_choice=request.tool_choice,
        only_tool=request.only_tool,
        several_calls=request.several_calls,
        variables=request.variables,
    )
    context = worker.plan.context if request.overflow == "cut" else 0
    fitting = await _fitting(whole, worker, context, request.sampling.max_tokens) if context else whole
    return Prompt((), conversation=fitting), len(messages) - len(fitting.messages)


async def _fitting(whole: Conversation, worker: Converses, context: int, limit: int | None) -> Conversation:
    """Less and less of it until it fits; what cannot be cut further is sent, and the server tells."""
    room = context - min(limit or context // 4, context // 2)
    now = whole
    while (size := await worker.weigh(now)) is not None and size > room:
        kept = _kept(now.messages, size, room)
        if len(kept) == len(now.messages):
            break
        now = dataclasses.replace(now, messages=kept)
    return now


def _kept(messages: Sequence[Message], size: int, room: int) -> tuple[Message, ...]:
    """The system messages at the start, and the end of the rest, which begins with what a person says."""
    head = next((place for place, message in enumerate(messages) if message.role != "system"), len(messages))
    letters = sum(len(message.text) for message in messages) or 1
    block = max(1, room // BLOCK_SHARE)
    drop = -(-(size - room) // block) * block
    start, dropped = head, 0.0
    while start < len(messages) - 1 and dropped < drop:
        dropped += size * len(messages[start].text) / letters
        start += 1
    while start < len(messages) - 1 and messages[start].role != "user":
        start += 1
    return (*messages[:head], *messages[start:])
