"""The starter model is asked a few probes: by the exact engine, alone and before and after a quantization."""

from __future__ import annotations

from pathlib import Path

import pytest
from probing import ask_only

from fabula.app import kinds
from fabula.evals.probes import bank, job
from fabula.lab.quantize.exact import Engine
from fabula.models.catalog import Catalog
from fabula.store.home import Home
from fabula.store.job_child import Cancelled, Report

FEW = ("en/facts/france", "en/facts/planet", "en/sums/apples", "en/reading/keys", "zh-Hans/facts/japan")


@pytest.fixture(scope="module")
def home(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("probes") / "home").create()
    (home.models / "small.gguf").symlink_to(starter_model)
    return home


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    ask_only(monkeypatch, *FEW)


def test_asked_twice_the_starter_answers_the_same(home: Home) -> None:
    arguments = job.Wishes(model="small", against="small").arguments()
    told = kinds.KINDS[job.KIND](home, arguments, Report())
    assert (told["model"], told["against"], told["asked"], told["left_out"]) == ("small", "small", 5, 0)
    assert (told["flips"], told["total"]["p"]) == ([], 1)
    assert next(row for row in told["groups"] if row["group"] == "facts")["before"]["right"] == 3


async def test_its_progress_is_told_and_a_cancelled_job_ends(home: Home) -> None:
    class Stops(Report):
        def progress(self, done: float, total: float = 0, unit: str = "", note: str = "") -> None:
            super().progress(done, total, unit, note)
            if done == 2:
                assert (total, unit, note) == (5, "probes", job.ASKING)
                self.cancel()

    model = Catalog(home.models).find("small")
    with pytest.raises(Cancelled):
        await job.score(model, Engine.of(home, 2), bank.probes(), Stops())
