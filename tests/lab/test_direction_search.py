"""A search over layers and strengths: exact adapters, a seed that decides, and trials that survive a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models

from fabula.core.errors import BadParameter, PromptsUnusable
from fabula.lab.convert.convert import convert, folder_of
from fabula.lab.directions import learn, lora, offer
from fabula.lab.directions.recipe import Recipe, load
from fabula.lab.directions.saved import Shelf
from fabula.lab.directions.search import job, products, space
from fabula.lab.directions.search.recipe import Searching
from fabula.lab.directions.search.trials import Trial
from fabula.lab.directions.use import Ramp, Use
from fabula.lab.directions.weights import open_weights
from fabula.models.formats.folders import identify_folder
from fabula.store.home import Home
from fabula.store.job_child import Cancelled, Report

TRIALS = space.RANDOM + 3  # so that some follow from those before


@pytest.fixture(scope="module")
def home(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """With a tiny Llama in GGUF, and a direction that was learned from it."""
    import converting

    home = Home(tmp_path_factory.mktemp("search") / "home").create()
    sizes = {"num_hidden_layers": 4, "max_position_embeddings": 256}
    folder = folder_of(identify_folder(converting.folder(home.models / "tiny", "llama", **sizes)))
    convert(folder, home.models / "tiny-F32.gguf", "F32", lambda done, total: None)
    told = {"model": "tiny-F32", "positive": "formal-casual", "name": "trait", "limit": 9, "threads": 1}
    learn.run(home, Recipe.of(told).arguments(), Report())
    return home


def wishes(**told: Any) -> dict[str, Any]:
    few = {"trials": TRIALS, "prompts": 2, "tokens": 4, "threads": 1}
    return Searching.of({"direction": "trait", "model": "tiny-F32", **few, **told}).arguments()


@pytest.fixture(scope="module")
def whole(home: Home) -> dict[str, Any]:
    """A search that nothing interrupted."""
    return job.run(home, wishes(), Report())


def same(result: dict[str, Any]) -> list[dict[str, Any]]:
    """All of the trials but how long each took."""
    return [{name: value for name, value in one.items() if name != "seconds"} for one in result["trials"]]


def test_every_trial_is_told_with_its_parameters_and_the_front(whole: dict[str, Any], home: Home) -> None:
    assert [one["number"] for one in whole["trials"]] == list(range(TRIALS))
    assert whole["front"]
    heard = [one for one in whole["trials"] if not one["is_silent"]]
    assert all(one["kl"] >= 0 and one["use"]["mlp_ramp"] for one in heard)
    assert len({json.dumps(one["parameters"]) for one in heard}) == len(heard)
    assert [plot["kind"] for plot in whole["plots"]] == ["pareto"]
    assert len(whole["start"]["replies"]) == 2
    kept = list((home.directions / job.WORK).glob("*/*"))
    assert {file.name for file in kept} <= {"trials.jsonl", "lock"}


def test_the_recipe_that_is_left_tells_the_same_again(whole: dict[str, Any], home: Home) -> None:
    again = Searching.of(load(home.directions / "trait.remove.search.yaml"))
    assert again.hash == whole["recipe_hash"]
    assert job.run(home, again.arguments(), Report()) == whole  # all trials are there


CHILD = """
import json, os, sys
from pathlib import Path
from fabula.lab.directions.search import job
from fabula.lab.directions.search.trials import Journal
from fabula.store.home import Home
from fabula.store.job_child import Report
class Dies(Report):
    def progress(self, done, total=0, unit="", *told):
        if unit == "trials" and done > float(sys.argv[2]):
            os.kill(os.getpid(), 9)
job.run(Home(Path(sys.argv[1])), json.loads(sys.argv[3]), Dies())
"""


def test_killed_in_the_middle_of_trials_it_makes_the_trials_of_one_run(
    home: Home, whole: dict[str, Any]
) -> None:
    file = home.directions / job.WORK / job.mark(job.task(home, Searching.of(wishes())))[:16] / "trials.jsonl"
    assert file.read_bytes().count(b"\n") == TRIALS + 1  # and the model as it is
    file.unlink()
    for at in (4.3, space.RANDOM + 1.3):  # while they are drawn, and while they follow from those before
        run = subprocess.run(
            [sys.executable, "-c", CHILD, str(home.path), str(at), json.dumps(wishes())],
            capture_output=True,
            check=False,
        )
        assert run.returncode == -signal.SIGKILL, run.stderr
        assert file.read_bytes().count(b"\n") == int(at) + 1
    assert same(job.run(home, wishes(), Report())) == same(whole)


def test_more_trials_go_on_where_fewer_ended(home: Home, whole: dict[str, Any]) -> None:
    longer = job.run(home, wishes(trials=TRIALS + 1), Report())
    assert same(longer)[:TRIALS] == same(whole)
    assert longer["recipe_hash"] != whole["recipe_hash"]


def test_another_seed_tries_other_things_and_a_cancelled_search_keeps_its_trials(home: Home) -> None:
    class Stops(Report):
        def progress(self, done: float, total: float = 0, unit: str = "", note: str = "") -> None:
            if unit == "trials" and done >= 3:
                self.cancel()
            super().progress(done, total, unit, note)

    with pytest.raises(Cancelled):
        job.run(home, wishes(seed=2), Stops())
    found = job.run(home, wishes(seed=2, trials=3), Report())
    assert [one["seed"] for one in found["trials"]] == [space.seed_of(2, number) for number in range(3)]
    other = job.run(home, wishes(trials=3), Report())
    assert found["trials"][2]["parameters"] != other["trials"][2]["parameters"]


def test_a_trial_is_the_adapter_that_exporting_it_makes(home: Home, whole: dict[str, Any]) -> None:
    """What was measured is what a person gets."""
    best = whole["trials"][whole["front"][-1]]
    told = offer.Exporting.of({"direction": "trait", "model": "tiny-F32", "name": "picked", **best["use"]})
    made = offer.run(home, told.arguments(), Report())
    assert made["left"] == []
    assert made["name"] == "picked"
    asked = job.task(home, Searching.of(wishes()))
    use = job.chosen(asked, best["parameters"]).use
    assert use == told.use


def test_a_trait_can_be_strengthened_in_one_part_alone(home: Home) -> None:
    found = job.run(home, wishes(goal="strengthen", attention=False, trials=3), Report())
    assert all(one["use"]["mlp_ramp"]["peak"] <= 0 and not one["use"]["attention"] for one in found["trials"])
    assert found["plots"][0]["y"]["best"] == "high"


def test_what_cannot_be_searched_is_refused_before_anything_begins(home: Home) -> None:
    with pytest.raises(BadParameter):
        job.task(home, Searching.of(wishes(model="tiny")))  # a folder
    with pytest.raises(PromptsUnusable):
        job.task(home, Searching.of(wishes(harmless="/no/such/file")))
    own = home.path / "own.txt"
    own.write_text("\n".join(f"Question {number}?" for number in range(9)), encoding="utf-8")
    asked = job.task(home, Searching.of(wishes(harmless=str(own))))
    assert "Question 1?" in asked.sets.harmless[1]
    assert not set(asked.sets.wanted) & set(asked.sets.other)


# ── what is tried ───────────────────────────────────────────────────────────────────────────────────


def told(asked: space.Space, count: int) -> list[Trial]:
    """Trials whose figures are best where the peak is half and the layer low."""
    found: list[Trial] = []
    for number in range(count):
        parameters = space.proposed(asked, found, space.seed_of(1, number))
        away = abs(parameters["mlp_peak"] - 0.5) + parameters["layer"] / 30
        found.append(Trial(number=number, seed=0, parameters=parameters, trait=away, kl=0.01 + away))
    return found


def test_what_comes_next_follows_from_the_trials_before_and_the_seed() -> None:
    asked = space.Space(30, "remove", ("mlp",))
    before = told(asked, space.RANDOM + 4)
    assert space.proposed(asked, before, 9) == space.proposed(asked, list(before), 9)
    assert space.proposed(asked, before, 9) != space.proposed(asked, before, 10)
    silent = replace(before[0], number=99, is_silent=True)
    assert space.proposed(asked, [*before, silent], 9) == space.proposed(asked, before, 9)
    for one in before:
        assert all(low <= one.parameters[name] <= high for name, (low, high) in asked.ranges.items())


def test_later_trials_are_better_than_drawn_ones() -> None:
    found = told(space.Space(30, "remove", ("mlp",)), 60)
    drawn = [one.trait for one in found[: space.RANDOM]]
    assert np.mean([one.trait for one in found[-20:]]) < 0.7 * np.mean(drawn)
    assert min(one.trait for one in found) < min(drawn)


# ── adapters without reading the weights again ──────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", tiny_models.KINDS)
@pytest.mark.parametrize("project", ["no", "twice"])
def test_adapters_of_products_are_those_of_the_weights(kind: str, project: str, tmp_path: Path) -> None:
    """Of every architecture: norms behind writers, experts, and a direction made anew at each layer."""
    import test_direction_write

    home = Home(tmp_path / "home").create()
    model = identify_folder(tiny_models.folder(home.models / "tiny", kind))
    test_direction_write.direction(home, model.layers, project=project)
    trait = Shelf(home.directions).find("trait")
    ends = space.Space(model.layers, "remove", ("attention", "mlp")).ranges["layer"]
    made = products.gathered(model, trait, ("attention", "mlp"), ends, tmp_path, Report())
    ramp = Ramp(peak=1.25, floor=0.5, middle=1.0, reach=2.0)
    between = ends[0] + 0.6 * (ends[1] - ends[0])
    for use in (Use(layer=between, attention=ramp, mlp=ramp), Use(scope="layers", attention=ramp, mlp=ramp)):
        with open_weights(model) as weights:
            expected = {one.writer.name: one for one in lora.pairs(weights, trait, use, Report())}
        found = {one.writer.name: one for row in made.rows if (one := row.pair(use, trait))}
        assert found.keys() == expected.keys()
        for name, one in found.items():
            np.testing.assert_allclose(one.a, expected[name].a, atol=1e-6)
            np.testing.assert_array_equal(one.b, expected[name].b)


def test_a_use_that_touches_nothing_needs_no_adapter(home: Home, tmp_path: Path) -> None:
    asked = job.task(home, Searching.of(wishes()))
    ready = products.gathered(asked.model, asked.direction, ("mlp",), (0, 3), tmp_path, Report())
    nothing = Ramp(peak=0.0, floor=0.0)
    assert ready.adapter(Use(targets=("mlp",), mlp=nothing), tmp_path / "none.gguf") is None
    assert not (tmp_path / "none.gguf").exists()
    assert asdict(asked.space)["layers"] == 4
