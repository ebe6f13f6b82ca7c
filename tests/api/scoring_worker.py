"""A scripted worker that scores: every token has the same log-probability. Knows no engine."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from fabula.core.model import LocalModel
from fabula.core.scoring import Divergence, Scored
from fabula.core.stream import Choice
from fabula.core.worker import Prompt
from fabula.engine.scripted import ScriptedWorker

LOGPROB = -0.5


class ScoringWorker(ScriptedWorker):
    """Also Scores and Compares; the two rows that it keeps are numbers of tokens."""

    vocabulary = 2

    async def score(self, prompt: Prompt, likeliest: int = 0) -> Scored:
        ids = tuple(await self.tokenize(prompt))
        texts = tuple([await self.detokenize([id]) for id in ids])
        best = tuple(Choice(n, f"w{n}", LOGPROB * n) for n in range(likeliest))
        return Scored(ids, texts, (LOGPROB,) * (len(ids) - 1), (best,) * (len(ids) - 1) if likeliest else ())

    async def choices(self, prefix: Prompt, continuations: Sequence[Prompt]) -> list[tuple[float, ...]]:
        return [(LOGPROB,) * len(await self.tokenize(continuation)) for continuation in continuations]

    async def keep_rows(self, ids: Sequence[int], start: int, end: int, file: Path) -> None:
        file.write_bytes(struct.pack(f"<{self.vocabulary * (end - start)}f", *(0.0,) * 2 * (end - start)))

    async def compare_rows(self, ids: Sequence[int], start: int, end: int, file: Path) -> list[Divergence]:
        assert file.stat().st_size == 4 * self.vocabulary * (end - start)
        return [Divergence(0.25, LOGPROB, 2 * LOGPROB, place % 2 == 0) for place in range(start, end)]


def make(model: LocalModel) -> ScoringWorker:
    return ScoringWorker(["One two three."])
