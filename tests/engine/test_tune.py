"""Tuning with the real engine: the shape of what it finds, and that it is used. Never how fast it is."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from fabula.app import Studio
from fabula.core.load import LoadOptions
from fabula.core.sampling import Sampling
from fabula.core.stream import Token
from fabula.core.worker import Prompt
from fabula.engine.tune import job as tune_job
from fabula.engine.tune.job import Wishes
from fabula.store import settings
from fabula.store.database import Database
from fabula.store.home import Home
from fabula.store.job_child import Cancelled, Report
from fabula.store.locks import lock_file

SMALL = LoadOptions(context=512, slots=1, threads=2)


@pytest.fixture
def home(starter_model: Path, tmp_path: Path) -> Home:
    """A home with the starter model and a database."""
    home = Home(tmp_path / "home").create()
    shutil.copy(starter_model, home.models / starter_model.name)
    database = Database(home.database)
    database.open()
    database.close()
    return home


def wishes(**changes: object) -> dict[str, object]:
    plain = {"model": "", "options": {"context": 512, "slots": 1}, "budget_s": 5.0, "anyway": True}
    return Wishes(**(plain | changes)).arguments()  # type: ignore[arg-type]


def name_of(home: Home) -> str:
    return next(home.models.glob("*.gguf")).stem


def stored(home: Home) -> dict[str, Any] | None:
    studio = Studio(home)
    tuning = studio.planning.tuning(studio.find_model(""))
    studio.database.close()
    return tuning and tuning.report


def hours() -> Callable[[], float]:
    """A clock on which every look is an hour later."""
    return partial(next, itertools.count(0.0, 3600.0))


def test_a_short_tuning_is_stored_with_all_that_it_measured(home: Home) -> None:
    report = Report()
    result = tune_job.run(home, wishes(model=name_of(home)), report)
    assert result["stored"]
    assert not result["busy"]
    assert result["start"]["read"] > 0
    assert {cell["axis"] for cell in result["cells"]} <= {
        *("threads", "batch", "flash_attention", "confirm", "speculation")
    }
    assert set(result["options"]) <= {"threads", "batch", "flash_attention", "speculation"}
    assert (report.current.unit, report.current.total) == ("seconds", 5.0)
    studio = Studio(home)
    tuning = studio.planning.tuning(studio.find_model(""))
    studio.database.close()
    assert tuning is not None
    assert tuning.report == result
    assert tuning.options.said() == result["options"]


def test_what_a_person_has_set_is_not_searched(home: Home) -> None:
    options = {"context": 512, "slots": 1, "threads": 1, "batch": 64, "flash_attention": "on"}
    result = tune_job.run(home, wishes(model=name_of(home), options=options), Report())
    assert {cell["axis"] for cell in result["cells"]} <= {"speculation"}
    assert result["set"] == ["threads", "batch", "flash_attention"]


def test_one_that_compared_nothing_takes_no_other_ones_place(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tune_job.run(home, wishes(model=name_of(home)), Report())
    monkeypatch.setattr(tune_job, "tune", partial(tune_job.tune, clock=hours()))
    second = tune_job.run(home, wishes(model=name_of(home)), Report())
    assert (second["cells"], second["stored"]) == ([], False)
    assert stored(home) == first


def test_two_measure_one_after_the_other(home: Home) -> None:
    reports = [Report(), Report()]
    with lock_file(home.jobs / "tune.lock"):
        one = threading.Thread(target=tune_job.run, args=(home, wishes(model=name_of(home)), reports[0]))
        one.start()
        until(lambda: reports[0].current.note == "jobs.tune.turn")
        reports[1].cancel()
        with pytest.raises(Cancelled):
            tune_job.run(home, wishes(model=name_of(home)), reports[1])
        assert stored(home) is None
    one.join()
    assert stored(home) is not None


def test_a_cancelled_tuning_ends_soon_and_stores_nothing(home: Home) -> None:
    report = Report()
    threading.Timer(1.0, report.cancel).start()
    with pytest.raises(Cancelled):
        tune_job.run(home, wishes(model=name_of(home), budget_s=600.0), report)
    studio = Studio(home)
    assert studio.planning.tuning(studio.find_model("")) is None
    studio.database.close()


async def test_what_was_stored_is_used_at_the_next_load_and_a_persons_wish_goes_before_it(home: Home) -> None:
    settings.save(home, {"engine.context": 512, "engine.slots": 1})
    studio = Studio(home)
    await studio.open()
    model = studio.find_model("")
    found = LoadOptions(threads=1, batch=64, speculation="ngram")
    studio.tunings.save(studio.planning.tuning_key(model), found, {})
    loaded = await studio.supervisor.load(model.name)
    assert (loaded.plan.threads, loaded.plan.options.batch, loaded.plan.options.speculation) == (
        1,
        64,
        "ngram",
    )
    assert (
        "threads = 1, batch = 64, speculation = ngram" in [note.say("en") for note in loaded.plan.reasons][-1]
    )
    studio.shelf.set(model, SMALL)
    plan = studio.planning.plan(model)
    assert (plan.threads, plan.options.batch) == (2, 64)
    studio.measuring.forget(model)
    assert studio.planning.plan(model).options.batch is None
    await studio.close()


async def test_a_request_ends_what_is_measured_in_the_background(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.save(home, {"engine.context": 512, "engine.slots": 1})
    studio = Studio(home)
    monkeypatch.setattr(studio.background, "_quiet_s", 0.0)
    monkeypatch.setattr(studio.background, "_is_idle", _yes)
    await studio.open()
    model = studio.find_model("")
    looking = asyncio.create_task(studio.background.look())
    while not await studio.measuring.is_at_work():
        await asyncio.sleep(0.05)
    async with studio.supervisor.lease(model.name):
        assert await looking == model.name
    [job] = await studio.jobs.list()
    await _ended(studio, job.id)
    assert (await studio.jobs.get(job.id)).state == "cancelled"
    assert await studio.measuring.unmeasured([model.name]) == [model.name]
    await studio.close()


async def _yes() -> bool:
    return True


async def test_what_is_turned_off_is_not_measured(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.save(home, {"engine.auto_tune": False})
    studio = Studio(home)
    monkeypatch.setattr(studio.background, "_quiet_s", 0.0)
    monkeypatch.setattr(studio.background, "_is_idle", _yes)
    await studio.open()
    assert await studio.background.look() == ""
    await studio.close()


async def _ended(studio: Studio, id: str) -> None:
    async for item in studio.events.follow(f"job/{id}", 0):
        if item.kind == "end":
            return


PROMPTS = (
    "The cup is in the kitchen. The lamp is in the kitchen. The cup is in the kitchen. The lamp is",
    "海は青い。空も青い。海は青い。空も",
    "Once upon a time in a small village by the sea",
)


async def test_speculation_writes_the_same_ids(home: Home) -> None:
    """Deltas come in bursts then, which the reader has to take apart as it does one by one."""
    studio = Studio(home)
    await studio.open()
    model = studio.find_model("")
    texts = []
    for speculation in ("none", "ngram"):
        studio.shelf.set(model, LoadOptions(context=512, slots=1, threads=2, speculation=speculation))
        await studio.supervisor.unload(model.name)
        async with studio.supervisor.lease(model.name) as worker:
            texts.append([await _written(worker, prompt) for prompt in PROMPTS])
    assert texts[0] == texts[1]
    await studio.close()


async def _written(worker: object, prompt: str) -> list[tuple[str, tuple[int, ...]]]:
    sampling = Sampling(temperature=0, max_tokens=48, ignore_eos=True, stop=("zzz",))
    stream = worker.stream(Prompt((prompt,)), sampling)  # type: ignore[attr-defined]
    return [(delta.text, delta.ids) async for delta in stream if isinstance(delta, Token)]
