"""Models of servers in the studio: added, listed with where texts go, chatted with, forgotten."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from standing_in import StandIn, says, standing_in
from talking import NATIVE
from test_remote_dialects import OPENAI

from fabula.app import Studio
from fabula.core.errors import ModelNotFound
from fabula.core.model import LocalModel
from fabula.core.worker import Worker
from fabula.engine.scripted import ScriptedWorker
from fabula.server import http
from fabula.store.home import Home

KEY = "sk-very-secret-0123456789"
MANY = says({"data": [{"id": name, "object": "model"} for name in ("maker/a-7b", "maker/b-7b", "tiny")]})


@pytest_asyncio.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in({**OPENAI, "GET /v1/models": MANY}) as found:
        yield found


class Both(Studio):
    """Models of this machine are played, those of servers are real."""

    def _worker(self, model: LocalModel) -> Worker:
        return super()._worker(model) if model.elsewhere else ScriptedWorker(["From here."])


@pytest_asyncio.fixture
async def studio(home: Home) -> AsyncIterator[Studio]:
    studio = Both(home, {})
    await studio.open()
    yield studio
    await studio.close()


@pytest_asyncio.fixture
async def api(studio: Studio) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(http.create(studio))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def add(api: httpx.AsyncClient, server: StandIn, **more: Any) -> dict[str, Any]:
    asked = {"name": "box", "url": server.url, "key": KEY, **more}
    answer = await api.post(f"{NATIVE}/remotes", json=asked)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_server_is_asked_and_added(api: httpx.AsyncClient, server: StandIn) -> None:
    remote = await add(api, server)
    assert (remote["kind"], remote["reach"], remote["has_key"]) == ("compatible", "machine", True)
    assert remote["models"] == ["box/maker/a-7b", "box/maker/b-7b", "box/tiny"]
    listed = (await api.get(f"{NATIVE}/remotes")).json()["remotes"]
    assert listed == [remote]


async def test_its_models_stand_beside_those_of_this_machine(api: httpx.AsyncClient, server: StandIn) -> None:
    await add(api, server, models=["maker/a*"])
    native = (await api.get(f"{NATIVE}/models")).json()["models"]
    assert [(row["name"], bool(row["elsewhere"])) for row in native] == [
        ("tiny", False),
        ("box/maker/a-7b", True),
    ]
    host = server.url.removeprefix("http://")
    assert native[1]["elsewhere"]["note"] == f"It runs in another program on this machine ({host})."
    openai = (await api.get("/v1/models")).json()["data"]
    assert [(row["id"], row["owned_by"]) for row in openai] == [("tiny", "local"), ("box/maker/a-7b", host)]


async def test_only_the_whole_name_means_a_model_that_is_elsewhere(studio: Studio, server: StandIn) -> None:
    await studio.shelf.remotes.add("box", server.url, kind="compatible")
    assert studio.find_model("tiny").elsewhere is None
    assert studio.find_model("").elsewhere is None
    assert studio.find_model("BOX/Maker/A-7B").name == "box/maker/a-7b"
    for part in ("box", "box/maker", "a-7b", "box/maker/a"):
        with pytest.raises(ModelNotFound):
            studio.find_model(part)


async def test_a_chat_with_it_carries_the_chats_id(api: httpx.AsyncClient, server: StandIn) -> None:
    await add(api, server)
    chat = (await api.post(f"{NATIVE}/chats", json={"model": "box/maker/a-7b"})).json()
    asked = {"revision": chat["revision"], "text": "Hi"}
    answer = await api.post(
        f"{NATIVE}/chats/{chat['id']}/turns", json=asked, headers={"accept": "text/event-stream"}
    )
    assert '"Hel"' in answer.text
    messages = (await api.get(f"{NATIVE}/chats/{chat['id']}/messages")).json()["messages"]
    facts = messages[-1]["facts"]
    assert (messages[-1]["text"], messages[-1]["reasoning"]) == ("Hello", "Hm.")
    assert (facts["cost"], facts["engine"]) == (
        0.00012,
        f"OpenAI-compatible ({server.url.removeprefix('http://')})",
    )
    assert {"top_k", "min_p"} <= set(facts["effective"])
    assert server.last("/v1/chat/completions").headers["x-session-id"] == chat["id"]


async def test_the_dialect_tells_what_had_no_effect(api: httpx.AsyncClient, server: StandIn) -> None:
    await add(api, server)
    body = {"model": "box/tiny", "messages": [{"role": "user", "content": "Hi"}], "min_p": 0.3}
    answer = (await api.post("/v1/chat/completions", json=body)).json()
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert answer["fabula"]["ignored"] == ["min_p"]


async def test_a_key_is_for_its_server_alone(api: httpx.AsyncClient, server: StandIn, home: Home) -> None:
    await add(api, server)
    assert server.last("/v1/models").headers["authorization"] == f"Bearer {KEY}"
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o600
    assert KEY not in home.config.read_text() + home.remotes.read_text()
    for path in ("/remotes", "/models", "/system", "/settings"):
        assert KEY not in (await api.get(NATIVE + path)).text
    made = Path((await api.post(f"{NATIVE}/backup")).json()["path"])
    assert KEY.encode() not in _everything_in(made)
    await api.put(f"{NATIVE}/remotes/box/key", json={"key": ""})
    assert KEY not in home.secrets.read_text()


def _everything_in(backup: Path) -> bytes:
    content = backup.read_bytes()
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(backup) as archive:
            content += b"".join(archive.read(name) for name in archive.namelist())
    return content


async def test_a_setting_that_is_changed_leaves_servers_alone(
    api: httpx.AsyncClient, server: StandIn
) -> None:
    remote = await add(api, server)
    await api.patch(f"{NATIVE}/settings", json={"engine.context": 4096, "language": "zh-Hant"})
    assert (await api.get(f"{NATIVE}/remotes")).json()["remotes"] == [remote]


async def test_what_needs_files_is_refused_with_the_servers_name(
    api: httpx.AsyncClient, server: StandIn
) -> None:
    await add(api, server)
    for method, path in (("DELETE", "/models/box%2Ftiny"), ("POST", "/models/box%2Ftiny/tune")):
        answer = await api.request(method, NATIVE + path, json={} if method == "POST" else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "runs_elsewhere")
    answer = await api.post(f"{NATIVE}/tokenize", json={"model": "box/tiny", "text": "a"})
    assert answer.json()["error"]["code"] == "cannot_tokenize"


async def test_a_forgotten_server_takes_its_models_along(
    api: httpx.AsyncClient, server: StandIn, home: Home
) -> None:
    await add(api, server)
    await api.post(f"{NATIVE}/models/box%2Ftiny/load")
    assert [row["model"] for row in (await api.get(f"{NATIVE}/system")).json()["running"]] == ["box/tiny"]
    assert (await api.delete(f"{NATIVE}/remotes/box")).status_code == 204
    assert (await api.get(f"{NATIVE}/system")).json()["running"] == []
    assert [row["name"] for row in (await api.get(f"{NATIVE}/models")).json()["models"]] == ["tiny"]
    assert (home.secrets.read_text(), json.loads(home.remotes.read_text())["servers"]) == ("", {})


async def test_a_check_finds_what_has_come_and_gone(api: httpx.AsyncClient, server: StandIn) -> None:
    await add(api, server)
    server.script["GET /v1/models"] = says({"data": [{"id": "new"}]})
    assert (await api.post(f"{NATIVE}/remotes/box/check")).json()["models"] == ["box/new"]


async def test_a_restarted_studio_knows_them_without_asking(
    studio: Studio, server: StandIn, home: Home
) -> None:
    await studio.shelf.remotes.add("box", server.url, kind="compatible")
    asked = len(server.heard)
    assert [model.name for model in Studio(home).shelf.remotes.models()] == [
        "box/maker/a-7b",
        "box/maker/b-7b",
        "box/tiny",
    ]
    assert len(server.heard) == asked
