"""Asking a loaded worker, and reading what it answered."""

from __future__ import annotations

import asyncio
import itertools

import psutil

from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, Finished, Token
from fabula.core.worker import Prompt
from fabula.engine.llamacpp.worker import LlamaCppWorker


def plan_for(model: LocalModel, **changes: object) -> Plan:
    """A small plan: 2,048 tokens, one slot, two threads."""
    plain = {"context": 2048, "slots": 1, "threads": 2, "gpu_layers": 0, "prompt_cache": 64 << 20}
    facts = {"model": model.name, "tier": "rough", "verdict": "fits", "devices": ()}
    return Plan(**(facts | plain | changes))


async def collect(
    worker: LlamaCppWorker, prompt: str | Prompt, **sampling: object
) -> tuple[list[Delta], Finished]:
    asked = prompt if isinstance(prompt, Prompt) else Prompt((prompt,))
    *deltas, last = [delta async for delta in worker.stream(asked, Sampling(**sampling))]
    assert isinstance(last, Finished)
    return deltas, last


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Token))


def ids_of(deltas: list[Delta]) -> tuple[int, ...]:
    tokens = (delta.ids for delta in deltas if isinstance(delta, Token))
    return tuple(itertools.chain.from_iterable(tokens))


async def is_gone(pid: int, patience_s: float = 30.0) -> bool:
    """Whether the process has ended and was reaped."""
    for _ in range(int(patience_s / 0.02)):
        if not psutil.pid_exists(pid):
            return True
        await asyncio.sleep(0.02)
    return False
