"""What a quantization costs; importance matrices help; output in parts; nothing half is left."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import quantizing
from probing import ask_only

from fabula.core.errors import DoesNotFit, StoreUnwritable
from fabula.core.plan import DevicePlan, Plan
from fabula.evals.probes import bank
from fabula.lab.directions.folder_engine import FolderEngine
from fabula.lab.quantize import exact, job, ordering, quality
from fabula.lab.quantize.job import Wishes
from fabula.models.catalog import Catalog
from fabula.store.home import Home
from fabula.store.job_child import Cancelled, Report


@pytest.fixture(scope="module")
def home(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """With the starter model and the trial model, a short text to measure over and one to learn from."""
    home = Home(tmp_path_factory.mktemp("cost") / "home").create()
    (home.models / "small.gguf").symlink_to(starter_model)
    quantizing.make(home.models / "trial-F32.gguf")
    english = quality.neutral()[0].text
    (home.path / "text.txt").write_text(english[:1200])
    (home.path / "learn.txt").write_text(english[1200:3000])
    return home


def made(home: Home, type_: str, **wishes: Any) -> dict[str, Any]:
    told = {
        "model": "small",
        "threads": 2,
        "force": True,
        "text": str(home.path / "text.txt"),
        "probes": False,
    }
    return job.run(home, Wishes(type=type_, **told | wishes).arguments(), Report())


# ── what it cost ────────────────────────────────────────────────────────────────────────────────────


def test_parts_are_loaded_by_the_engine_and_what_it_cost_is_kept_beside_them(home: Home) -> None:
    result = made(home, "Q8_0", part_size=50 << 20)
    names = sorted(file.name for file in (home.models / "small-Q8_0").iterdir())
    assert names == [f"small-Q8_0-{n:05}-of-00003.gguf" for n in (1, 2, 3)]
    assert Catalog(home.models).find("small-Q8_0").problem == ""
    measured = result["measured"]
    assert 0 < measured["kl"] < 0.01
    assert measured["same_top"] > 0.9
    assert measured["perplexity"] == pytest.approx(measured["source_perplexity"], rel=0.02)
    kept = json.loads((home.models / "small-Q8_0.quantized.json").read_text())
    assert (kept["measured"], kept["files"]) == (measured, 3)


def test_what_a_coarse_type_unlearned_is_told_probe_by_probe(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_only(monkeypatch, *[name for name in bank.by_id() if name.startswith("en/facts/")][:6])
    (home.path / "short.txt").write_text("The ferry to the island leaves at twenty past seven, as always.")
    wishes = {"name": "coarse", "text": str(home.path / "short.txt"), "probes": True}
    told = made(home, "Q2_K", **wishes)["measured"]["probes"]
    assert (told["asked"], told["left_out"], told["total"]["count"]) == (6, 0, 6)
    assert told["total"]["worse"] + told["total"]["better"] == len(told["flips"])


def test_an_importance_matrix_from_a_text_lowers_the_divergence(home: Home) -> None:
    plain = made(home, "Q4_0", name="plain")["measured"]
    learn = str(home.path / "learn.txt")
    informed = made(home, "Q4_0", name="informed", importance_from=learn)["measured"]
    assert informed["tokens"] == plain["tokens"]
    assert informed["kl"] < plain["kl"]


def test_a_model_that_cannot_be_loaded_twice_is_compared_through_the_disk(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.path / "few.txt").write_text(
        "The ferry to the island leaves at twenty past seven, as on all mornings."
    )
    few = str(home.path / "few.txt")
    both = made(home, "Q4_0", name="both", text=few)["measured"]

    async def never(*_: object) -> bool:
        return False

    monkeypatch.setattr(exact.Engine, "fits_beside", never)
    one = made(home, "Q4_0", name="one", text=few)["measured"]
    assert one["kl"] == pytest.approx(both["kl"], rel=1e-3)
    assert not list((home.models / ".quantize").glob("*compare-*"))


def test_where_it_cannot_be_measured_the_model_is_there_and_the_reason_is_told(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise DoesNotFit("small", 2 << 30, 1 << 30, 512)

    monkeypatch.setattr(exact.Engine, "plan", refuses)
    result = made(home, "Q5_0", name="alone")
    assert result["measured"]["error"]["code"] == "does_not_fit"
    assert (home.models / "alone.gguf").exists()


@pytest.mark.parametrize("engine", [exact.Engine, FolderEngine])
def test_what_is_short_of_memory_is_named_as_the_plan_has_it(
    home: Home, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All devices together have room enough, and that was told: 5 GiB where there are 11."""
    parts = {"kv": 0, "compute": 0}
    devices = (
        DevicePlan(name="GPU 0", weights=4 << 30, available=3 << 30, **parts),
        DevicePlan(name="host", weights=1 << 30, available=8 << 30, **parts),
    )
    told = {"verdict": "no", "context": 512, "slots": 1, "gpu_layers": 9, "threads": 2, "devices": devices}
    plan = Plan(model="trial-F32", tier="rough", **told)
    monkeypatch.setattr(engine, "plan", lambda *_: plan)
    model = Catalog(home.models).find("trial-F32")

    async def load() -> None:
        async with engine.of(home).load(model, 512):
            pass

    with pytest.raises(DoesNotFit) as error:
        asyncio.run(load())
    assert (error.value.needed, error.value.available) == (4 << 30, 3 << 30)


def test_a_job_that_was_cut_off_while_it_measured_goes_on_there(home: Home) -> None:
    with pytest.raises(Cancelled):
        job.run(home, Wishes(model="trial-F32", type="Q8_0", probes=False).arguments(), StopsMeasuring())
    assert (home.models / "trial-Q8_0.gguf").exists()
    stamp = (home.models / "trial-Q8_0.gguf").stat().st_mtime_ns
    result = job.run(home, Wishes(model="trial-F32", type="Q8_0", probes=False).arguments(), Report())
    assert "measured" in result
    assert (home.models / "trial-Q8_0.gguf").stat().st_mtime_ns == stamp
    again = job.run(home, Wishes(model="trial-F32", type="Q8_0", probes=False).arguments(), Report())
    assert again == result | {"again": True}


class StopsMeasuring(Report):
    def progress(self, done: float, total: float = 0, unit: str = "", note: str = "") -> None:
        super().progress(done, total, unit, note)
        if unit == "tokens":
            self.cancel()


def test_the_texts_are_in_three_languages_without_broken_lines() -> None:
    texts = {text.name: text.text for text in quality.neutral()}
    assert list(texts) == ["en", "zh-Hant", "zh-Hans"]
    assert "the baker's daughter sits" in texts["en"].replace("The", "the")
    for text in texts.values():
        assert all(len(part) > 20 and "\n" not in part for part in text.split("\n\n") if "?" not in part)


# ── nothing half is left ────────────────────────────────────────────────────────────────────────────

KILLED = """
import sys
from pathlib import Path
from fabula.lab.quantize import job, ledger, ordering, work
from fabula.store.home import Home
from fabula.store.job_child import Report

work.VALUES, ledger.NOTE_S = 1 << 12, 0.0

class Waits(Report):
    def progress(self, done, total=0, unit="", note=""):
        if total and done > total / 2:
            print("half", flush=True)
            sys.stdin.read()

asked = job.Wishes(model="trial-F32", type="Q6_K", threads=1, measure=False, part_size=int(sys.argv[2]))
ordering.SMALLEST_PART = 1
job.run(Home(Path(sys.argv[1])), asked.arguments(), Waits())
"""


@pytest.mark.parametrize("part_size", [0, 200_000])
def test_killed_at_any_moment_it_leaves_no_model_and_goes_on_later(
    home: Home, part_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordering, "SMALLEST_PART", 1)
    command = [sys.executable, "-c", KILLED, str(home.path), f"{part_size}"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout
    assert child.stdin
    assert child.stdout.readline() == b"half\n"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    left = home.models / ".quantize" / "trial-Q6_K.compare-x"  # as of one that was killed while it measured
    left.mkdir()
    assert not [path for path in home.models.iterdir() if path.name.startswith("trial-Q6_K")]
    asked = Wishes(model="trial-F32", type="Q6_K", threads=2, measure=False, part_size=part_size)
    result = job.run(home, asked.arguments(), Report())
    assert (result["files"] > 1) == bool(part_size)
    assert not left.exists()
    assert Catalog(home.models).find("trial-Q6_K").problem == ""
    Catalog(home.models).remove("trial-Q6_K")
    assert not [path for path in home.models.iterdir() if path.name.startswith("trial-Q6_K")]


def test_a_disk_that_takes_no_more_leaves_no_model(home: Home) -> None:
    with files_of_at_most(100_000), pytest.raises(StoreUnwritable):
        job.run(home, Wishes(model="trial-F32", type="Q5_K_M", measure=False).arguments(), Report())
    assert not list(home.models.glob("trial-Q5_K_M*"))
    job.run(home, Wishes(model="trial-F32", type="Q5_K_M", measure=False).arguments(), Report())


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As a disk that is full: writing more fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
