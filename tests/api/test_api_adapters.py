"""Adapters over the API and the command line: got, attached, scaled per chat, removed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from adapter_making import change, noise, write_gguf, write_peft, write_safetensors
from stage import Stage
from talking import Client

from fabula.cli.main import main
from fabula.store import settings
from fabula.store.home import Home

EMBEDDING = "token_embd.weight"
WORDS = (noise(4, 2, "a", 1), noise(32, 2, "b", 1))  # fits the tiny model: 4 tokens, 32 wide


@pytest.fixture
def words(home: Home) -> Path:
    return write_gguf(home.adapters / "words.gguf", {EMBEDDING: WORDS})


@pytest.fixture
def wrong(home: Home) -> Path:
    return write_gguf(home.adapters / "wrong.gguf", {EMBEDDING: (noise(9, 2, "a", 1), WORDS[1])})


def named(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows}


async def test_a_model_shows_which_adapters_fit_it(api: httpx.AsyncClient, words: Path, wrong: Path) -> None:
    answer = (await api.get("/models/tiny/adapters")).json()
    rows = named(answer["adapters"])
    assert (rows["words"]["misfit"], rows["words"]["attached"], rows["words"]["scale"]) == ("", False, None)
    assert "9" in rows["wrong"]["misfit"]
    assert (rows["words"]["rank"], rows["words"]["path"]) == (2, str(words))
    assert answer["notes"] == []


async def test_attached_is_kept_in_the_settings_file(api: httpx.AsyncClient, home: Home, words: Path) -> None:
    answer = await api.post("/models/tiny/adapters/attach", json={"adapter": "words", "scale": 0.5})
    assert (answer.status_code, named(answer.json()["adapters"])["words"]["scale"]) == (200, 0.5)
    assert settings.load(home).models["tiny"].adapters == (("words", 0.5),)
    assert (await api.get("/adapters")).json()["adapters"][0]["attached_to"] == ["tiny"]
    await api.post("/models/tiny/adapters/detach", json={"adapter": "words"})
    assert (await api.get("/models/tiny")).json()["options"] == {}
    assert settings.load(home).models == {}


async def test_what_is_attached_is_part_of_the_memory_plan(api: httpx.AsyncClient, words: Path) -> None:
    before = (await api.get("/models/tiny")).json()["plan"]["devices"][0]["beside"]
    await api.post("/models/tiny/adapters/attach", json={"adapter": "words"})
    after = (await api.get("/models/tiny")).json()["plan"]["devices"][0]["beside"]
    assert after - before == words.stat().st_size


async def test_other_load_options_leave_what_is_attached(
    api: httpx.AsyncClient, home: Home, words: Path
) -> None:
    await api.post("/models/tiny/adapters/attach", json={"adapter": "words"})
    await api.put("/models/tiny/options", json={"options": {"context": 1024}})
    stored = settings.load(home).models["tiny"]
    assert (stored.context, stored.adapters) == (1024, (("words", 1.0),))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"adapter": "wrong"}, 400, "adapter_unfit"),
        ({"adapter": "nobody"}, 404, "adapter_not_found"),
        ({"adapter": "words", "scale": 1000}, 400, "bad_parameter"),
        ({"adapter": "words", "strength": 1}, 400, "bad_parameter"),
    ],
)
async def test_what_cannot_be_attached_is_refused(
    api: httpx.AsyncClient, words: Path, wrong: Path, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await api.post("/models/tiny/adapters/attach", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert not any(row["attached"] for row in (await api.get("/models/tiny/adapters")).json()["adapters"])


async def test_an_attached_adapter_that_is_gone_is_listed_and_can_be_detached(
    api: httpx.AsyncClient, words: Path
) -> None:
    await api.post("/models/tiny/adapters/attach", json={"adapter": "words"})
    words.unlink()
    (row,) = (await api.get("/models/tiny/adapters")).json()["adapters"]
    assert (row["name"], row["attached"]) == ("words", True)
    assert row["misfit"]
    answer = await api.post("/models/tiny/adapters/detach", json={"adapter": "words"})
    assert answer.json()["adapters"] == []


def test_a_loaded_model_is_loaded_again_at_its_next_request_and_says_why(
    client: Client, stage: Stage, words: Path
) -> None:
    chat = client.new_chat()
    chat.say("Hello")
    answer = client.post("/models/tiny/adapters/attach", {"adapter": "words"})
    assert len(answer["notes"]) == 2
    chat.say("And now?")
    assert [worker.plan.options.adapters for worker in stage.workers] == [None, (("words", 1.0),)]
    (running,) = client.get("/system")["running"]
    assert "words" in running["why"]
    assert len(client.get("/models/tiny/adapters")["notes"]) == 1
    client.post("/models/tiny/adapters/detach", {"adapter": "words"})
    chat.say("And without?")
    assert stage.workers[-1].plan.options.adapters is None


def test_loading_by_hand_takes_what_is_attached(client: Client, stage: Stage, words: Path) -> None:
    client.post("/models/tiny/load")
    client.post("/models/tiny/adapters/attach", {"adapter": "words"})
    assert "words" in client.post("/models/tiny/load")["why"]
    client.post("/models/tiny/load")
    assert len(stage.workers) == 2


def test_another_usual_scale_loads_nothing_again(client: Client, stage: Stage, words: Path) -> None:
    chat = client.new_chat()
    for scale in (1.0, 0.5, -2.0):
        client.post("/models/tiny/adapters/attach", {"adapter": "words", "scale": scale})
        chat.say("Hello")
    assert len(stage.workers) == 1


def test_a_chat_has_scales_of_its_own(client: Client, stage: Stage, words: Path) -> None:
    client.new_chat(sampling={"adapters": {"words": 0.25}}).say("Hello")
    assert stage.worker.samplings[-1].adapters == (("words", 0.25),)


async def test_scales_that_are_none_are_refused(api: httpx.AsyncClient) -> None:
    for adapters in ({"words": "much"}, {"": 1}, ["words"], {"words": 1e9}, 5):
        answer = await api.post("/chats", json={"sampling": {"adapters": adapters}})
        assert (answer.status_code, answer.json()["error"]["fields"]["name"]) == (400, "adapters")


def test_an_adapter_is_got_converted_and_removed(client: Client, home: Home, tmp_path: Path) -> None:
    extra = {
        f"base_model.model.model.embed_tokens.lora_embedding_{half}": matrix
        for half, matrix in zip("AB", (noise(2, 4, "a", 1), noise(32, 2, "b", 1)), strict=True)
    }
    folder = write_peft(tmp_path / "trained", {"unused": change((1, 1), 1, "x")})
    write_safetensors(folder / "adapter_model.safetensors", extra)
    job = client.post("/adapters", {"source": str(folder), "model": "tiny", "name": "style"}, status=202)
    job = client.hear(f"/jobs/{job['id']}/events")[-1].data
    assert (job["state"], job["result"]) == ("done", {"name": "style"})
    client.post("/models/tiny/adapters/attach", {"adapter": "style"})
    client.call("DELETE", "/adapters/style", 204)
    assert list(home.adapters.glob("*.gguf")) == []
    assert client.get("/models/tiny/adapters")["adapters"] == []


@pytest.fixture
def fabula(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """Runs a command line on the test's home; its status and all that it printed."""
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    monkeypatch.setenv("FABULA_HOME", str(home.path))

    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            main(words)
        printed = capsys.readouterr()
        return int(left.value.code or 0), printed.out + printed.err

    return run


def test_the_verbs(
    client: Client, fabula: Callable[..., tuple[int, str]], home: Home, tmp_path: Path, wrong: Path
) -> None:
    source = write_gguf(tmp_path / "words.gguf", {EMBEDDING: WORDS})
    status, told = fabula("adapter", "add", str(source), "tiny", "--scale", "0.5")
    assert (status, "attached to tiny at scale 0.5" in told) == (0, True)
    assert "attached to tiny" in fabula("adapter", "list")[1]
    assert "vocabulary of 9" in fabula("adapter", "list", "--for", "tiny")[1].replace("\n", " ")
    status, told = fabula("adapter", "attach", "wrong", "tiny")
    assert (status, "does not fit tiny" in told) == (1, True)
    assert fabula("adapter", "attach", "words", "tiny")[0] == 0
    assert settings.load(home).models["tiny"].adapters == (("words", 1.0),)
    assert fabula("adapter", "detach", "words", "tiny")[0] == 0
    assert fabula("adapter", "rm", "words")[0] == 0
    assert not (home.adapters / "words.gguf").exists()
