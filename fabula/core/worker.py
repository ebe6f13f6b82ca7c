"""The seam between rooms and engines: one process that has loaded one model.

A worker has three verbs. Everything else is an optional Protocol: `isinstance(worker, Counts)` tells
whether an engine can do it. Knows no engine.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from fabula.core.load import FOREVER, Wish
from fabula.core.messages import Message, Tool
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.request import ANYONE, Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, Exactness, Loading, Queued
from fabula.core.texts import Phrase

Pieces = tuple[str | tuple[int, ...], ...]
"""A prompt as text (tokenized by the engine, special tokens understood) mixed with ready token ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Messages for an engine that puts them into its own template. See `turn.request` for the words."""

    messages: tuple[Message, ...]
    continues: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: Literal["auto", "none", "required"] = "auto"
    only_tool: str = ""
    several_calls: bool = True
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a worker reads. A single tuple of ids is the exact form; text is tokenized in place.

    `add_special` lets the engine put its own BOS in front of leading text. With `literal`, special tokens
    that are spelled out in texts are nothing but text. `shown` are special tokens whose text is wanted in the
    answer: engines print none of it otherwise. With `triggers`, the sampling's grammar holds only from where
    the model writes one of them. `openings` are what the template writes between a reply and the next message
    of the user: engines that cannot take their memory back keep a checkpoint there.
    """

    pieces: Pieces
    add_special: bool = True
    literal: bool = False
    shown: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    openings: tuple[str, ...] = ()
    images: tuple[bytes, ...] = ()  # files, one for each `messages.IMAGE` in the texts
    conversation: Conversation | None = None  # instead of pieces, for a worker that `Converses`


class Worker(Protocol):
    """One loaded model.

    `load` raises an EngineFailure with the engine's inner reason. `stream` yields deltas and ends with
    `Finished`; `context` says who asks, so that what was read for a chat is kept for it. Closing the
    generator stops the engine; it raises EngineDied, EngineRefused or
    ContextExceeded. `close` frees all memory and may be called in any state, more than once.
    """

    model: LocalModel
    plan: Plan
    engine: str  # name and version, as people know it

    async def load(self, model: LocalModel, plan: Plan) -> None: ...
    def stream(
        self, prompt: Prompt, sampling: Sampling, context: Context = ANYONE
    ) -> AsyncGenerator[Delta, None]: ...
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
class Spells(Protocol):
    async def detokenize(self, ids: Sequence[int]) -> str: ...


@runtime_checkable
class SpellsOut(Protocol):
    async def spelled(self, prompt: Prompt, *, parse_special: bool = True) -> list[tuple[int, bytes]]:
        """Each token with its own bytes; special tokens in a text are plain text unless they are parsed."""
        ...


@dataclass(frozen=True, slots=True)
class Embedded:
    """A vector of length 1 for each text, and the tokens that were read for them."""

    vectors: tuple[tuple[float, ...], ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Judged:
    """How well each document answers the query, the higher the better, and the tokens that were read."""

    scores: tuple[float, ...]
    tokens: int


@runtime_checkable
class Embeds(Protocol):
    async def embed(self, texts: Sequence[str | tuple[int, ...]]) -> Embedded:
        """Texts, or their token ids. Raises ContextExceeded for one that is too long."""
        ...


@runtime_checkable
class Reranks(Protocol):
    async def rerank(self, query: str, documents: Sequence[str]) -> Judged: ...


@runtime_checkable
class KeepsSlots(Protocol):
    async def save_slot(self, slot: int, file: str) -> int: ...
    async def restore_slot(self, slot: int, file: str) -> int: ...


@dataclass(frozen=True, slots=True)
class SlotState:
    """One slot of a loaded model: whose it is ("" = nobody's), and how many tokens it holds."""

    number: int
    owner: str = ""
    is_busy: bool = False
    is_chat: bool = False  # a chat's of the studio; else of a program that uses the API
    tokens: int = 0  # 0 = none, or not known


@runtime_checkable
class TellsSlots(Protocol):
    def slots(self) -> tuple[SlotState, ...]: ...


@runtime_checkable
class TakesAdapters(Protocol):
    """Runs a model with LoRA adapters; their scales are part of each request's sampling."""

    @property
    def adapters(self) -> tuple[str, ...]:
        """Those that it has loaded."""
        ...


@runtime_checkable
class Sees(Protocol):
    sees_images: bool


@runtime_checkable
class Converses(Protocol):
    """Takes conversations as they are where `converses`: nobody else knows its template. It gives reasoning
    as `Thought` and calls of tools as `ToolCallPart` by itself."""

    converses: bool

    async def weigh(self, conversation: Conversation) -> int | None:
        """Its tokens, by the engine's own count; None where there is none."""
        ...


class Place(Protocol):
    """A request's place in the line of one model.

    `steps` ends when it is the request's turn; what it yields meanwhile says what is waited for. `worker`
    may be used from then on. `steps` raises DoesNotFit or an EngineFailure.
    """

    def steps(self) -> AsyncGenerator[Loading | Queued, None]: ...
    @property
    def worker(self) -> Worker: ...


@runtime_checkable
class TellsExactness(Protocol):
    """A place that chose between two engines for what a request asks; known when its steps have ended."""

    exactness: Exactness | None


class Workers(Protocol):
    """Where `turn` gets a loaded worker from.

    Requests for one model are served in the order in which they came, as many at a time as it has slots; it
    is loaded if need be, and not unloaded while the block runs. Entering raises ModelNotFound or QueueFull.
    """

    def place(self, model: str, wish: Wish = ...) -> AbstractAsyncContextManager[Place]: ...


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
    waiting: int = 0  # requests in its line
    engine: str = ""
    measured: Mapping[str, int] = field(default_factory=dict)  # bytes by device of the plan, where known
    why: Phrase | None = None  # it was loaded again, and this is the reason
    reported: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # bytes as the engine tells them
    slots: tuple[SlotState, ...] = ()  # () = the engine does not tell
    keep_alive_s: float = FOREVER  # how long it stays without use
