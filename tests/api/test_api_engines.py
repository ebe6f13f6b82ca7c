"""How models are loaded: options, the queue, the engine and its builds."""

from __future__ import annotations

import asyncio
import sys

import httpx
import pytest
from stage import SLOWLY, Stage

from fabula.app import Studio
from fabula.core.plan import Plan
from fabula.store.home import Home

QUESTION = [{"role": "user", "text": "Hello"}]


async def test_a_model_says_which_engine_runs_it_and_why(api: httpx.AsyncClient) -> None:
    engine = (await api.get("/models/tiny")).json()["engine"]
    assert engine == {
        "name": "llama.cpp",
        "reason": "llama.cpp runs it, because the file is gguf.",
        "choices": ["llama.cpp", "transformers"],
    }


async def test_load_options_of_a_model_are_kept_and_used(api: httpx.AsyncClient, home: Home) -> None:
    wanted = {"context": 512, "kv_type": "q8_0", "tensor_split": [3, 1], "keep_alive": "5m"}
    assert (await api.put("/models/tiny/options", json={"options": wanted})).json() == {"options": wanted}
    assert '[models."tiny"]' in home.config.read_text()
    assert (await api.get("/models/tiny")).json()["options"] == wanted
    running = (await api.post("/models/tiny/load")).json()
    assert (running["plan"]["context"], running["plan"]["kv_type"]) == (512, "q8_0")
    assert running["expires_at"] > 0
    assert (await api.put("/models/tiny/options", json={"options": {}})).json() == {"options": {}}
    assert "models" not in home.config.read_text()


@pytest.mark.parametrize("options", [{"colour": 1}, {"context": "big"}, {"engine": "steam"}])
async def test_wrong_load_options_are_refused(api: httpx.AsyncClient, options: dict[str, object]) -> None:
    for method, path in (("PUT", "/models/tiny/options"), ("POST", "/models/tiny/load")):
        answer = await api.request(method, path, json={"options": options})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_parameter")


async def test_loading_again_says_why(api: httpx.AsyncClient, stage: Stage) -> None:
    await api.post("/models/tiny/load", json={"options": {"context": 512}})
    running = (await api.post("/models/tiny/load", json={"options": {"context": 1024}})).json()
    assert running["why"] == "It is loaded again because context is 512, and 1024 was asked for."
    for _ in range(2):  # who asks for less gets less, once
        running = (await api.post("/models/tiny/load", json={"options": {"context": 256}})).json()
    assert (running["plan"]["context"], len(stage.workers)) == (256, 3)


async def test_a_generation_can_wish_and_hears_why(api: httpx.AsyncClient, stage: Stage) -> None:
    await api.post("/models/tiny/load", json={"options": {"context": 512}})
    body = {"messages": QUESTION, "load": {"context": 1024}, "keep_alive": 0}
    heard = (await api.post("/generate", json=body)).text
    assert '"why": "It is loaded again because context is 512' in heard
    assert "event: done" in heard
    for _ in range(100):
        if not (await api.get("/system")).json()["running"]:
            break
        await asyncio.sleep(0.01)
    assert (await api.get("/system")).json()["running"] == []


async def test_a_model_may_be_loaded_for_no_time_at_all(api: httpx.AsyncClient) -> None:
    told = await api.post("/models/tiny/load", json={"keep_alive": 0})
    assert (told.status_code, told.json()["model"]) == (200, "tiny")


@pytest.mark.parametrize("said", [True, [1], {}, "soon", ""], ids=str)
async def test_what_is_no_time_is_refused_everywhere_alike(api: httpx.AsyncClient, said: object) -> None:
    for path, body in (("/generate", {"messages": QUESTION}), ("/models/tiny/load", {})):
        refused = await api.post(path, json={**body, "keep_alive": said})
        assert refused.status_code == 400
        assert refused.json()["error"]["fields"]["name"] == "keep_alive"


async def test_those_who_wait_are_told_their_place(
    api: httpx.AsyncClient, studio: Studio, stage: Stage
) -> None:
    stage.script = [SLOWLY]
    await api.put("/models/tiny/options", json={"options": {"slots": 1}})
    answers = await asyncio.gather(*(api.post("/generate", json={"messages": QUESTION}) for _ in range(3)))
    assert sorted(answer.text.count("event: queued") for answer in answers) == [0, 1, 2]
    assert all("event: done" in answer.text for answer in answers)


async def test_an_openai_stream_tells_the_place_as_a_comment(
    api: httpx.AsyncClient, studio: Studio, stage: Stage
) -> None:
    stage.script = [SLOWLY]
    await api.put("/models/tiny/options", json={"options": {"slots": 1}})
    body = {"model": "tiny", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    url = str(api.base_url).partition("/api/")[0] + "/v1/chat/completions"
    answers = await asyncio.gather(*(api.post(url, json=body) for _ in range(2)))
    assert sorted(answer.text.count(": queued 1\n") for answer in answers) == [0, 1]
    assert all("data: [DONE]" in answer.text for answer in answers)


async def test_past_the_limit_one_is_sent_away_with_a_time(api: httpx.AsyncClient, stage: Stage) -> None:
    stage.script = [SLOWLY]
    await api.patch("/settings", json={"engine.queue_limit": 1})
    await api.put("/models/tiny/options", json={"options": {"slots": 1}})
    url = str(api.base_url).partition("/api/")[0] + "/v1/chat/completions"
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}]}
    answers = await asyncio.gather(*(api.post(url, json=body) for _ in range(5)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200, 200, 503, 503, 503]
    refusals = [answer for answer in answers if answer.status_code == 503]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refusals)
    assert "requests are already waiting" in refusals[0].json()["error"]["message"]


async def test_a_chat_template_is_changed_without_loading_again(api: httpx.AsyncClient, stage: Stage) -> None:
    await api.post("/generate", json={"messages": QUESTION})
    template = "{% for message in messages %}<{{ message.content }}>{% endfor %}"
    await api.post("/generate", json={"messages": QUESTION, "load": {"chat_template": template[:-1] + "}!"}})
    assert "".join(f"{piece}" for piece in stage.worker.prompts[-1].pieces) == "<Hello>!"
    await api.put("/models/tiny/options", json={"options": {"chat_template": template}})
    await api.post("/generate", json={"messages": QUESTION})
    assert "".join(f"{piece}" for piece in stage.worker.prompts[-1].pieces) == "<Hello>"
    assert len(stage.workers) == 1


async def test_a_stretched_context_comes_with_a_warning(api: httpx.AsyncClient, studio: Studio) -> None:
    await api.put("/models/tiny/options", json={"options": {"context": 8192}})
    plan = (await api.get("/models/tiny")).json()["plan"]
    assert plan["context"] == 8192
    assert any("YaRN" in warning for warning in plan["warnings"])
    assert isinstance(studio.planning.plan(studio.find_model("tiny")), Plan)


async def test_settings_of_the_queue_hold_at_once(api: httpx.AsyncClient, studio: Studio) -> None:
    await api.patch("/settings", json={"engine.queue_limit": 3, "engine.keep_alive": -1})
    assert (studio.supervisor.queue_limit, studio.supervisor.keep_alive_s) == (3, -1)
    assert (await api.post("/models/tiny/load")).json()["expires_at"] == 0


# ── builds ──────────────────────────────────────────────────────────────────────────────────────────


async def test_builds_are_listed_with_our_own_first(api: httpx.AsyncClient) -> None:
    found = (await api.get("/engines")).json()
    own, *others = found["builds"]
    assert (own["name"], own["installed"], own["in_use"], found["in_use"]) == ("", True, True, "")
    assert "cpu" in [build["name"] for build in others]
    assert not any(build["installed"] for build in others)


async def test_a_llama_server_of_ones_own_is_taken_and_given_back(api: httpx.AsyncClient, home: Home) -> None:
    program = home.path / "llama-server"
    program.write_text(f"#!{sys.executable}\nprint('version: 7 (abc)')\n")
    program.chmod(0o755)
    found = (await api.post("/engines/use", json={"name": str(program)})).json()
    assert found["in_use"] == str(program)
    assert [build["version"] for build in found["builds"] if build["in_use"]] == ["7 (abc)"]
    assert (await api.delete(f"/engines/{program}")).status_code == 204
    assert (await api.get("/engines")).json()["in_use"] == ""


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/engines/use", {"name": "cuda"}, "build_missing"),
        ("/engines/use", {"name": "/nowhere/llama-server"}, "build_broken"),
        ("/engines/install", {"kind": "steam"}, "build_unavailable"),
    ],
)
async def test_a_build_that_is_not_there_is_told(
    api: httpx.AsyncClient, path: str, body: dict[str, str], code: str
) -> None:
    assert (await api.post(path, json=body)).json()["error"]["code"] == code


async def test_an_openai_request_can_say_how_long_the_model_stays(api: httpx.AsyncClient) -> None:
    url = str(api.base_url).partition("/api/")[0] + "/v1/chat/completions"
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "load": {"context": 256}}
    answer = await api.post(url, json={**body, "keep_alive": "1h"})
    assert answer.json()["fabula"]["ignored"] == []
    (running,) = (await api.get("/system")).json()["running"]
    assert running["expires_at"] - running["loaded_at"] > 3500
    refused = await api.post(url, json={**body, "keep_alive": "soon"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "keep_alive")
