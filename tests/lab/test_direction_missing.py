"""Direction files that come from elsewhere, were changed, or are cut off: each is told with what it lacks and
hides no other, and whoever needs what is missing says so."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import steering_models

from fabula.cli import direction as cli
from fabula.core.errors import DirectionNotFound, WeightsUnusable
from fabula.core.plots import Axis, Plot, Point, Series
from fabula.core.texts import phrase
from fabula.lab.directions import offer, saved, shown, write
from fabula.lab.directions.recipe import Recipe
from fabula.lab.directions.saved import Shelf
from fabula.lab.directions.search import job as search
from fabula.lab.directions.search.recipe import Searching
from fabula.store.home import Home
from fabula.store.job_child import Report

Json = dict[str, Any]


def plot() -> Json:
    axis = Axis(label=phrase("lab.directions.plots.layer"))
    line = Series(name="d′", points=(Point(x=0, y=1.5), Point(x=1, y=2)))
    about = phrase("lab.directions.plots.accuracy_about", layer=1)
    return Plot(kind="lines", title="Layers", about=about, x=axis, y=axis, series=(line,)).kept()


ROW = {"accuracy": 0.97, "separation": 4.2, "component": 0.9, "distance": 2.0, "massive": 3.0, "next": None}
TOLD: dict[str, Any] = {
    "best": 1,
    "band": [0, 2],
    "layers": [ROW] * 3,
    "recipe": Recipe(model="tiny", positive="formal-casual").decided,
    "recipe_hash": "0" * 64,
    "model": {"name": "tiny", "architecture": "llama", "quantization": "F32", "fingerprint": ""},
    "prompts": {"hash": "0" * 64, "learned": [6, 6], "held_out": [3, 3]},
    "versions": {},
    "plots": [plot()],
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """With a model, and a direction for it of which nothing is told but where it is put to use."""
    home = Home(tmp_path / "home").create()
    steering_models.make(home.models / "tiny.gguf", "llama")
    put(home, "trait", {"best": 1, "band": [0, 2], "layers": []})
    return home


def put(home: Home, name: str, told: Json) -> None:
    shape = (3, steering_models.LAYERS, steering_models.WIDTH)
    rows = np.random.default_rng(0).standard_normal(shape)
    saved.write(home.directions / f"{name}.safetensors", dict(zip(saved.NAMES, rows, strict=True)), told)


class Listing:
    """A studio of one home, as far as directions are listed."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def get(self, path: str) -> dict[str, Any]:
        found, refused = Shelf(self.home.directions).look()
        rows = [shown.summary(one.name, one.told) for one in found]
        return {"directions": rows, "unreadable": [wrong.sentence() for wrong in refused]}


def test_a_file_that_lacks_some_of_its_metadata_hides_no_other(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One such file was the end of the whole list."""
    put(home, "whole", TOLD)
    monkeypatch.setattr(cli, "connect", lambda _: contextlib.nullcontext(Listing(home)))
    cli.list_()
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == ["trait", "whole"]
    assert "97%" in said.out
    assert "0%" not in said.out
    assert "trait lacks some of its metadata (" in said.err
    assert "(Model, Recipe, " in said.err
    assert "whole" not in said.err


def test_a_file_that_is_none_is_named_in_the_list_and_can_be_removed(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was neither listed nor found, and could not be removed by its name."""
    whole = home.directions / "trait.safetensors"
    (home.directions / "cut.safetensors").write_bytes(whole.read_bytes()[:-9])
    shutil.copyfile(whole, home.directions / "#1.safetensors")
    monkeypatch.setattr(cli, "connect", lambda _: contextlib.nullcontext(Listing(home)))
    cli.list_()
    told = capsys.readouterr()
    assert [line.split()[0] for line in told.out.splitlines()[1:]] == ["trait"]
    assert "cut.safetensors cannot be computed with: " in told.err
    assert "#1" in told.err
    Shelf(home.directions).remove("cut")
    assert not (home.directions / "cut.safetensors").exists()


def test_no_file_outside_of_the_shelf_is_removed(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that lay where the studio was begun was taken for one of the shelf."""
    monkeypatch.chdir(tmp_path)
    other = shutil.copyfile(home.directions / "trait.safetensors", tmp_path / "other.safetensors")
    for name in ("other.safetensors", "../../other", f"{other}"):
        with pytest.raises(DirectionNotFound):
            Shelf(home.directions).remove(name)
    assert other.exists()


@pytest.mark.parametrize("name", [name for name in TOLD if name not in ("best", "band")])
@pytest.mark.parametrize("is_there", [False, True], ids=["absent", "of another kind"])
def test_whatever_is_missing_is_named_and_the_rest_is_told(name: str, *, is_there: bool) -> None:
    told = TOLD | {name: 5} if is_there else {key: value for key, value in TOLD.items() if key != name}
    found, sound = shown.summary("trait", told), shown.summary("trait", TOLD)
    assert (found["missing"], sound["missing"]) == ([name], [])
    assert found.keys() == sound.keys()
    assert {key: type(value) for key, value in found.items()} == {
        key: type(value) for key, value in sound.items()
    }
    assert cli.row_of(sound) == ("trait", "tiny", "formal-casual", "1", "97%", "4.2")


@pytest.mark.parametrize(
    ("part", "name"),
    [(part, name) for part, told in TOLD.items() if isinstance(told, dict) for name in shown.EMPTY[part]],
)
def test_what_is_missing_within_a_part_is_missing(part: str, name: str) -> None:
    inner = {key: value for key, value in TOLD[part].items() if key != name}
    assert shown.summary("trait", TOLD | {part: inner})["missing"] == [part]
    assert shown.summary("trait", TOLD | {part: inner | {name: [[]]}})["missing"] == [part]


@pytest.mark.parametrize("row", [{"accuracy": 1.0}, ROW | {"massive": "3"}, ROW | {"next": "3"}, 5])
def test_a_layer_that_was_measured_only_in_part_is_missing(row: Any) -> None:
    found = shown.summary("trait", TOLD | {"layers": [ROW, row, ROW]})
    assert (found["missing"], found["layers"]) == (["layers"], [])


@pytest.mark.parametrize(
    "other",
    [
        5,
        {"kind": "pie"},
        {"title": 5},
        {"title": {"key": 5, "fields": 5}},
        {"about": {"key": "lab.directions.plots.layer", "fields": {"x": {}}}},
        {"about": {"key": "web.directions.few", "fields": {"count": "x"}}},
        {"x": None},
        {"series": [{"name": "", "points": [{"x": 0, "y": "high", "label": ""}]}]},
        {"series": []},
    ],
    ids=str,
)
def test_a_plot_that_cannot_be_drawn_is_missing(other: Any) -> None:
    told = plot() | other if isinstance(other, dict) else other
    assert shown.summary("trait", TOLD | {"plots": [told]})["missing"] == ["plots"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("best", "1"),
        ("best", -1),
        ("best", 3),
        ("best", True),
        ("band", [0]),
        ("band", [2, 1]),
        ("band", [0, 9]),
        ("band", 5),
        ("layers", [ROW | {"accuracy": float("nan")}]),
        ("layers", [ROW | {"distance": float("inf")}]),
    ],
    ids=str,
)
def test_a_file_whose_places_or_numbers_are_none_is_no_direction(home: Home, name: str, told: Any) -> None:
    put(home, "odd", TOLD | {name: told})
    with pytest.raises(WeightsUnusable, match="no direction"):
        Shelf(home.directions).find("odd")


# what a command needs: (a key of the metadata, how it is asked)
NEEDED = {
    "recipe": ("write", "adapter", "vector", "peft", "search"),
    "recipe.project": ("write", "adapter", "vector", "peft"),
    "recipe.positive": ("search",),
    "recipe.limit": ("search",),
    "recipe_hash": ("adapter", "vector"),
    "prompts": ("search",),
    "prompts.hash": ("search",),
    "layers": ("vector", "add"),
}


@pytest.mark.parametrize(("part", "way"), [(part, way) for part, ways in NEEDED.items() for way in ways])
@pytest.mark.parametrize("other", [None, 5.5, {"x": []}, [1, {}]], ids=str)
def test_whoever_needs_what_is_missing_says_what(
    home: Home, part: str, way: str, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "require_searchable", lambda model: None)
    first, _, second = part.partition(".")
    put(home, "odd", TOLD | {first: TOLD[first] | {second: other} if second else other})
    with pytest.raises(WeightsUnusable, match=f"lacks {part}"):
        ask(home, way)


def ask(home: Home, way: str) -> None:
    asked = {"direction": "odd", "model": "tiny"}
    if way == "search":
        search.task(home, Searching(**asked))
    elif way in ("write", "add"):
        way = way.replace("write", "remove")
        write.run(home, asked | {"way": way, "name": "new", "measure": False}, Report())
    else:
        offer.run(home, asked | {"form": way, "name": "new"}, Report())
