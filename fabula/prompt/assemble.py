"""Fit a conversation into a context window. Knows nothing of HTTP, of the database or of any engine.

The conversation is rendered with texts that know their places in it, which gives the template's glue between
them (`written`); where `framing` knows that glue without, nothing is rendered. The cost of the prompt is the
glue plus the texts. When it is over the budget, the oldest messages are cut in blocks: cut points lie at
multiples of half the budget, counted from the start of the chat, so that the prompt's beginning stays the
same for many turns and the engine's cache stays valid. The rule has no memory: the same conversation is
always cut at the same place.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from fabula.core.errors import ContextExceeded
from fabula.core.messages import Message
from fabula.core.worker import Pieces
from fabula.prompt.framing import Frame, frame, puts, row
from fabula.prompt.plan import CountTable, NeedCounts, PromptPlan, Segment, Spoken
from fabula.prompt.template import ChatTemplate
from fabula.prompt.written import written, written_with_glue

BLOCK_SHARE = 2
"""A block is this part of the budget. With blocks of a share s and turns of t tokens, cuts make the engine
read t·(1 − s)/s tokens again per turn on average: t for a half, 3 t for a quarter."""


def assemble(
    messages: Sequence[Spoken],
    template: ChatTemplate,
    counts: CountTable,
    *,
    context: int,
    reply_room: int,
    tokenizer: str = "",
    continues: bool = False,
    reason: str = "",
) -> PromptPlan | NeedCounts:
    """The prompt for `messages`, with `reply_room` of the `context` tokens left free, or what to count first.

    `tokenizer` is the hash of the model's tokenizer: replies that were sampled with it are sent as ids. With
    `continues` the last message is left open, so that the model lengthens it. `reason` is told of each part.
    Raises ContextExceeded when not even the system messages and the last message fit, and TemplateRefused.
    """
    messages = _with_valid_ids(messages, tokenizer)
    around, told = frame(messages, template, continues), None
    if around:
        glue = around.glue
    else:
        told, glue = written_with_glue(messages, template, continues)
    needed = [message.text for message in messages if not message.token_ids] + glue
    needed += [piece for message in messages for piece in message.before if isinstance(piece, str)]
    missing = tuple(dict.fromkeys(text for text in needed if text and text not in counts))
    if missing:
        return NeedCounts(missing)
    costs = _costs(messages, counts)
    glue_costs = [counts.get(text, 0) for text in glue]
    whole = [cost + before for cost, before in zip(costs, glue_costs, strict=False)]
    kept = _choose(messages, whole, glue_costs[-1], context - reply_room)
    if kept is None:
        raise ContextExceeded(prompt_tokens=_least(messages, whole) + glue_costs[-1], context=context)
    if len(kept) < len(messages):
        around, told = around and frame(kept, template, continues), None
    pieces = told.pieces(kept) if told else _pieces(kept, template, continues, around)
    segments = tuple(_segments(messages, whole, len(messages) - len(kept), reason))
    tokens = sum(segment.tokens for segment in segments if segment.included) + glue_costs[-1]
    return PromptPlan(pieces=pieces, segments=segments, tokens=tokens, cut_messages=len(messages) - len(kept))


def render(
    messages: Sequence[Spoken], template: ChatTemplate, *, tokenizer: str = "", continues: bool = False
) -> Pieces:
    """The whole conversation, nothing cut: text, and the ids of replies that `tokenizer` sampled."""
    messages = _with_valid_ids(messages, tokenizer)
    around = frame(messages, template, continues) if puts(messages, template, continues) else None
    return _pieces(messages, template, continues, around)


def _pieces(
    messages: Sequence[Spoken], template: ChatTemplate, continues: bool, around: Frame | None
) -> Pieces:
    """`around` is their frame, where there is one."""
    if around and puts(messages, template, continues) and around.fits(messages):
        return around.pieces(messages)
    return written(messages, template, continues).pieces(messages)


def _costs(messages: Sequence[Spoken], counts: CountTable) -> list[int]:
    """Tokens of each message and of what a prompt has in front of it."""
    return [
        (len(one.token_ids) or counts.get(one.text, 0))
        + (sum(_tokens(piece, counts) for piece in one.before) if one.before else 0)
        for one in messages
    ]


def _tokens(piece: str | tuple[int, ...], counts: CountTable) -> int:
    return counts.get(piece, 0) if isinstance(piece, str) else len(piece)


def _with_valid_ids(messages: Sequence[Spoken], tokenizer: str) -> list[Spoken]:
    """Ids of another tokenizer mean other words: such a message is sent as text."""
    return [one if not one.token_ids or one.tokenizer == tokenizer else _as_text(one) for one in messages]


def _as_text(message: Spoken) -> Message:
    return Message(
        role=message.role,
        text=message.text,
        id=message.id,
        before=message.before,
        name=message.name,
        reasoning=message.reasoning,
        tool_calls=message.tool_calls,
        tool_call_id=message.tool_call_id,
    )


def rows(messages: Sequence[Spoken]) -> list[dict[str, Any]]:
    """Messages as templates read them."""
    return [row(message, message.text) for message in messages]


def _choose(messages: Sequence[Spoken], costs: Sequence[int], tail: int, budget: int) -> list[Spoken] | None:
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


def _head(messages: Sequence[Spoken]) -> int:
    return len(list(itertools.takewhile(lambda message: message.role == "system", messages)))


def _least(messages: Sequence[Spoken], costs: Sequence[int]) -> int:
    """Tokens of what is never cut: the system messages at the start and the last message."""
    return sum(costs[: _head(messages)]) + costs[-1]


def _cut_point(costs: Sequence[int], total: int, room: int, block: int) -> int:
    """How many of the oldest messages go, so that the rest fits: the least number of whole blocks."""
    dropped = -(-(total - room) // block) * block
    cumulative = itertools.accumulate(costs)
    return next((index + 1 for index, reached in enumerate(cumulative) if reached >= dropped), len(costs) - 1)


def _segments(messages: Sequence[Spoken], costs: Sequence[int], cut: int, reason: str) -> list[Segment]:
    """So many messages behind the system messages at the start are left out."""
    told = itertools.chain([True] * _head(messages), [False] * cut, itertools.repeat(True))
    return [
        Segment(message.role, message.id, cost, is_told, "", reason)
        for message, cost, is_told in zip(messages, costs, told, strict=False)
    ]
