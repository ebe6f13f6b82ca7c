"""A finished prompt as the engine gets it: tokenized whole, checked against the context. Knows no layout."""

from __future__ import annotations

from fabula.core.errors import CannotTokenize, ContextExceeded
from fabula.core.sampling import Sampling
from fabula.core.worker import Converses, Counts, Pieces, Prompt, Worker
from fabula.prompt.openings import openings
from fabula.prompt.template import ChatTemplate

REPLY_SHARE = 4  # without a limit, a reply is promised this part of the context (and never more than half)


def reply_room(sampling: Sampling, context: int) -> int:
    """Tokens of the context that are left free for the reply."""
    return min(sampling.max_tokens or context // REPLY_SHARE, context // 2)


async def whole(pieces: Pieces, worker: Worker, counter: Counts, template: ChatTemplate) -> Prompt:
    """Raises ContextExceeded."""
    context = worker.plan.context
    ids = await counter.tokenize(Prompt(without_bos(pieces, worker)))
    if len(ids) >= context:
        raise ContextExceeded(prompt_tokens=len(ids), context=context)
    return Prompt((tuple(ids),), add_special=False, openings=openings(template))


async def size(prompt: Prompt, worker: Worker) -> int:
    """Its tokens, without those of images. Raises CannotTokenize."""
    tokens = None
    if prompt.conversation and isinstance(worker, Converses):
        tokens = await worker.weigh(prompt.conversation)
    elif isinstance(worker, Counts):
        tokens = len(await worker.tokenize(prompt))
    if tokens is None:
        raise CannotTokenize(worker.model.name)
    return tokens


def without_bos(pieces: Pieces, worker: Worker) -> Pieces:
    """The engine adds its own BOS; a template that writes one as well would double it."""
    bos = worker.model.bos_token
    if worker.model.adds_bos and bos and pieces and isinstance(pieces[0], str):
        return (pieces[0].removeprefix(bos), *pieces[1:])
    return pieces
