"""What a search keeps and where it begins: without a model, an engine or Optuna."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.core.errors import BadParameter
from fabula.lab.directions.search import plots, space
from fabula.lab.directions.search.front import front
from fabula.lab.directions.search.recipe import Searching
from fabula.lab.directions.search.space import Space
from fabula.lab.directions.search.trials import TRIALS, Journal, Trial, alone
from fabula.lab.directions.use import Chosen, Ramp

FIGURES = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0, 3.0]) | st.floats(-5, 5)
WISHES = {"direction": "calm", "model": "tiny"}


@given(st.lists(st.tuples(FIGURES, FIGURES), max_size=40))
def test_the_front_is_what_comparing_each_with_each_finds(points: list[tuple[float, float]]) -> None:
    def beaten(mine: tuple[float, float]) -> bool:
        return any(a <= mine[0] and b <= mine[1] and (a, b) != mine for a, b in points)

    found = front(points)
    assert sorted(found) == [number for number, mine in enumerate(points) if not beaten(mine)]
    assert [points[number][0] for number in found] == sorted(points[number][0] for number in found)


@pytest.mark.parametrize("goal", ["remove", "strengthen"])
@pytest.mark.parametrize("band", [(15, 25), (3, 3), (0, 29)])
def test_the_first_trials_are_what_would_be_done_without_a_search(goal: Any, band: tuple[int, int]) -> None:
    asked = Space(30, goal, ("attention", "mlp"))
    for scope in space.SCOPES:
        usual = asked.usual(15, band, scope)
        assert all(low <= usual[name] <= high for name, (low, high) in asked.ranges.items())
        ramp = Chosen.of(WISHES | asked.chosen(usual)).use.mlp
        assert isinstance(ramp, Ramp)
        touched = [layer for layer in range(30) if ramp.at(layer)]
        assert {ramp.at(layer) for layer in touched} == {1.0 if goal == "remove" else -1.0}
        assert touched == list(range(band[0], band[1] + 1))


@given(st.floats(0, 29), st.floats(0, 1), st.integers(2, 100))
def test_a_ramp_always_covers_a_layer(middle: float, floor: float, layers: int) -> None:
    low = Space(layers, "remove", ("mlp",)).ranges["mlp_reach"][0]
    ramp = Ramp(peak=1.0, floor=floor, middle=min(middle, layers - 1), reach=low)
    assert any(abs(layer - ramp.middle) <= ramp.reach for layer in range(layers))


def test_one_part_alone_can_be_searched() -> None:
    asked = Space(8, "strengthen", ("mlp",))
    use = Chosen.of(WISHES | asked.chosen(asked.usual(4, (2, 5), "layers"))).use
    assert use.targets == ("mlp",)
    assert use.attention is None
    assert not any(name.startswith("attention") for name in asked.ranges)


@pytest.mark.parametrize(
    "wrong",
    [
        {"goal": "more"},
        {"trials": 0},
        {"trials": 2001},
        {"prompts": 1},
        {"tokens": 3},
        {"seed": -1},
        {"attention": False, "mlp": False},
        {"trials": "many"},
        {"unknown": 1},
    ],
)
def test_what_cannot_be_searched_is_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadParameter):
        Searching.of(WISHES | wrong)


def test_threads_decide_nothing_and_more_trials_change_none() -> None:
    one, other = Searching.of(WISHES | {"threads": 1}), Searching.of(WISHES | {"threads": 3})
    longer = Searching.of(WISHES | {"trials": 99})
    assert one.hash == other.hash != longer.hash
    assert one.each_trial == longer.each_trial


# ── on the disk ─────────────────────────────────────────────────────────────────────────────────────


def trial(number: int, **told: Any) -> Trial:
    return Trial(number=number, seed=7, parameters={"scope": "global", "layer": 1.5}, **told)


def test_trials_are_there_again_after_a_torn_line(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, "mark")
    journal.begin({"separation": 2.0})
    journal.add(trial(0, trait=0.5, kl=0.1))
    with (tmp_path / TRIALS).open("ab") as file:
        file.write(b'{"number": 1, "se')
    again = Journal.open(tmp_path, "mark")
    assert (again.start, again.trials) == ({"separation": 2.0}, journal.trials)
    again.add(trial(1))
    assert [one.number for one in Journal.open(tmp_path, "mark").trials] == [0, 1]


@pytest.mark.parametrize("left", [b"", b"no json\n", b'{"mark": "other", "start": {}}\n', b'{"mark"'])
def test_trials_of_something_else_are_not_taken(tmp_path: Path, left: bytes) -> None:
    (tmp_path / TRIALS).write_bytes(left)
    journal = Journal.open(tmp_path, "mark")
    assert (journal.start, journal.trials) == ({}, [])


def test_two_jobs_never_write_the_same_trials(tmp_path: Path) -> None:
    with alone(tmp_path, "calm"), pytest.raises(BadParameter, match="no other job"), alone(tmp_path, "calm"):
        pass
    with alone(tmp_path, "calm"):
        pass


def test_the_plot_names_those_that_nothing_beats_and_leaves_out_what_has_no_place() -> None:
    trials = [trial(0, trait=0.5, kl=0.1), trial(1, trait=0.9, kl=0.2), trial(2, is_silent=True), trial(3)]
    (plot,) = plots.of("remove", trials, [0])
    assert [(point["x"], point["y"], point["label"]) for point in plot["series"][0]["points"]] == [
        (0.1, 50.0, "0"),
        (0.2, 90.0, ""),
    ]
    assert plot["kind"] == "pareto"
    assert json.dumps(plot)
    assert plots.of("remove", [trial(0, is_silent=True)], []) == []
