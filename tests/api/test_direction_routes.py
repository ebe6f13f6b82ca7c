"""Directions over HTTP and on the command line, with real children."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import steering_models
from talking import Client
from test_cli_verbs import Fabula, fabula

from fabula.cli import direction as verb
from fabula.engine.vectors import Vectors
from fabula.lab.directions import saved
from fabula.lab.directions.recipe import Recipe
from fabula.models.catalog import Catalog
from fabula.store.home import Home

__all__ = ["fabula"]

ROW = {"accuracy": 0.97, "separation": 4.2, "component": 0.9, "distance": 2.0, "size": 9.0, "massive": 3.0}


@pytest.fixture
def direction(home: Home) -> saved.Direction:
    """One for the tiny model of these tests."""
    model = Catalog(home.models).find("tiny")
    random = np.random.default_rng(0)
    rows = random.standard_normal((3, model.layers, model.embedding))
    rows[0] /= np.linalg.norm(rows[0], axis=1, keepdims=True)
    told = {
        "best": 0,
        "band": [0, model.layers - 1],
        "layers": [ROW | {"next": None}] * model.layers,
        "recipe": Recipe(model="tiny", positive="calm-wild").decided,
        "recipe_hash": "0" * 64,
        "model": {"name": "tiny", "architecture": "llama", "quantization": "F32", "fingerprint": ""},
        "prompts": {"hash": "0" * 64, "learned": [6, 6], "held_out": [3, 3]},
        "versions": {},
        "plots": [],
    }
    place = home.directions / "calm.safetensors"
    saved.write(place, dict(zip(saved.NAMES, rows, strict=True)), told)
    return saved.read(place)


def test_sets_that_ship_are_listed_with_examples(client: Client, fabula: Fabula) -> None:
    rows = {row["name"]: row for row in client.get("/directions/sets")["sets"]}
    assert rows["formal-casual"]["learned"] == 64
    assert len(rows["alarming-plain"]["examples"]["positive"]) == 3
    assert "formal-casual" in fabula("direction", "sets").out


def test_a_direction_is_listed_shown_and_removed(
    client: Client, fabula: Fabula, direction: saved.Direction
) -> None:
    (row,) = client.get("/directions")["directions"]
    assert (row["name"], row["best"], row["accuracy"]) == ("calm", 0, 0.97)
    shown = client.get("/directions/calm")
    assert len(shown["layers"]) == direction.layers
    assert "calm-wild" in fabula("direction", "list").out
    assert "0 *" in fabula("direction", "show", "calm").out
    assert fabula("direction", "rm", "calm").status == 0
    assert client.http.get("/directions/calm").json()["error"]["code"] == "direction_not_found"
    assert "fabula direction learn" in fabula("direction", "list").err


def test_it_is_written_into_the_weights_in_a_child(
    fabula: Fabula, client: Client, direction: saved.Direction, home: Home
) -> None:
    ran = fabula(
        "direction", "write", "calm", "tiny", "--name", "calmer", "--targets", "embeddings", "--no-measure"
    )
    assert ran.status == 0, ran.err
    assert "calmer is here" in ran.out
    assert client.get("/models/calmer")["quantization"] == client.get("/models/tiny")["quantization"]
    assert (home.directions / "calmer.written.yaml").exists()


@pytest.fixture
def always(home: Home) -> Iterator[str]:
    """A model to whose layers a bias can be added, and a direction for it."""
    shape = (3, steering_models.LAYERS, steering_models.WIDTH)
    steering_models.make(home.models / "small.gguf", "llama")
    told = {
        "best": 1,
        "band": [0, 2],
        "layers": [ROW | {"next": None}] * 3,
        "recipe": {"project": "no", "positive": "calm-wild", "negative": ""},
        "recipe_hash": "0" * 64,
    }
    rows = np.random.default_rng(0).standard_normal(shape)
    saved.write(home.directions / "still.safetensors", dict(zip(saved.NAMES, rows, strict=True)), told)
    yield "still"
    (home.models / "small.gguf").unlink()


def test_it_is_added_for_good_in_a_child(fabula: Fabula, client: Client, always: str, home: Home) -> None:
    asked = ("direction", "write", always, "small", "--add", "-1.5", "--no-measure")
    assert "small-with-still would have 2 changed tensors (feed-forward: 2; layers 1–2" in " ".join(
        fabula(*asked, "--look").out.split()
    )
    ran = fabula(*asked)
    assert ran.status == 0, ran.err
    assert "It always adds the direction at scale -1.5, in 2 layers" in " ".join(ran.out.split())
    assert client.get("/models/small-with-still")["architecture"] == "llama"
    recipe = home.directions / "small-with-still.written.yaml"
    made = (home.models / "small-with-still.gguf").read_bytes()
    client.call("DELETE", "/models/small-with-still", 204)
    again = fabula("direction", "write", "--recipe", str(recipe))
    assert again.status == 0, again.err
    assert (home.models / "small-with-still.gguf").read_bytes() == made


def test_where_it_cannot_be_added_is_told_before(
    client: Client, direction: saved.Direction, always: str
) -> None:
    told = client.http.get("/directions/models", params={"direction": always}).json()["models"]
    rows = {row["name"]: row["add"] for row in told}
    assert (rows["small"], bool(rows["tiny"])) == ("", True)
    asked = {"model": "small", "way": "add", "keep_norms": True}
    wrong = client.post(f"/directions/{always}/write", asked, 400)["error"]
    assert (wrong["code"], "taking a direction out" in wrong["message"]) == ("bad_parameter", True)
    one_layer = client.post("/directions/calm/write/look", {"model": "tiny", "way": "add"}, 400)["error"]
    assert one_layer["code"] == "bad_parameter"
    assert client.get("/jobs")["jobs"] == []


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"model": "tiny"}, "bad_parameter"),
        ({"model": "tiny", "positive": "nice-nasty"}, "prompts_unusable"),
        ({"model": "tiny", "positive": "formal-casual", "position": "first"}, "bad_parameter"),
        ({"model": "tiny", "positive": "formal-casual", "winsor": 7}, "bad_parameter"),
        ({"model": "tiny", "positive": "formal-casual", "unknown": 1}, "bad_parameter"),
    ],
)
def test_what_cannot_be_learned_is_told_at_once(client: Client, asked: dict[str, Any], code: str) -> None:
    assert client.post("/directions", asked, 400)["error"]["code"] == code
    assert client.get("/jobs")["jobs"] == []


def test_wrong_usage_is_told_before_anything_begins(fabula: Fabula) -> None:
    assert fabula("direction", "learn", "tiny").status == 2
    assert fabula("direction", "write", "calm", "tiny", "--layers", "a-b").status == 2
    assert fabula("direction", "write", "calm", "tiny", "--targets", "heads").status == 2
    assert fabula("direction", "write", "calm", "tiny", "--add", "1", "--strength", "2").status == 2
    assert fabula("direction", "write", "calm", "tiny", "--add", "1", "--point", "j:1").status == 2
    assert fabula("direction", "try", "calm", "tiny", "--scales", "much").status == 2
    assert fabula("direction", "try", "calm", "tiny", "--scales", "0,nan").status == 2


def test_the_same_question_is_asked_at_every_scale(
    client: Client, fabula: Fabula, direction: saved.Direction, home: Home
) -> None:
    missing = fabula("direction", "try", "calm", "tiny", "Hello?")
    assert missing.status == 1
    assert "no control vector calm" in missing.err
    Vectors(home.vectors).make("calm", {1: [0.0] * direction.width})
    rows = fabula("direction", "try", "calm", "tiny", "Hello?", "--scales", "0,1", "--json").rows
    assert [row["scale"] for row in rows] == [0, 1]
    assert all(row["text"] for row in rows)


def test_a_result_warns_of_massive_activations(capsys: pytest.CaptureFixture[str]) -> None:
    made = {"name": "calm", "model": "tiny", "best": 3, "band": [2, 5], "accuracy": 0.97, "separation": 4.2}
    verb.tell(made | {"seconds": 12.0, "vector": "calm", "massive": [4, 5]})
    told = capsys.readouterr()
    assert "Best at layer 3: 97% of held-out prompts" in told.out
    assert "fabula direction try calm tiny" in told.err
    assert "4, 5" in told.err


def test_own_files_are_named_with_their_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.txt").write_text("Hello")
    monkeypatch.chdir(tmp_path)
    assert verb.own("mine.txt") == str(tmp_path / "mine.txt")
    assert verb.own("formal-casual") == "formal-casual"


# ── before anything begins ──────────────────────────────────────────────────────────────────────────


def test_pasted_prompts_are_counted_and_kept_once(client: Client, home: Home) -> None:
    text = "\n".join(f"Question {number}?" for number in range(12))
    told = client.post("/directions/prompts", {"text": f"{text}\nQuestion 1?"}, 200)
    assert (told["prompts"], told["different"], told["learned"], told["held_out"]) == (13, 12, 8, 4)
    assert told["examples"][0] == "Question 0?"
    again = client.post("/directions/prompts", {"path": told["path"]}, 200)
    assert again["different"] == 12
    assert len(list((home.directions / "prompts").iterdir())) == 1
    client.post("/directions/prompts", {"text": text, "keep": False}, 200)
    assert len(list((home.directions / "prompts").iterdir())) == 1  # only the one that was to stay


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"text": "one\ntwo", "title": "One side"}, "prompts_unusable"),
        ({"text": "{", "ending": "jsonl"}, "prompts_unusable"),
        ({"text": "x", "ending": "../x"}, "bad_parameter"),
        ({"path": "/no/such/file"}, "prompts_unusable"),
        ({"words": "x"}, "bad_parameter"),
        ({"text": 5}, "bad_parameter"),
    ],
)
def test_prompts_that_teach_nothing_are_told_and_not_kept(
    client: Client, home: Home, asked: dict[str, Any], code: str
) -> None:
    error = client.post("/directions/prompts", asked, 400)["error"]
    assert error["code"] == code
    assert asked.get("title", "") in error["message"]
    assert not list((home.directions / "prompts").glob("*"))


def test_models_tell_why_they_cannot(client: Client, direction: saved.Direction) -> None:
    (row,) = client.get("/directions/models")["models"]
    assert row["name"] == "tiny"
    told = client.http.get("/directions/models", params={"direction": "calm"}).json()
    assert [row["try"] for row in told["models"]] == [""]


def test_what_an_edit_would_touch_is_told_before(client: Client, direction: saved.Direction) -> None:
    asked = {"model": "tiny", "embeddings": True, "attention": False, "mlp": False}
    told = client.post("/directions/calm/write/look", asked, 200)
    assert told["parts"] == {"embeddings": 1}
    assert told["name"] == "tiny-calm"
    assert told["size"] > told["numbers"] > 0
    assert client.get("/jobs")["jobs"] == []
    wrong = {"model": "tiny", "first": 99, "last": 100}
    assert client.post("/directions/calm/write/look", wrong, 400)["error"]["code"] == "bad_parameter"


def test_which_models_can_and_what_writing_would_touch_is_told_before(
    client: Client, fabula: Fabula, direction: saved.Direction, home: Home, tmp_path: Path
) -> None:
    told = fabula("direction", "models", "calm").out
    assert "tiny" in told
    assert "yes" in told
    assert "yes" in fabula("direction", "models").out
    asked = ("direction", "write", "calm", "tiny", "--name", "new", "--targets", "embeddings", "--look")
    foreseen = fabula(*asked).out
    assert "embeddings: 1" in foreseen
    assert "Nothing is written yet" in foreseen
    assert not list(home.models.glob("new*"))
    prompts = tmp_path / "mine.txt"
    prompts.write_text("\n".join(f"Tell me about {number} hens." for number in range(12)))
    counted = fabula("direction", "check", str(prompts)).out
    assert "12 of them different: 8 to learn from, 4 held out" in counted


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../config",
        "a/b",
        "other.safetensors",
        "~",
        "/etc/passwd",
        "x" * 300,
        "心" * 100,
        "a\0b",
        "owner/repo",
    ],
)
def test_no_name_leads_out_of_the_shelf(
    client: Client, direction: saved.Direction, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file where the studio was begun was taken for one of the shelf, and removed."""
    monkeypatch.chdir(tmp_path)
    other = shutil.copyfile(direction.path, tmp_path / "other.safetensors")
    place = f"/directions/{quote(name, safe='')}"
    asked = {"model": "tiny"}
    for way in ("write", "write/look", "export", "search"):
        assert client.http.post(f"{place}/{way}", json=asked).status_code in (404, 405)
    assert client.http.get("/directions/models", params={"direction": name}).status_code == 404
    assert client.http.get(place).status_code in (404, 405)
    assert client.http.delete(place).status_code in (404, 405)
    wanted = {"direction": name, "model": "tiny"}
    for kind in ("direction_write", "direction_export", "direction_search"):
        assert client.http.post("/jobs", json={"kind": kind, "arguments": wanted}).status_code == 404
    learned = client.post(
        "/directions", {**asked, "positive": "formal-casual", "name": name, "force": True}, 400
    )
    assert learned["error"]["fields"]["name"] == "name"
    assert other.exists()
    assert direction.path.exists()


def test_names_that_addresses_use_themselves_are_refused(client: Client, direction: saved.Direction) -> None:
    """The direction was there, and its page showed the sets that ship."""
    asked = {"model": "tiny", "positive": "formal-casual", "force": True}
    for name in ("sets", "models", "prompts", "calm.safetensors"):
        assert client.post("/directions", asked | {"name": name}, 400)["error"]["fields"]["name"] == "name"
    shutil.copyfile(direction.path, direction.path.with_name("sets.safetensors"))
    told = client.get("/directions")
    assert [row["name"] for row in told["directions"]] == ["calm"]
    assert "sets" in told["unreadable"][0]


def test_a_name_of_many_bytes_is_shortened_as_when_weights_are_written(client: Client) -> None:
    """It was told as a fault of ours."""
    asked = {"type": "Q8_0", "measure": False, "name": "心" * 100}
    job = client.post("/models/tiny/quantize", asked, 202)
    *_, end = client.hear(f"/jobs/{job['id']}/events")
    assert end.data["state"] == "done"
    assert ("心" * 100).startswith(end.data["result"]["name"])


@pytest.mark.parametrize(
    ("asked", "unheard"),
    [
        (("learn", "--recipe", "FILE", "--winsor", "1.0"), "--winsor"),
        (("learn", "tiny", "--recipe", "FILE", "--bare", "--limit", "8"), "--bare, --limit"),
        (("write", "--recipe", "FILE", "--no-measure"), "--no-measure"),
        (("write", "--recipe", "FILE", "--add", "1"), "--add"),
        (("write", "--recipe", "FILE", "--point", "job:1"), "--point"),
        (("write", "calm", "tiny", "--point", "job:1", "--strength", "1"), "--strength"),
        (("search", "--recipe", "FILE", "--trials", "40"), "--trials"),
        (("search", "--resume", "JOB", "calm", "tiny"), "[DIRECTION], [MODEL]"),
        (("search", "--resume", "JOB", "--recipe", "FILE"), "--recipe"),
        (("export", "calm", "tiny", "--out", "FOLDER"), "--out"),
        (("export", "calm", "tiny", "--as", "vector", "--attach"), "--attach"),
        (("export", "calm", "tiny", "--point", "job:1", "--layers", "0"), "--layers"),
    ],
    ids=str,
)
def test_an_option_that_would_not_be_heard_is_named(
    fabula: Fabula, asked: tuple[str, ...], unheard: str
) -> None:
    """It was left out without a word, and something else was done than was asked."""
    ran = fabula("direction", *asked)
    assert (ran.status, f"{unheard} would not be heard beside" in " ".join(ran.err.split())) == (2, True)


def test_what_a_form_of_export_has_no_place_for_is_refused(
    client: Client, direction: saved.Direction
) -> None:
    for form, name, value in (
        ("adapter", "keep_norms", True),
        ("adapter", "out", "/elsewhere/x"),
        ("vector", "attention", False),
        ("vector", "mlp_ramp", {"peak": 1.0}),
        ("peft", "keep_norms", True),
    ):
        asked = {"model": "tiny", "form": form, name: value}
        assert client.post("/directions/calm/export", asked, 400)["error"]["fields"]["name"] == name
    assert client.get("/jobs")["jobs"] == []
