"""Forms from recipes: what they ask, in whose words, and what is read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from fabula.app.forms import FORMS, Form, plots_of
from fabula.app.kinds import KINDS
from fabula.core import texts
from fabula.core.errors import BadParameter
from fabula.core.plots import Axis, Plot, Point, Series, said
from fabula.core.texts import phrase
from fabula.server.native import forms


@dataclass(frozen=True)
class Corner:
    width: int = 3


@dataclass(frozen=True)
class House:
    """A recipe as a room of the lab would have it."""

    street: str
    style: Literal["plain", "grand"] = "plain"
    floors: Annotated[int, Field(ge=1, le=9)] = 2
    corner: Corner = field(default_factory=Corner)
    wings: tuple[str, ...] = ()
    owner: str = "nobody"


async def begin(studio: Any, asked: Any) -> Any:
    return asked


HOUSE = Form(
    kind="house",
    room="lab",
    asks=lambda: House,
    begin=begin,
    hints={"street": {"widget": "file"}},
    given={"owner": "me"},
)


def test_a_form_is_made_of_the_recipes_own_type() -> None:
    told = forms.told(HOUSE, "en")["schema"]
    assert told["required"] == ["street"]
    fields = told["properties"]
    assert list(fields) == ["street", "style", "floors", "corner", "wings"]
    assert (fields["street"]["type"], fields["street"]["widget"]) == ("string", "file")
    assert fields["style"]["enum"] == ["plain", "grand"]
    assert (fields["floors"]["minimum"], fields["floors"]["maximum"]) == (1, 9)
    assert fields["floors"]["default"] == 2
    assert fields["corner"]["properties"]["width"]["default"] == 3
    assert fields["wings"]["items"] == {"type": "string"}


def test_what_was_filled_in_becomes_the_recipe() -> None:
    asked = forms.read(HOUSE, {"street": "Quay", "floors": 3, "corner": {"width": 4}, "wings": ["east"]})
    assert asked == House(street="Quay", floors=3, corner=Corner(width=4), wings=("east",), owner="me")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({}, "street"),
        ({"street": "Quay", "floors": 12}, "floors"),
        ({"street": "Quay", "style": "odd"}, "style"),
        ({"street": "Quay", "owner": "you"}, "owner"),
        ({"street": "Quay", "garden": True}, "garden"),
    ],
)
def test_a_mistake_is_told_with_its_field(arguments: dict[str, Any], name: str) -> None:
    with pytest.raises(BadParameter) as refused:
        forms.read(HOUSE, arguments)
    assert refused.value.name == name


def test_a_limit_that_only_a_hint_tells_holds_too() -> None:
    with pytest.raises(BadParameter):
        forms.read(FORMS["tune"], {"model": "tiny", "budget_s": 0})


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_kind_has_its_work_and_words_for_each_field(form: Form) -> None:
    assert form.kind in KINDS
    known = texts.catalogue("en")
    assert {f"jobs.kinds.{form.kind}.title", f"jobs.kinds.{form.kind}.about"} <= set(known)
    for name, asked in forms.told(form, "en")["schema"]["properties"].items():
        assert asked["title"] != name, f"jobs.kinds.{form.kind}.fields.{name} is missing"
        assert set(form.hints) <= set(forms.told(form, "en")["schema"]["properties"])


def test_a_results_own_plots_go_before_those_of_its_form() -> None:
    axis = Axis(label=phrase("jobs.fields.model"), unit="s")
    points = (Point(x="one", y=1.0, low=0.5, high=2.0), Point(x="two", y=2.0))
    plot = Plot(kind="bars", title="Own", x=axis, y=axis, series=(Series(name="only", points=points),))
    (told,) = said(plots_of("tune", {"plots": [plot.kept()]}), "zh-Hant")
    assert (told["title"], told["x"]["label"]) == ("Own", "模型")
    assert told["series"][0]["points"][0]["low"] == 0.5
    assert plots_of("pull", {"name": "x"}) == []


def test_a_measured_quantization_is_drawn_text_by_text() -> None:
    texts_told = [{"text": name, "kl": 0.1, "perplexity": 9.0, "source_perplexity": 8.0} for name in "ab"]
    result = {"name": "new", "source": "old", "measured": {"texts": texts_told}}
    distance, surprise = plots_of("quantize", result)
    assert [point["x"] for point in distance["series"][0]["points"]] == ["a", "b"]
    assert [series["name"] for series in surprise["series"]] == ["old", "new"]
    assert plots_of("quantize", {"name": "new", "source": "old"}) == []


def test_a_tuning_is_drawn_as_a_front_and_as_lines() -> None:
    setup = {"threads": 3, "batch": 512}
    start = {"axis": "confirm", "setup": setup, "read": 90.0, "written": 9.0, "turn": 30.0, "spread": 0.0}
    cells = [
        start | {"axis": "threads", "setup": setup | {"threads": threads}, "turn": turn, "spread": 0.1}
        for threads, turn in ((2, 33.0), (4, 28.0))
    ]
    front, line = plots_of("tune", {"start": start, "cells": cells})
    assert (front["kind"], front["series"][0]["points"][1]["label"]) == ("pareto", "threads 2")
    assert [(point["x"], point["y"]) for point in line["series"][0]["points"]] == [
        (2, 33.0),
        (3, 30.0),
        (4, 28.0),
    ]
    assert line["series"][0]["points"][0]["low"] == pytest.approx(29.7)
