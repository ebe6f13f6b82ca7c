"""What may come next after a prompt, from whatever engine: asked, and never written. Knows no tree."""

from __future__ import annotations

from array import array
from contextlib import aclosing
from dataclasses import replace

from fabula.core.errors import NoOutlook
from fabula.core.load import Wish
from fabula.core.request import Context
from fabula.core.sampling import Sampling
from fabula.core.scoring import Foresees, Outlook
from fabula.core.stream import Choice, Token
from fabula.core.worker import Counts, Prompt, SpellsOut, Worker
from fabula.turn.request import TurnRequest

FEW = 20  # what servers elsewhere tell at most


def wish(request: TurnRequest) -> Wish:
    """The samplers run here: only vectors need another engine."""
    return replace(request.wish, sampling=Sampling(control_vectors=request.sampling.control_vectors))


async def outlook(worker: Worker, prompt: Prompt, sampling: Sampling, context: Context) -> Outlook:
    """Raises NoOutlook."""
    if isinstance(worker, Foresees) and not prompt.images:
        return await worker.outlook(prompt, sampling, context)
    likeliest = await _told(worker, prompt, sampling, context)
    if not likeliest:
        raise NoOutlook(worker.model.name, worker.engine)
    ids = await _ids(worker, prompt)
    said = dict(await worker.spelled(prompt)) if ids and isinstance(worker, SpellsOut) else {}
    tokens, logprobs = _numbered(likeliest), [choice.logprob for choice in likeliest]
    pieces = {token: _bytes(choice) for token, choice in zip(tokens, likeliest, strict=True)}
    vocabulary = max(worker.model.vocabulary, *tokens, *ids, 0) + 1
    return Outlook(ids, array("i", tokens), array("f", logprobs), vocabulary, said | pieces)


async def _ids(worker: Worker, prompt: Prompt) -> tuple[int, ...]:
    """Of the prompt, where it has nothing but tokens."""
    if prompt.conversation or prompt.images or not isinstance(worker, Counts):
        return ()
    return tuple(await worker.tokenize(prompt))


async def _told(worker: Worker, prompt: Prompt, sampling: Sampling, context: Context) -> tuple[Choice, ...]:
    """The likeliest first tokens of a reply of one token, as far as the engine tells them."""
    asked = Sampling(
        max_tokens=1,
        logprobs=FEW,
        adapters=sampling.adapters,
        control_vectors=sampling.control_vectors,
    )
    found: tuple[Choice, ...] = ()
    async with aclosing(worker.stream(prompt, asked, context)) as deltas:
        async for delta in deltas:
            if isinstance(delta, Token) and delta.likeliest and not found:
                found = delta.likeliest
    return found


def _numbered(likeliest: tuple[Choice, ...]) -> list[int]:
    """Their ids; servers that tell only texts get numbers in their order."""
    ids = [choice.id for choice in likeliest]
    return ids if len(set(ids)) == len(ids) and min(ids) >= 0 else list(range(len(ids)))


def _bytes(choice: Choice) -> bytes:
    return bytes(choice.bytes) or choice.text.encode()
