"""Two models compared: in turns where both fit, over the disk where they do not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import scoring_worker
from scoring_worker import ScoringWorker

from fabula.core.errors import NoDiskSpace
from fabula.core.load import NO_WISH, Wish
from fabula.core.model import LocalModel
from fabula.engine.scoring import CHUNK, Scoring

TEXT = "one two " * 60  # 240 tokens


class Room:
    """Stands for `Beside`: says whether both fit, and keeps who was in use at a time."""

    def __init__(self, *, fits: bool) -> None:
        self.fits, self.used, self.most = fits, list[str](), 0
        self.workers: dict[str, ScoringWorker] = {}
        self._now = 0

    @asynccontextmanager
    async def exact(
        self, model: str, wish: Wish = NO_WISH, *, swap: bool = False
    ) -> AsyncIterator[ScoringWorker]:
        self.used.append(model)
        self._now += 1
        self.most = max(self.most, self._now)
        yield self.workers.setdefault(model, scoring_worker.make(named(model)))
        self._now -= 1

    async def fits_beside(self, model: str, wish: Wish = NO_WISH) -> bool:
        return self.fits


def named(name: str) -> LocalModel:
    return LocalModel(name=name, path=Path(name), size=1, vocabulary=2)


async def test_two_that_fit_read_in_turns(tmp_path: Path) -> None:
    room = Room(fits=True)
    made = await Scoring(room, tmp_path).compare(named("a"), named("b"), TEXT)
    assert (made.tokens, len(made.rows), made.on_disk, room.most) == (240, 240, 0, 2)
    assert CHUNK < 240
    assert made.kl == 0.25


async def test_two_that_do_not_are_never_loaded_together_and_the_bytes_are_told(tmp_path: Path) -> None:
    room = Room(fits=False)
    made = await Scoring(room, tmp_path).compare(named("a"), named("b"), TEXT)
    assert (room.used, room.most) == (["a", "b"], 1)
    assert made.on_disk == 4 * 2 * 240
    assert list(tmp_path.iterdir()) == []


async def test_a_model_against_itself_is_loaded_once(tmp_path: Path) -> None:
    room = Room(fits=False)
    made = await Scoring(room, tmp_path).compare(named("a"), named("a"), TEXT)
    assert (room.used, made.on_disk) == (["a"], 0)


async def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path) -> None:
    room = Room(fits=False)
    room.workers["a"] = scoring_worker.make(named("a"))
    room.workers["a"].vocabulary = 1 << 60
    with pytest.raises(NoDiskSpace):
        await Scoring(room, tmp_path).compare(named("a"), named("b"), TEXT)
    assert list(tmp_path.iterdir()) == []
