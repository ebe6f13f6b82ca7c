"""A raw prompt without its beginning, where it would not fit. Knows no engine beyond the Worker seam.

Conversations are cut by messages (`prompt.assemble`); a text has none, so tokens are left out. What a client
wants to keep in any case stands in a head of its own.
"""

from __future__ import annotations

from fabula.core.errors import ContextExceeded
from fabula.core.worker import Counts, Pieces, Prompt
from fabula.turn.request import TurnRequest
from fabula.turn.whole import reply_room


def headed(request: TurnRequest) -> Pieces:
    """The whole prompt, its head in front."""
    first, *rest = request.prompt
    if request.head and isinstance(first, str):
        return (request.head + first, *rest)
    return (request.head, first, *rest) if request.head else request.prompt


async def fitting(request: TurnRequest, counter: Counts, context: int) -> tuple[Prompt, int]:
    """The prompt, and how many tokens of its beginning, behind its head, had to go for the reply's sake.

    `context` is the engine's; 0 = it is not known. Raises ContextExceeded for a head that leaves no room.
    """
    whole = Prompt(headed(request))
    limit = min(filter(None, (context, request.limit)), default=0)
    if not limit:
        return whole, 0
    ids = await counter.tokenize(whole)
    room = limit - reply_room(request.sampling, limit)
    if len(ids) <= room:
        return whole, 0
    head = await counter.tokenize(Prompt((request.head,)))
    rest = await counter.tokenize(Prompt(request.prompt, add_special=False))
    kept = room - len(head)
    if kept < 1:
        raise ContextExceeded(prompt_tokens=len(ids), context=limit)
    return Prompt((tuple(head + rest[-kept:]),), add_special=False), max(len(rest) - kept, 0)
