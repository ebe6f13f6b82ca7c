"""What a search measures of a model, with an engine that answers from a table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fabula.core.errors import PromptsUnusable
from fabula.core.sampling import Sampling
from fabula.core.scoring import Captured, Divergence
from fabula.core.stream import Token
from fabula.core.worker import Prompt
from fabula.lab.directions.search.meter import Meter, Sets

SETS = Sets(wanted=("glad?", "merry?"), other=("sad?", "grim?"), harmless=("plain?",), tokens=3)
ALONG = {7: 10.0, 8: 2.0, 9: 4.0}
"""What a token means along the direction; the first of a reply is left out."""
EDITED = Path("edited.gguf")


class Worker:
    """Cheerful (7) where cheer is asked for, gloomy (8) elsewhere; with an adapter it writes `edited`."""

    vocabulary = 16

    def __init__(self, edited: Sequence[int] = (9, 9, 9), own: Sequence[int] = (7, 7, 7)) -> None:
        self.edited, self.own = tuple(edited), tuple(own)
        self.worn: Path | None = None
        self.kept: list[tuple[tuple[int, ...], int, int]] = []

    async def wear(self, file: Path | None) -> None:
        self.worn = file

    async def tokenize(self, prompt: Prompt) -> list[int]:
        return [1] * len(prompt.pieces[0])

    async def detokenize(self, ids: Sequence[int]) -> str:
        return " ".join(map(str, ids))

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Token]:
        assert (sampling.temperature, sampling.max_tokens) == (0, SETS.tokens)
        said = self.own if prompt.pieces[0] in SETS.wanted else (8, 8, 8)
        for id in self.edited if self.worn else said:
            yield Token("x", (id,))

    async def capture(self, prompt: Prompt, tensors: Sequence[str], keep: str) -> dict[str, Captured]:
        assert (self.worn, keep) == (None, "all")  # replies are read by the model as it is
        rows = np.array([[ALONG[int(id)], 5.0] for id in prompt.pieces[0]], "<f4")
        rows[0] = 1000.0
        return {tensors[0]: Captured(len(rows), 2, len(rows), rows.tobytes())}

    async def keep_rows(self, ids: Sequence[int], start: int, end: int, file: Path) -> None:
        assert self.worn is None
        self.kept.append((tuple(ids), start, end))

    async def compare_rows(self, ids: Sequence[int], start: int, end: int, file: Path) -> list[Divergence]:
        return [Divergence(0.25 * place, None, None, True) for place in range(start, end)]


def meter(worker: Worker, folder: Path, goal: Any = "remove") -> Meter:
    stand_in: Any = worker
    return Meter(stand_in, SETS, goal, np.array([1.0, 0.0]), 4, folder)


async def test_the_trait_is_told_between_what_the_model_writes_to_either_side(tmp_path: Path) -> None:
    worker = Worker()
    asked = meter(worker, tmp_path)
    start = await asked.begin()
    assert start["replies"] == ["7 7 7", "8 8 8"]
    found = await asked.measure(EDITED)
    assert found is not None
    assert (found.trait, found.spread, found.reply) == (0.25, 0.0, "9 9 9")  # 4 between 2 and 10
    as_it_is = await asked.measure(None)
    assert as_it_is is not None
    assert as_it_is.trait == 1.0


async def test_to_strengthen_a_trait_its_opposite_is_asked_for(tmp_path: Path) -> None:
    asked = meter(Worker(), tmp_path, "strengthen")
    await asked.begin()
    as_it_is = await asked.measure(None)
    assert as_it_is is not None
    assert as_it_is.trait == 0.0


async def test_the_cost_is_of_every_token_of_the_reply_and_of_none_of_the_prompt(tmp_path: Path) -> None:
    worker = Worker()
    asked = meter(worker, tmp_path)
    await asked.begin()
    prompt = len("plain?")
    assert worker.kept == [((1,) * prompt + (8, 8, 8), prompt - 1, prompt + 2)]
    found = await asked.measure(EDITED)
    assert found is not None
    assert found.kl == pytest.approx(0.25 * prompt)


async def test_a_model_that_falls_silent_has_no_figures(tmp_path: Path) -> None:
    asked = meter(Worker(edited=(9,)), tmp_path)
    await asked.begin()
    assert await asked.measure(EDITED) is None


async def test_a_model_that_writes_nothing_as_it_is_cannot_be_measured(tmp_path: Path) -> None:
    with pytest.raises(PromptsUnusable, match="0 replies of two tokens"):
        await meter(Worker(own=()), tmp_path).begin()
