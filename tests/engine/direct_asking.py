"""A direct worker in reference precision, and what it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from asking import plan_for

from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Token
from fabula.core.worker import Prompt
from fabula.engine.beside import REFERENCE
from fabula.engine.direct.worker import DirectWorker
from fabula.engine.llamacpp.adapters import Attached
from fabula.engine.sampling.order import OFF
from fabula.engine.vectors import Vectors

PLAIN = Sampling(**{name: off for fields in OFF.values() for name, off in fields.items()})
"""No sampler at all."""
GREEDY = replace(PLAIN, temperature=0.0)
CHAT = "<|im_start|>user\nWrite a story about a lighthouse keeper.<|im_end|>\n<|im_start|>assistant\n"


@asynccontextmanager
async def direct(
    model: LocalModel,
    folder: Path,
    *,
    attached: Attached | None = None,
    vectors: Vectors | None = None,
    context: int = 512,
    **options: object,
) -> AsyncIterator[DirectWorker]:
    worker = DirectWorker(folder / "logs", folder / "direct.json", attached=attached, vectors=vectors)
    wished = LoadOptions(**options).over(REFERENCE)
    try:
        await worker.load(model, plan_for(model, context=context, options=wished, kv_type="f32"))
        yield worker
    finally:
        await worker.close()


async def write(
    worker: DirectWorker, prompt: str | Sequence[int], sampling: Sampling = GREEDY, **prompts: object
) -> tuple[list[Token], Finished]:
    pieces = (prompt,) if isinstance(prompt, str) else (tuple(prompt),)
    *deltas, last = [delta async for delta in worker.stream(Prompt(pieces, **prompts), sampling)]
    assert isinstance(last, Finished)
    return [delta for delta in deltas if isinstance(delta, Token)], last


def text(tokens: Sequence[Token]) -> str:
    return "".join(token.text for token in tokens)
