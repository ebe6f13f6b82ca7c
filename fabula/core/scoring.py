"""What a worker can tell of a text beside writing one: how likely it finds it, and what goes on inside.

Optional seams, as those of `worker`: `isinstance(worker, Scores)` tells whether an engine can do it. Knows no
engine. Log-probabilities are natural logarithms (nats) of the model itself, before any sampler.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from fabula.core.request import ANYONE, Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Choice
from fabula.core.worker import Prompt


@dataclass(frozen=True, slots=True)
class Scored:
    """A text as tokens; the first has nothing before it, and so no probability.

    `logprobs[i]` is that of `ids[i + 1]` after `ids[: i + 1]`, `likeliest[i]` are the likeliest
    tokens there, best first; `texts[i]` is the text of `ids[i]`.
    """

    ids: tuple[int, ...]
    texts: tuple[str, ...]
    logprobs: tuple[float, ...]
    likeliest: tuple[tuple[Choice, ...], ...] = ()

    @property
    def perplexity(self) -> float:
        """e^(mean surprise); 1 for a text of a single token."""
        return math.exp(-sum(self.logprobs) / max(len(self.logprobs), 1))


@dataclass(frozen=True, slots=True)
class Divergence:
    """Two models at one place of a text: KL(first ‖ second) in nats, each one's log-probability of the token
    that follows (None after the last), and whether both find the same token the likeliest."""

    kl: float
    first: float | None
    second: float | None
    same_top: bool


@runtime_checkable
class Scores(Protocol):
    """Both raise ContextExceeded for what is longer than the context."""

    async def score(self, prompt: Prompt, likeliest: int = 0) -> Scored: ...
    async def choices(self, prefix: Prompt, continuations: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """The log-probability of each token of each continuation, all after the same prefix."""
        ...


@runtime_checkable
class Compares(Protocol):
    """Two models read the same text, piece by piece; what the first thinks goes to the second in a file.

    Places count from 0: the row of a place is the distribution over what follows `ids[place]`. The file holds
    log-probabilities, float32 [end − start, vocabulary], and belongs to whoever named it.
    """

    vocabulary: int

    async def keep_rows(self, ids: Sequence[int], start: int, end: int, file: Path) -> None: ...
    async def compare_rows(
        self, ids: Sequence[int], start: int, end: int, file: Path
    ) -> list[Divergence]: ...


Kept = Literal["all", "last", "mean", "squares"]
"""Which rows of a captured tensor come back: every token's, the last one's, their mean, or the sum of their
squares (what an importance matrix is made of)."""


@dataclass(frozen=True, slots=True)
class Captured:
    """float32, little-endian, row by row: [rows, width]. `tokens` were read to make them.

    Squares of what a weight is multiplied with have a row for each matrix that the weight stacks (experts);
    `counts` says how often each was added to.
    """

    rows: int
    width: int
    tokens: int
    data: bytes
    counts: tuple[int, ...] = ()


@runtime_checkable
class Captures(Protocol):
    async def capture(
        self, prompt: Prompt, tensors: Sequence[str], keep: Kept = "all", sampling: Sampling | None = None
    ) -> Mapping[str, Captured]:
        """Named tensors of the engine's graph: `l_out-7` is what layer 7 gives (hidden states), and
        `blk.7.ffn_down.weight:input` what that weight is multiplied with. A `*` stands for anything.

        With a sampling, the adapters and control vectors that it names are in force; without, those of the
        request before.
        """
        ...


@runtime_checkable
class Steers(Protocol):
    async def steer(self, vectors: Mapping[int, Sequence[float]], scale: float = 1.0) -> None:
        """Adds scale · vector [embedding] to what each named layer gives; {} or 0 is the model itself.

        Layers count from 0; the first cannot be steered. Raises BadParameter for a wrong shape or layer.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What may come next after a prompt: `tokens` (ids), the likeliest first, with their `logprobs` (nats, of
    the model itself, before any sampler). There may be fewer than the `vocabulary` has.

    `prompt` are the ids of the prompt, `pieces` the texts of its tokens and of the likeliest ones, as bytes
    that may be cut within a character. A logit is its log-probability and the `offset`; `spread` is the
    standard deviation of all logits. Both are None where nobody told.
    """

    prompt: tuple[int, ...]
    tokens: array[int]
    logprobs: array[float]
    vocabulary: int
    pieces: Mapping[int, bytes]
    offset: float | None = None
    spread: float | None = None


@runtime_checkable
class Foresees(Protocol):
    async def outlook(self, prompt: Prompt, sampling: Sampling, context: Context = ANYONE) -> Outlook:
        """Of the sampling, adapters and control vectors count, and whether its samplers need the offset or
        the spread. What was read stays in the engine's memory, as when a reply is written. Raises
        ContextExceeded."""
        ...
