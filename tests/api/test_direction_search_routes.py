"""A search is asked for over HTTP and on the command line; what it found is told, and a trial of it taken."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from talking import Client
from test_cli_verbs import Fabula, fabula
from test_direction_routes import direction

from fabula.cli import direction_search as verb
from fabula.cli import direction_use
from fabula.cli.mistakes import WrongUsage
from fabula.lab.directions import saved
from fabula.lab.directions.search.space import Space

__all__ = ["direction", "fabula"]

RAMP = {"peak": 1.25, "floor": 0.5, "middle": 20.0, "reach": 5.0}
USE = {"scope": "layers", "strength": 1.0, "attention": True, "attention_ramp": RAMP, "mlp": False}
TRIAL = {"number": 0, "trait": 0.52, "spread": 0.1, "kl": 0.11, "use": USE, "is_silent": False}
MADE = {
    "direction": "calm",
    "model": "tiny",
    "recipe_hash": "5f0c99",
    "start": {"separation": 2.0},
    "trials": [TRIAL, TRIAL | {"number": 1, "kl": 0.3, "use": USE | {"scope": "global", "layer": 15.5}}],
    "front": [0, 1],
    "seconds": 90.0,
}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"model": "tiny"}, "prompts_unusable"),  # its set does not ship
        ({"model": "tiny", "goal": "more"}, "bad_parameter"),
        ({"model": "tiny", "trials": 0}, "bad_parameter"),
        ({"model": "tiny", "attention": False, "mlp": False}, "bad_parameter"),
        ({"model": "tiny", "unknown": 1}, "bad_parameter"),
        ({}, "bad_parameter"),
    ],
)
def test_what_cannot_be_searched_is_told_at_once(
    client: Client, direction: saved.Direction, asked: dict[str, Any], code: str
) -> None:
    assert client.post("/directions/calm/search", asked, 400)["error"]["code"] == code
    assert client.get("/jobs")["jobs"] == []


def test_a_search_needs_its_direction_and_its_model(client: Client, direction: saved.Direction) -> None:
    assert client.post("/directions/wild/search", {"model": "tiny"}, 404)["error"]["code"]
    assert client.post("/directions/calm/search", {"model": "none"}, 404)["error"]["code"]
    told = client.http.get("/directions/models", params={"direction": "calm"}).json()["models"]
    assert [row["search"] for row in told] == [""]


def test_the_form_of_a_search_has_words_for_every_field(client: Client) -> None:
    kinds = {kind["kind"]: kind for kind in client.get("/jobs/kinds")["kinds"]}
    fields = kinds["direction_search"]["schema"]["properties"]
    assert {"goal", "trials", "seed", "harmless"} <= set(fields)
    assert all(field["title"] for field in fields.values())


def test_wrong_usage_is_told_before_anything_begins(fabula: Fabula, direction: saved.Direction) -> None:
    assert fabula("direction", "search", "calm").status == 2
    assert fabula("direction", "search", "calm", "tiny", "--targets", "embeddings").status == 2
    assert fabula("direction", "export", "calm", "tiny", "--point", "17").status == 2
    assert fabula("direction", "search", "--resume", "nobody").status == 1


def test_what_nothing_beats_is_told_with_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    verb.tell({"id": "j7", "result": MADE})
    told = capsys.readouterr()
    assert "2 trials of calm on tiny" in told.out
    assert "52%" in told.out
    assert "15.5" in told.out
    assert "--point j7:1" in told.err
    assert "hardly differ" not in told.err
    faint = copy.deepcopy(MADE) | {"start": {"separation": 0.4}}
    verb.tell({"id": "j7", "result": faint})
    assert "hardly differ (d′ 0.4)" in capsys.readouterr().err


class Studio:
    """Knows one search."""

    def get(self, path: str) -> dict[str, Any]:
        return {"result": MADE if path == "/jobs/j7" else {}}


def test_a_trial_is_taken_with_its_layers_under_a_name_of_its_own() -> None:
    studio: Any = Studio()
    asked = {"model": "tiny", "name": "", "scope": "global", "mlp": True}
    taken = direction_use.picked(studio, "j7:0", asked, "calm")
    assert (taken["name"], taken["scope"], taken["mlp"]) == ("calm-5f0c-0", "layers", False)
    assert direction_use.picked(studio, "j7:1", asked | {"name": "mine"}, "calm")["name"] == "mine"
    assert direction_use.picked(studio, "", asked, "calm") == asked
    for wrong in ("j7:9", "j8:0", "j7"):
        with pytest.raises(WrongUsage, match="is no trial of a search"):
            direction_use.picked(studio, wrong, asked, "calm")
    with pytest.raises(WrongUsage, match="a trial of calm, not of wild"):
        direction_use.picked(studio, "j7:0", asked, "wild")


def test_a_trial_is_what_an_edit_takes(client: Client, direction: saved.Direction) -> None:
    """Every field that a search gives is one that writing and exporting know."""
    space = Space(1, "remove", ("attention", "mlp"))
    use = space.chosen(space.usual(0, (0, 0), "global"))
    asked = {"model": "tiny", "embeddings": True} | use
    assert client.post("/directions/calm/write/look", asked, 200)["parts"] == {"embeddings": 1}
