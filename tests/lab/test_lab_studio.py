"""A folder of safetensors in the studio: listed, chosen for its engine, written with, scored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio
import tiny_folders
from talking import NATIVE
from test_direction_write import direction

from fabula.app import Studio
from fabula.lab.directions import offer
from fabula.server import http
from fabula.store.home import Home
from fabula.store.job_child import Report


@pytest_asyncio.fixture
async def api(lab: None, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    home = Home(tmp_path / "home").create()
    tiny_folders.folder(home.models / "tiny-llama")
    old = home.models / "old"
    old.mkdir()
    (old / "config.json").write_text("{}")
    (old / "pytorch_model.bin").write_bytes(b"PK\x03\x04")
    direction(home, 2)
    exporting = {"direction": "trait", "model": "tiny-llama", "strength": 2.0}
    for form in ("adapter", "vector"):
        offer.run(home, exporting | {"form": form}, Report())
    studio = Studio(home, {"engine.threads": 2, "engine.auto_tune": False})
    await studio.open()
    transport = httpx.ASGITransport(http.create(studio))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=120) as client:
        yield client
    await studio.close()


async def test_a_folder_is_a_model_like_any_other(api: httpx.AsyncClient) -> None:
    listed = (await api.get(f"{NATIVE}/models")).json()["models"]
    told = [(row["name"], row["format"], bool(row["problem"])) for row in listed]
    assert told == [("old", "safetensors", True), ("tiny-llama", "safetensors", False)]
    described = (await api.get(f"{NATIVE}/models/tiny-llama")).json()
    assert (described["engine"]["name"], described["plan"]["tier"]) == ("transformers", "rough")
    path = f"{NATIVE}/models/tiny-llama/adapters"
    (row,) = (await api.post(f"{path}/attach", json={"adapter": "trait", "scale": 0.0})).json()["adapters"]
    assert (row["attached"], row["misfit"], row["changes"]) == (True, "", 4)
    body = {
        "model": "tiny-llama",
        "messages": [{"role": "user", "content": "the quick brown"}],
        "max_tokens": 8,
        "temperature": 0,
        "tfs": 0.9,
    }
    answer = (await api.post("/v1/chat/completions", json=body)).json()
    assert answer["choices"][0]["finish_reason"] in ("length", "stop")
    assert answer["usage"]["completion_tokens"] > 0
    assert answer["fabula"]["effective"]["tfs"] == 0.9
    again = (await api.post("/v1/chat/completions", json=body)).json()
    assert again["choices"] == answer["choices"]
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
    for trait in ({"adapters": {"trait": 1.0}}, {"control_vectors": {"trait": 2.0}}):
        changed = (await api.post("/v1/chat/completions", json=body | trait)).json()
        assert changed["choices"] != answer["choices"]
        assert changed["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
        assert changed["fabula"]["effective"]["adapters"] == trait.get("adapters", {"trait": 0.0})
        assert changed["fabula"]["ignored"] == []
    tokens = (await api.post(f"{NATIVE}/tokenize", json={"model": "tiny-llama", "text": "the fox"})).json()
    assert tokens["count"] > 1


async def test_pickles_are_refused_with_the_way_out(api: httpx.AsyncClient) -> None:
    body = {"model": "old", "messages": [{"role": "user", "content": "Hi"}]}
    answer = await api.post("/v1/chat/completions", json=body)
    assert "unpickle FOLDER NEW-FOLDER" in answer.text


async def test_another_engine_cannot_be_chosen_for_it(api: httpx.AsyncClient) -> None:
    path = f"{NATIVE}/models/tiny-llama/options"
    answer = await api.put(path, json={"options": {"engine": "llama.cpp"}})
    assert answer.status_code == 400
