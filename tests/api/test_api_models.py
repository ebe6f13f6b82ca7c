"""Models on this machine: listed, described, loaded, unloaded, removed."""

from __future__ import annotations

import httpx
import pytest
from stage import ENDLESS, Stage
from talking import Client

from fabula.app import Studio
from fabula.app.by_hand import ByHand
from fabula.core.errors import ModelLoadFailed
from fabula.core.load import LoadOptions, Wish
from fabula.store.home import Home


async def test_a_model_is_described_from_its_own_header(api: httpx.AsyncClient, home: Home) -> None:
    (model,) = (await api.get("/models")).json()["models"]
    assert model == {
        "name": "tiny",
        "title": "Tiny",
        "format": "gguf",
        "architecture": "llama",
        "parameters": 128,
        "quantization": "F32",
        "size": (home.models / "tiny.gguf").stat().st_size,
        "trained_context": 2048,
        "licence": "cc0-1.0",
        "languages": ["en"],
        "has_chat_template": True,
        "thinks": False,
        "takes_tools": False,
        "pooling": "",
        "fills_gaps": False,
        "sees_images": False,
        "is_starter": False,
        "loaded": False,
        "busy": 0,
        "problem": "",
        "problem_kind": "",
        "path": str(home.models / "tiny.gguf"),
        "place": "",
        "elsewhere": None,
        "base": "",
    }


async def test_one_model_comes_with_its_memory_plan(api: httpx.AsyncClient) -> None:
    plan = (await api.get("/models/tiny")).json()["plan"]
    assert (plan["model"], plan["verdict"]) == ("tiny", "fits")
    (device,) = plan["devices"]
    parts = ("weights", "kv", "compute", "output", "reserve")
    assert plan["total"] == device["total"] == sum(device[part] for part in parts)


def test_a_model_is_loaded_and_unloaded(client: Client) -> None:
    running = client.post("/models/tiny/load")
    assert (running["model"], running["busy"], running["plan"]["model"]) == ("tiny", 0, "tiny")
    assert client.get("/models/tiny")["loaded"] is True
    client.post("/models/tiny/unload", status=204)
    assert client.get("/models/tiny")["loaded"] is False
    assert client.get("/system")["running"] == []


def test_a_model_goes_with_its_exact_copy(client: Client) -> None:
    client.post("/models/tiny/load")
    copy = client.post("/models/tiny@direct/load")
    again = client.post("/models/tiny@direct/load", {"options": {"exact": "always"}})
    assert again["loaded_at"] == copy["loaded_at"]
    assert {row["model"] for row in client.get("/system")["running"]} == {"tiny", "tiny@direct"}
    client.post("/models/tiny/unload", status=204)
    assert client.get("/system")["running"] == []


@pytest.mark.parametrize("is_loaded", [False, True])
@pytest.mark.parametrize(("usual", "other"), [("auto", "always"), ("never", "swap"), ("always", "never")])
def test_a_load_that_wishes_the_engine_that_is_not_set_is_told_so(
    client: Client, usual: str, other: str, is_loaded: bool
) -> None:
    client.call("PUT", "/models/tiny/options", json={"options": {"exact": usual}})
    if is_loaded:
        client.post("/models/tiny/load")
    refusal = client.call("POST", "/models/tiny/load", 400, json={"options": {"exact": other}})["error"]
    assert (refusal["code"], refusal["fields"]["name"]) == ("bad_parameter", "exact")
    assert "set for the model" in refusal["message"]
    assert len(client.get("/system")["running"]) == is_loaded
    assert client.post("/models/tiny/load", {"options": {"exact": usual}})["model"] == "tiny"


def test_a_load_with_what_is_not_there_leaves_the_model_as_it_is(client: Client) -> None:
    first = client.post("/models/tiny/load")["loaded_at"]
    client.call("POST", "/models/tiny/load", 404, json={"options": {"draft": "nobody"}})
    client.call("POST", "/models/tiny/load", 400, json={"options": {"adapters": [["nobody", 1]]}})
    (running,) = client.get("/system")["running"]
    assert running["loaded_at"] == first


def test_a_model_whose_file_was_replaced_is_loaded_again(client: Client, home: Home) -> None:
    def loaded() -> tuple[float, str]:
        row = client.post("/models/tiny/load")
        return row["loaded_at"], row["why"]

    first = loaded()
    assert loaded() == first
    draft = home.models / "draft"
    draft.write_bytes((home.models / "tiny.gguf").read_bytes())
    draft.replace(home.models / "tiny.gguf")
    again = loaded()
    assert again[0] > first[0]
    assert "file on the disk has changed" in again[1]
    assert loaded() == again


def test_a_model_whose_file_has_gone_can_be_unloaded(client: Client, home: Home) -> None:
    client.post("/models/tiny/load")
    client.post("/models/tiny@direct/load")
    (home.models / "tiny.gguf").unlink()
    client.call("POST", "/models/tiny/load", 404)
    client.post("/models/tiny/unload", status=204)
    assert client.get("/system")["running"] == []


def test_the_engine_that_was_set_since_the_load_is_loaded_by_hand(client: Client) -> None:
    client.post("/models/tiny/load")
    client.call("PUT", "/models/tiny/options", json={"options": {"exact": "always"}})
    assert client.post("/models/tiny/load")["why"] == ""
    again = client.post("/models/tiny/load", {"options": {"exact": "always"}})
    assert "exact is auto, and always was asked for" in again["why"]
    assert client.post("/models/tiny/load", {"options": {"exact": "swap"}})["loaded_at"] == again["loaded_at"]


async def test_a_model_whose_engine_is_exact_by_itself_meets_every_wish_for_it(studio: Studio) -> None:
    by_hand = ByHand(studio.shelf, studio.supervisor, lambda name: True)
    loaded = await by_hand.load("tiny")
    for exact in ("always", "never"):
        again = await by_hand.load("tiny", Wish(LoadOptions(exact=exact)))
        assert (again.model, again.loaded_at) == ("tiny", loaded.loaded_at)


def test_a_model_that_writes_is_neither_unloaded_nor_removed(
    client: Client, stage: Stage, home: Home
) -> None:
    stage.script = [ENDLESS]
    chat = client.new_chat()
    turn = chat.start(text="Go on")["turn_id"]
    for method, path in (("POST", "/models/tiny/unload"), ("DELETE", "/models/tiny")):
        refusal = client.call(method, path, 409)["error"]
        assert (refusal["code"], refusal["fields"]) == ("model_busy", {"name": "tiny"})
    assert (home.models / "tiny.gguf").exists()
    client.post(f"/turns/{turn}/stop", status=202)
    chat.wait_until_quiet()
    assert chat.texts[0] == "Go on"


def test_a_model_is_removed_with_its_file(client: Client, home: Home) -> None:
    client.post("/models/tiny/load")
    client.call("DELETE", "/models/tiny", 204)
    assert not (home.models / "tiny.gguf").exists()
    assert client.get("/models") == {"models": []}
    assert client.get("/system")["running"] == []


@pytest.mark.parametrize("language", ["en", "zh-Hant", "zh-Hans"])
async def test_a_broken_model_is_listed_with_a_sentence(
    api: httpx.AsyncClient, home: Home, language: str
) -> None:
    (home.models / "broken.gguf").write_bytes(b"")
    rows = (await api.get("/models", headers={"accept-language": language})).json()["models"]
    (problem,) = [row["problem"] for row in rows if row["name"] == "broken"]
    assert problem
    assert "models." not in problem
    described = await api.get("/models/broken", headers={"accept-language": language})
    assert described.json()["problem"] == problem


async def test_an_engine_that_cannot_load_says_why(api: httpx.AsyncClient, stage: Stage) -> None:
    stage.load_error = ModelLoadFailed("tiny", "unknown architecture")
    answer = await api.post("/models/tiny/load")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "model_load_failed")
    assert "unknown architecture" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/models/nobody"),
        ("DELETE", "/models/nobody"),
        ("POST", "/models/nobody/load"),
        ("POST", "/models/nobody/unload"),
    ],
)
async def test_an_unknown_model_is_told_with_those_there_are(
    api: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await api.request(method, path)
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert (error["code"], error["fields"]) == ("model_not_found", {"name": "nobody", "known": "tiny"})
