"""Killed at any moment, quantizing makes the same bytes in the end, and knows them for its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import converting
import dying
import pytest
import quantizing

from fabula.core.errors import BadParameter, ModelExists
from fabula.lab.quantize import job, ordering
from fabula.lab.quantize.job import Wishes
from fabula.models.catalog import Catalog
from fabula.store.home import Home
from fabula.store.job_child import Report


@pytest.fixture
def home(lab: None, tmp_path: Path) -> Home:
    home = Home(tmp_path / "home").create()
    quantizing.make(home.models / "trial-F32.gguf")
    converting.folder(home.models / "tiny", "llama", num_hidden_layers=2)
    return home


def wished(model: str, type_: str, **more: Any) -> Wishes:
    return Wishes(model=model, type=type_, name="new", threads=1, measure=False, **more)


def late(home: Home, wishes: Wishes) -> list[tuple[str, dict[str, str]]]:
    command = [sys.executable, dying.__file__, home.path, json.dumps(wishes.arguments()), "late"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return [(said, shelf) for said, shelf in json.loads(ran.stdout)]


@pytest.mark.parametrize(
    "wishes",
    [
        wished("trial-F32", "Q8_0"),
        wished("trial-F32", "Q8_0", part_size=200_000),
        wished("tiny", "F16"),
        wished("tiny", "Q8_0"),
    ],
    ids=["a file", "several files", "a plain type of a folder", "another type of a folder"],
)
def test_killed_at_any_moment_of_its_end_the_next_one_knows_its_own_model(home: Home, wishes: Wishes) -> None:
    """From before it is put in its place until all is over, and nobody was told."""
    told = late(home, wishes)
    assert len(told) > 3
    assert {said for said, _ in told} == {"over"}
    made = {name for name in told[-1][1] if name.startswith("late") and not name.endswith(".json")}
    assert len(made) == len(told)
    whole = home.models / "whole"
    assert whole.is_dir() == bool(wishes.part_size)


def test_the_same_order_again_finds_what_it_made_as_long_as_it_is_that(home: Home) -> None:
    model, wishes = Catalog(home.models).find("trial-F32"), wished("trial-F32", "Q8_0")
    first = job.run(home, wishes.arguments(), Report())
    before = dying.shelf(home)
    assert job.ask(home, model, wishes) == "Q8_0"
    assert job.run(home, replace(wishes, threads=2).arguments(), Report()) == first | {"again": True}
    assert dying.shelf(home) == before
    for other in (replace(wishes, type="Q6_K"), replace(wishes, part_size=ordering.SMALLEST_PART)):
        with pytest.raises(ModelExists):
            job.ask(home, model, other)
        with pytest.raises(ModelExists):
            job.run(home, other.arguments(), Report())
    file = home.models / "new.gguf"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ModelExists):
        job.run(home, wishes.arguments(), Report())
    file.unlink()
    assert "again" not in job.run(home, wishes.arguments(), Report())
    assert dying.shelf(home)["new.gguf"] == before["new.gguf"]


def test_what_was_made_can_be_measured_later(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    wishes = wished("trial-F32", "Q8_0")
    job.run(home, wishes.arguments(), Report())
    stamp = (home.models / "new.gguf").stat().st_mtime_ns
    monkeypatch.setattr(job, "measured", lambda *_: {"kl": 0.5})
    result = job.run(home, replace(wishes, measure=True).arguments(), Report())
    assert (result["measured"], "again" in result) == ({"kl": 0.5}, False)
    assert (home.models / "new.gguf").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("model", "wishes"),
    [
        ("trial-F32", {"type": "Q8_0", "text": __file__, "measure": False}),
        ("tiny", {"type": "GPTQ", "importance": __file__}),
        ("tiny", {"type": "AWQ", "part_size": ordering.SMALLEST_PART}),
    ],
    ids=["a text that nobody reads", "an importance matrix to GPTQ", "parts of AWQ"],
)
def test_what_would_have_no_effect_is_refused(home: Home, model: str, wishes: dict[str, Any]) -> None:
    """It was left out without a word."""
    with pytest.raises(BadParameter, match="no effect"):
        job.ask(home, Catalog(home.models).find(model), Wishes(model=model, **wishes))
