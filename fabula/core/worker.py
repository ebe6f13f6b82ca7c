"""The seam between rooms and engines: one process that has loaded one model.

A worker has three verbs. Everything else is an optional Protocol: `isinstance(worker, Counts)` tells
whether an engine can do it. Knows no engine.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta

Pieces = tuple[str | tuple[int, ...], ...]
"""A prompt as text (tokenized by the engine, special tokens understood) mixed with ready token ids."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a worker reads. A single tuple of ids is the exact form; text is tokenized in place.

    `add_special` lets the engine put its own BOS in front of leading text. `shown` are special tokens whose
    text is wanted in the answer: engines print none of it otherwise. With `triggers`, the sampling's grammar
    holds only from where the model writes one of them.
    """

    pieces: Pieces
    add_special: bool = True
    shown: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()


class Worker(Protocol):
    """One loaded model.

    `load` raises an EngineFailure with the engine's inner reason. `stream` yields deltas and ends with
    `Finished`; closing the generator stops the engine; it raises EngineDied, EngineRefused or
    ContextExceeded. `close` frees all memory and may be called in any state, more than once.
    """

    model: LocalModel
    plan: Plan
    engine: str  # name and version, as people know it

    async def load(self, model: LocalModel, plan: Plan) -> None: ...
    def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Delta, None]: ...
    async def close(self) -> None: ...

    def honours(self, sampling: Sampling) -> tuple[dict[str, Any], tuple[str, ...]]:
        """(effective, ignored): what the engine will really use, and the fields asked for in vain."""
        ...


@runtime_checkable
class Counts(Protocol):
    """Can tokenize without generating."""

    async def tokenize(self, prompt: Prompt) -> list[int]: ...
    async def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text on its own, without BOS."""
        ...


@runtime_checkable
class Embeds(Protocol):
    async def embed(self, texts: Sequence[str]) -> list[list[float]]: ...


@runtime_checkable
class Reranks(Protocol):
    async def rerank(self, query: str, documents: Sequence[str]) -> list[float]: ...


@runtime_checkable
class Scores(Protocol):
    async def score(self, prompt: Prompt, continuation: Prompt) -> list[float]:
        """Log-probability (nats) of each token of the continuation."""
        ...


@runtime_checkable
class Captures(Protocol):
    async def capture(self, prompt: Prompt, tensors: Sequence[str]) -> Mapping[str, bytes]: ...


@runtime_checkable
class KeepsSlots(Protocol):
    async def save_slot(self, slot: int, file: str) -> int: ...
    async def restore_slot(self, slot: int, file: str) -> int: ...


@runtime_checkable
class TakesAdapters(Protocol):
    async def set_adapters(self, scales: Mapping[str, float]) -> None: ...


@runtime_checkable
class Sees(Protocol):
    sees_images: bool


class Workers(Protocol):
    """Where `turn` gets a loaded worker from.

    `lease` loads the model if need be and keeps it from being unloaded while the block runs. Raises
    ModelNotFound, DoesNotFit, QueueFull or an EngineFailure.
    """

    def lease(self, model: str) -> AbstractAsyncContextManager[Worker]: ...
    def is_loaded(self, model: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Running:
    """A loaded model as `ps` shows it. Times are Unix seconds; 0 = never."""

    model: str
    plan: Plan
    pid: int
    busy: int  # requests in progress
    loaded_at: float
    expires_at: float
    memory: int  # resident bytes, measured
    facts: dict[str, Any] = field(default_factory=dict)
