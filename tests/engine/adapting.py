"""Asking the real engine with adapters, and comparing what it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from asking import plan_for

from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.request import ANYONE, Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Token
from fabula.core.worker import Prompt
from fabula.engine.cache.shelf import Shelf
from fabula.engine.llamacpp.worker import LlamaCppWorker

STORY = {name: f"{name} walked along the shore and " * 30 for name in ("Ada", "Bea")}  # about 200 tokens
Logprobs = list[dict[int, float]]


class Folder:
    """Adapters of a folder, attached by name."""

    def __init__(self, folder: Path, usual: Mapping[str, float] | None = None) -> None:
        self.folder, self.scales = folder, dict(usual or {})

    def files(self, model: LocalModel, names: Sequence[str]) -> Sequence[Path]:
        return [self.folder / f"{name}.gguf" for name in names]

    def usual(self, model: LocalModel) -> Mapping[str, float]:
        return self.scales


@asynccontextmanager
async def loaded(
    model: LocalModel,
    folder: Path | None,
    kv: Path,
    *,
    names: tuple[str, ...] = ("one", "eight"),
    **plan: object,
) -> AsyncIterator[LlamaCppWorker]:
    attached = tuple((name, 0.0) for name in names) if folder else ()
    options = LoadOptions(adapters=attached)
    worker = LlamaCppWorker(kv / "logs", shelf=Shelf(kv, 1 << 30), attached=Folder(folder or kv))
    try:
        await worker.load(model, plan_for(model, **({"context": 512, "options": options} | plan)))
        yield worker
    finally:
        await worker.close()


async def ask(
    worker: LlamaCppWorker, text: str, context: Context = ANYONE, **scales: float
) -> tuple[Logprobs, Finished]:
    """The likeliest tokens of three steps with their log-probabilities, and the facts."""
    sampling = Sampling(
        max_tokens=3, temperature=0, ignore_eos=True, logprobs=20, adapters=tuple(scales.items())
    )
    *deltas, last = [delta async for delta in worker.stream(Prompt((text,)), sampling, context)]
    assert isinstance(last, Finished)
    tokens = [delta for delta in deltas if isinstance(delta, Token)]
    return [{choice.id: choice.logprob for choice in token.likeliest} for token in tokens], last


def distance(one: Logprobs, other: Logprobs) -> float:
    """The largest difference of a first token's log-probability; of the following ones while texts agree."""
    found = 0.0
    for mine, theirs in zip(one, other, strict=True):
        both = mine.keys() & theirs.keys()
        found = max([found, *(abs(mine[id] - theirs[id]) for id in both), 9.0 if len(both) < 10 else 0.0])
        if max(mine, key=mine.__getitem__) != max(theirs, key=theirs.__getitem__):
            break
    return found
