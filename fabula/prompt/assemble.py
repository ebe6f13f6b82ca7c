"""Fit a conversation into a context window. Knows nothing of HTTP, of the database or of any engine.

The conversation is rendered once with a mark in the place of every text, which gives the template's glue
between them. The cost of the prompt is the glue plus the texts. When it is over the budget, the oldest
messages are cut in blocks: cut points lie at multiples of half the budget, counted from the start of the
chat, so that the prompt's beginning stays the same for many turns and the engine's cache stays valid.
The rule has no memory: the same conversation is always cut at the same place.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fabula.core.errors import ContextExceeded
from fabula.core.messages import Message, ToolCall
from fabula.core.worker import Pieces
from fabula.prompt.plan import CountTable, NeedCounts, PromptPlan, Segment
from fabula.prompt.template import ChatTemplate

BLOCK_SHARE = 2
"""A block is this part of the budget. With blocks of a share s and turns of t tokens, cuts make the engine
read t·(1 − s)/s tokens again per turn on average: t for a half, 3 t for a quarter."""


def assemble(
    messages: Sequence[Message],
    template: ChatTemplate,
    counts: CountTable,
    *,
    context: int,
    reply_room: int,
    tokenizer: str = "",
    continues: bool = False,
) -> PromptPlan | NeedCounts:
    """The prompt for `messages`, with `reply_room` of the `context` tokens left free, or what to count first.

    `tokenizer` is the hash of the model's tokenizer: replies that were sampled with it are sent as ids. With
    `continues` the last message is left open, so that the model lengthens it. Raises ContextExceeded when not
    even the system messages and the last message fit, and TemplateRefused.
    """
    messages = [_only_valid_ids(message, tokenizer) for message in messages]
    glue = _glue(messages, template, continues)
    needed = [message.text for message in messages if not message.token_ids] + glue
    needed += [piece for message in messages for piece in message.before if isinstance(piece, str)]
    missing = tuple(dict.fromkeys(text for text in needed if text and text not in counts))
    if missing:
        return NeedCounts(missing)
    costs = [_cost(message, counts) for message in messages]
    glue_costs = [counts.get(text, 0) for text in glue]
    whole = [cost + before for cost, before in zip(costs, glue_costs, strict=False)]
    kept = _choose(messages, whole, glue_costs[-1], context - reply_room)
    if kept is None:
        raise ContextExceeded(prompt_tokens=_least(messages, whole) + glue_costs[-1], context=context)
    pieces = render(kept, template, tokenizer=tokenizer, continues=continues)
    segments = tuple(_segments(messages, whole, {id(message) for message in kept}))
    tokens = sum(segment.tokens for segment in segments if segment.included) + glue_costs[-1]
    return PromptPlan(pieces=pieces, segments=segments, tokens=tokens, cut_messages=len(messages) - len(kept))


def render(
    messages: Sequence[Message], template: ChatTemplate, *, tokenizer: str = "", continues: bool = False
) -> Pieces:
    """The whole conversation, nothing cut: text, and the ids of replies that `tokenizer` sampled."""
    messages = [_only_valid_ids(message, tokenizer) for message in messages]
    marks = _marks(messages)
    texts = [
        mark if message.token_ids or message.before else message.text
        for message, mark in zip(messages, marks, strict=True)
    ]
    text = _render(messages, texts, template, continues)
    pieces: list[str | tuple[int, ...]] = []
    start = 0
    for message, mark in zip(messages, marks, strict=True):
        at = text.find(mark, start) if message.token_ids or message.before else -1
        if at >= 0:
            pieces += [text[start:at], *message.before, message.token_ids or message.text]
            start = at + len(mark)
    return joined((*pieces, text[start:]))


def joined(pieces: Pieces) -> Pieces:
    """Without empty pieces, and texts that touch as one: where they meet they may be one token."""
    together: list[str | tuple[int, ...]] = []
    for piece in pieces:
        last = together[-1] if together else None
        if isinstance(piece, str) and isinstance(last, str):
            together[-1] = last + piece
        elif piece:
            together.append(piece)
    return tuple(together)


def _cost(message: Message, counts: CountTable) -> int:
    """Tokens of a message and of what a prompt has in front of it."""
    own = len(message.token_ids) or counts.get(message.text, 0)
    for piece in message.before:
        own += counts.get(piece, 0) if isinstance(piece, str) else len(piece)
    return own


def _only_valid_ids(message: Message, tokenizer: str) -> Message:
    """Ids of another tokenizer mean other words: such a message is sent as text."""
    valid = message.tokenizer == tokenizer or not message.token_ids
    return message if valid else replace(message, token_ids=())


def _render(
    messages: Sequence[Message], texts: Sequence[str], template: ChatTemplate, continues: bool
) -> str:
    """The messages with these texts in the place of their own."""
    told = [_row(message, text) for message, text in zip(messages, texts, strict=True)]
    text = template.render(told[:-1] if continues else told, add_generation_prompt=True)
    return text + texts[-1] if continues else text


def rows(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as templates read them."""
    return [_row(message, message.text) for message in messages]


def _row(message: Message, text: str) -> dict[str, Any]:
    """Reasoning has two names, for templates of two makers."""
    row: dict[str, Any] = {"role": message.role, "content": text}
    if message.name:
        row["name"] = message.name
    if message.tool_call_id:
        row["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        row["tool_calls"] = [_call_row(call) for call in message.tool_calls]
    if message.reasoning:
        row["reasoning_content"] = row["thinking"] = message.reasoning
    return row


def _call_row(call: ToolCall) -> dict[str, Any]:
    """Arguments as an object where they are one."""
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        arguments = call.arguments
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _marks(messages: Sequence[Message]) -> list[str]:
    """A unique text for each message that occurs in none of them and that no template trims.

    The characters are from Unicode's private use area; a longer fence is taken when a text holds the shorter.
    """
    everything = "\n".join(message.text for message in messages)
    fence = "\ue000"
    while fence in everything:
        fence += "\ue001"
    return [f"{fence}{number}\ue002" for number in range(len(messages))]


def _glue(messages: Sequence[Message], template: ChatTemplate, continues: bool) -> list[str]:
    """The template's text before each message, and after the last one."""
    marks = _marks(messages)
    text = _render(messages, marks, template, continues)
    glue: list[str] = []
    start = 0
    for mark in marks:
        at = text.find(mark, start)
        glue.append(text[start:at] if at >= 0 else "")  # a template may leave a message out
        start = at + len(mark) if at >= 0 else start
    return [*glue, text[start:]]


def _choose(
    messages: Sequence[Message], costs: Sequence[int], tail: int, budget: int
) -> list[Message] | None:
    """The system messages at the start and as much of the end as fits, cut at a block's edge, or None."""
    head = _head(messages)
    fixed = sum(costs[:head]) + tail
    room = budget - fixed
    history = sum(costs[head:])
    if history <= room:
        return list(messages)
    start = _cut_point(costs[head:], history, room, max(1, budget // BLOCK_SHARE)) + head
    while start < len(messages) - 1 and messages[start].role != "user":
        start += 1  # many templates insist that a person speaks first
    if start >= len(messages) or sum(costs[start:]) > room:
        return None
    return [*messages[:head], *messages[start:]]


def _head(messages: Sequence[Message]) -> int:
    return len(list(itertools.takewhile(lambda message: message.role == "system", messages)))


def _least(messages: Sequence[Message], costs: Sequence[int]) -> int:
    """Tokens of what is never cut: the system messages at the start and the last message."""
    return sum(costs[: _head(messages)]) + costs[-1]


def _cut_point(costs: Sequence[int], total: int, room: int, block: int) -> int:
    """How many of the oldest messages go, so that the rest fits: the least number of whole blocks."""
    dropped = -(-(total - room) // block) * block
    cumulative = itertools.accumulate(costs)
    return next((index + 1 for index, reached in enumerate(cumulative) if reached >= dropped), len(costs) - 1)


def _segments(messages: Sequence[Message], costs: Sequence[int], kept: set[int]) -> list[Segment]:
    return [
        Segment(message.role, message.id, cost, id(message) in kept)
        for message, cost in zip(messages, costs, strict=True)
    ]
