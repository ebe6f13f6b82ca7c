"""The product's llama.cpp worker with the starter model, without a studio around it. Measures nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.studio import model_file
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Token
from fabula.core.worker import Prompt
from fabula.engine.llamacpp.worker import LlamaCppWorker

CONTEXT = 2048


def starter() -> LocalModel:
    path = model_file()
    return LocalModel(name="starter", path=path, size=path.stat().st_size)


@asynccontextmanager
async def loaded(
    model: LocalModel,
    threads: int,
    options: LoadOptions,
    context: int = CONTEXT,
    slots: int = 1,
    prompt_cache: int = 0,  # bytes
) -> AsyncIterator[LlamaCppWorker]:
    plan = Plan(
        model=model.name,
        tier="rough",
        verdict="fits",
        devices=(),
        context=context,
        slots=slots,
        gpu_layers=0,
        threads=threads,
        prompt_cache=prompt_cache,
        options=options,
    )
    with tempfile.TemporaryDirectory(prefix="fabula-bench-") as folder:
        worker = LlamaCppWorker(Path(folder), drafts=lambda model, name: Path(name))
        await worker.load(model, plan)
        try:
            yield worker
        finally:
            await worker.close()


@dataclass(frozen=True, slots=True)
class Written:
    """One reply. `rate` is tokens per second from the first token to the last, by the reader's clock."""

    text: str
    ids: tuple[int, ...]
    rate: float
    end: Finished


async def written(worker: LlamaCppWorker, prompt: str | tuple[int, ...], sampling: Sampling) -> Written:
    ids: list[int] = []
    text, end = "", None
    first = last = time.perf_counter()
    async for delta in worker.stream(Prompt((prompt,)), sampling):
        if isinstance(delta, Token):
            last = time.perf_counter()
            first = first if ids else last
            text, ids = text + delta.text, [*ids, *delta.ids]
        elif isinstance(delta, Finished):
            end = delta
    assert end is not None  # every stream that did not fail ends with it
    return Written(text, tuple(ids), max(0, len(ids) - 1) / max(last - first, 1e-9), end)


async def likeliest(worker: LlamaCppWorker, prompt: str, sampling: Sampling) -> tuple[float, float]:
    """Log-probabilities of the two likeliest at the last place of a reply."""
    async for delta in worker.stream(Prompt((prompt,)), sampling):
        if isinstance(delta, Token) and len(delta.likeliest) > 1:
            pair = delta.likeliest[0].logprob, delta.likeliest[1].logprob
    return pair
