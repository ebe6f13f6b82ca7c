"""Presets over the API: listed, kept, imported, and what a turn makes of them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from stage import Stage
from talking import Client

from fabula.chats.replies import IN_CHATS
from fabula.core.sampling import Sampling

CALM = {"temperature": 0.2, "min_p": 0.2}


async def test_the_built_in_presets_come_first_in_the_reader_s_language(api: httpx.AsyncClient) -> None:
    await api.post("/presets", json={"name": "calm", "sampling": CALM})
    answer = await api.get("/presets", headers={"accept-language": "zh-Hant"})
    first, *_, last = answer.json()["presets"]
    assert (first["name"], first["title"], first["built_in"]) == ("balanced", "均衡", True)
    assert (last["name"], last["sampling"], last["built_in"]) == ("calm", CALM, False)


async def test_a_preset_is_replaced_only_where_that_is_said(api: httpx.AsyncClient) -> None:
    new = {"name": "calm", "sampling": CALM}
    assert (await api.post("/presets", json=new)).status_code == 201
    refused = await api.post("/presets", json=new | {"sampling": {}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "preset_exists")
    replaced = await api.post("/presets", json=new | {"sampling": {"top_k": 1}, "replace": True})
    assert replaced.json()["sampling"] == {"top_k": 1}


async def test_a_built_in_preset_is_neither_replaced_nor_removed(api: httpx.AsyncClient) -> None:
    saved = await api.post("/presets", json={"name": "creative", "sampling": {}, "replace": True})
    removed = await api.delete("/presets/creative")
    assert [answer.json()["error"]["code"] for answer in (saved, removed)] == ["preset_built_in"] * 2


async def test_a_removed_preset_is_gone(api: httpx.AsyncClient) -> None:
    await api.post("/presets", json={"name": "a/b 1", "sampling": CALM})
    assert (await api.get("/presets/a%2Fb%201")).json()["name"] == "a/b 1"
    assert (await api.delete("/presets/a%2Fb%201")).status_code == 204
    assert (await api.get("/presets/a%2Fb%201")).json()["error"]["code"] == "preset_not_found"


async def test_a_preset_that_no_engine_could_use_is_refused(api: httpx.AsyncClient) -> None:
    for sampling in ({"temperature": "hot"}, {"hamster": 1}, {"top_p": 2}):
        answer = await api.post("/presets", json={"name": "x", "sampling": sampling})
        assert answer.json()["error"]["code"] == "bad_parameter"


async def test_an_imported_file_is_kept_and_what_was_left_out_is_told(api: httpx.AsyncClient) -> None:
    content = {"temp": 1.3, "rep_pen_range": 0, "hamster_wheel": 1}
    answer = await api.post("/presets/import", json={"name": "mine", "content": content})
    assert answer.json()["preset"]["sampling"] == {"temperature": 1.3, "repetition_window": -1}
    assert answer.json()["left_out"] == [
        {"key": "hamster_wheel", "why": "unknown", "message": "not understood"}
    ]


async def test_what_was_exported_is_imported_again(api: httpx.AsyncClient) -> None:
    await api.post("/presets", json={"name": "calm", "sampling": CALM})
    file = (await api.get("/presets/calm/export")).text
    answer = await api.post("/presets/import", json={"content": file, "replace": True})
    assert (answer.json()["preset"]["name"], answer.json()["preset"]["sampling"]) == ("calm", CALM)
    assert answer.json()["left_out"] == []


def test_a_chat_uses_its_preset_and_its_own_values_over_it(client: Client, stage: Stage) -> None:
    client.post("/presets", {"name": "calm", "sampling": CALM}, status=201)
    chat = client.new_chat(sampling={"preset": "calm", "min_p": 0.1})
    chat.say("Hello")
    asked = stage.worker.samplings[-1]
    assert asked == Sampling(temperature=0.2, min_p=0.1, seed=asked.seed, **IN_CHATS)


def test_a_request_s_preset_takes_the_place_of_the_chat_s(client: Client, stage: Stage) -> None:
    chat = client.new_chat(sampling={"preset": "creative", "top_k": 7})
    chat.say("Hello", sampling={"preset": "deterministic", "seed": 5})
    expected = Sampling(temperature=0, top_k=7, top_p=1, min_p=0, seed=5, **IN_CHATS)
    assert stage.worker.samplings[-1] == expected


def test_a_chat_with_a_preset_that_does_not_exist_is_refused(client: Client) -> None:
    refusal = client.call("POST", "/chats", 404, json={"sampling": {"preset": "nobody"}})["error"]
    assert refusal["code"] == "preset_not_found"


async def test_a_preset_of_the_openai_dialect(api: httpx.AsyncClient, stage: Stage) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "preset": "precise", "top_k": 3}
    answer = await api.post("http://127.0.0.1/v1/chat/completions", json=body)
    assert answer.json()["fabula"]["ignored"] == []
    asked = stage.worker.samplings[-1]
    assert asked == Sampling(temperature=0.3, top_k=3, top_p=0.9, min_p=0.1, seed=asked.seed)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": "Hi", "rep_pen": 1.5, "max_new_tokens": 2}),
        ("/v1/completions", {"prompt": "Hi", "rep_pen": 1.5, "max_completion_tokens": 2, "top_k": None}),
        ("/v1/responses", {"input": "Hi", "repetition_penalty": 1.5, "max_output_tokens": 2}),
        ("/completion", {"prompt": "Hi", "repeat_penalty": 1.5, "n_predict": 2}),
        ("/api/generate", {"prompt": "Hi", "options": {"repeat_penalty": 1.5, "num_predict": 2}}),
        ("/api/generate", {"prompt": "Hi", "options": {"repetition_penalty": 1.5, "max_tokens": 2}}),
    ],
)  # fmt: skip
async def test_what_a_body_says_goes_before_its_preset_by_whatever_name(
    api: httpx.AsyncClient, stage: Stage, path: str, body: dict[str, Any]
) -> None:
    sampling = {"repetition_penalty": 1.2, "max_tokens": 5, "top_k": 9}
    await api.post("/presets", json={"name": "mine", "sampling": sampling})
    body = {"model": "tiny", "stream": False, "preset": "mine"} | body
    answer = await api.post(f"http://127.0.0.1{path}", json=body)
    assert answer.json()["fabula"]["ignored"] == []
    asked = stage.worker.samplings[-1]
    assert (asked.repetition_penalty, asked.max_tokens, asked.top_k) == (1.5, 2, 9)
