"""What a way to use a direction does to a model, and what it costs. Knows an engine; no weights, no search.

The model answers prompts of the direction's own held-out part, and what it wrote is then read by the model as
it is: the mean over a reply, along the direction, tells how much of the trait it has. The cost is KL over
replies of the unedited model to harmless prompts. Words are the likeliest ones, so that the same adapter
gives the same figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import PromptsUnusable
from fabula.core.sampling import Sampling
from fabula.core.scoring import Divergence
from fabula.core.stream import Token
from fabula.core.texts import phrase
from fabula.core.worker import Prompt
from fabula.engine.direct.worker import DirectWorker
from fabula.lab.directions import maths
from fabula.lab.directions.from_gguf import LAYER
from fabula.lab.directions.search.recipe import Goal
from fabula.store.files import require_space

SPARE = 64 << 20  # bytes of the disk that stay free
FEWEST = 2  # tokens of a reply that can be read; replies of either side that are needed
SHOWN = 300  # characters of a reply that is kept

Ids = tuple[int, ...]
Step = Callable[[], None]
"""Called after each prompt."""


@dataclass(frozen=True, slots=True)
class Sets:
    """Texts as the model reads them: prompts that ask for the trait, for its opposite, and harmless ones."""

    wanted: tuple[str, ...]
    other: tuple[str, ...]
    harmless: tuple[str, ...]
    tokens: int  # of a reply

    def asked(self, goal: Goal) -> tuple[str, ...]:
        """What shows whether the trait is gone, or whether it is there unasked."""
        return self.wanted if goal == "remove" else self.other


@dataclass(frozen=True, slots=True)
class Measured:
    trait: float
    spread: float
    kl: float
    reply: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """A reply of the unedited model, and its log-probabilities in a file."""

    ids: Ids
    start: int
    end: int
    file: Path


@dataclass(slots=True)
class Meter:
    """`direction` [width] at `layer`. `folder` holds what the unedited model thinks, while this is open."""

    worker: DirectWorker
    sets: Sets
    goal: Goal
    direction: NDArray[np.float64]
    layer: int
    folder: Path
    step: Step = lambda: None
    _kept: list[_Kept] = field(default_factory=list)
    _ends: tuple[float, float] = (0.0, 1.0)  # along the direction: without the trait, with it

    async def begin(self) -> dict[str, Any]:
        """Measures the unedited model: `separation` is d′ of what it writes to either side, `replies` are
        one of each. Raises PromptsUnusable where it writes nothing."""
        await self.worker.wear(None)
        wanted, other = await self._replies(self.sets.wanted), await self._replies(self.sets.other)
        sides = [np.array(await self._read(replies)) for replies in (wanted, other)]
        for name, side in zip(("positive", "negative"), sides, strict=True):
            if len(side) < FEWEST:
                reason = phrase("lab.directions.search.silent", count=len(side), needed=FEWEST)
                raise PromptsUnusable(name, reason)
        self._ends = float(sides[1].mean()), float(sides[0].mean())
        await self._keep()
        replies = [await self._text(one[0]) for one in (wanted, other)]
        prompts = [self.sets.wanted[0], self.sets.other[0]]
        return {"separation": maths.separation(*sides), "replies": replies, "prompts": prompts}

    async def _keep(self) -> None:
        room = len(self.sets.harmless) * self.sets.tokens * self.worker.vocabulary * 4
        require_space(self.folder, room + SPARE)
        for number, text in enumerate(self.sets.harmless):
            head = tuple(await self.worker.tokenize(Prompt((text,))))
            said = await self._reply(text)
            if said:
                end = len(head) + len(said) - 1
                one = _Kept(head + said, len(head) - 1, end, self.folder / f"rows.{number}")
                await self.worker.keep_rows(one.ids, one.start, one.end, one.file)
                self._kept.append(one)
            self.step()
        if not self._kept:
            raise PromptsUnusable("harmless", phrase("lab.directions.search.silent", count=0, needed=1))

    async def measure(self, adapter: Path | None) -> Measured | None:
        """With an adapter; None where the model writes nothing with it that could be read."""
        await self.worker.wear(adapter)
        rows: list[Divergence] = []
        for one in self._kept:
            rows += await self.worker.compare_rows(one.ids, one.start, one.end, one.file)
            self.step()
        replies = await self._replies(self.sets.asked(self.goal))
        await self.worker.wear(None)
        along = np.array(await self._read(replies))
        kl = float(np.mean([row.kl for row in rows]))
        if not len(along) or not np.isfinite(kl):
            return None
        shares = (along - self._ends[0]) / _away(self._ends[1] - self._ends[0])
        spread = float(shares.std() / len(shares) ** 0.5)
        return Measured(float(shares.mean()), spread, kl, await self._text(replies[0]))

    async def _replies(self, texts: Sequence[str]) -> list[Ids]:
        found = []
        for text in texts:
            found.append(await self._reply(text))
            self.step()
        return found

    async def _reply(self, text: str) -> Ids:
        sampling = Sampling(temperature=0, max_tokens=self.sets.tokens)
        found: list[int] = []
        async for delta in self.worker.stream(Prompt((text,)), sampling):
            if isinstance(delta, Token):
                found += delta.ids
        return tuple(found)

    async def _read(self, replies: Sequence[Ids]) -> list[float]:
        """Along the direction, the mean of each reply that has enough tokens, read without its prompt. The
        first token is left out: every model makes a mark there that no text has."""
        first = tuple(await self.worker.tokenize(Prompt(("",))))[:1]
        name, found = f"{LAYER}{self.layer}", []
        for ids in replies:
            if len(ids) < FEWEST:
                continue
            asked = Prompt((first + ids,), add_special=False)
            seen = (await self.worker.capture(asked, [name], "all"))[name]
            rows = np.frombuffer(seen.data, "<f4").reshape(seen.rows, seen.width).astype(np.float64)
            found.append(float((rows[1:] @ self.direction).mean()))
            await asyncio.sleep(0)
        return found

    async def _text(self, ids: Ids) -> str:
        return (await self.worker.detokenize(ids)).strip()[:SHOWN] if ids else ""


def _away(distance: float) -> float:
    """Never nothing."""
    return distance if abs(distance) > maths.TINY else maths.TINY
