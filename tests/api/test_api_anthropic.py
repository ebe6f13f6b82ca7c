"""Anthropic's dialect with a scripted model, over the real server."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
import tiny_model
from stage import ENDLESS, Stage
from talking import Client
from waiting import hang_up, until

from fabula.core.errors import EngineDied, ModelLoadFailed
from fabula.engine.scripted import Reply
from fabula.store.home import Home

HELLO: dict[str, Any] = {"max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
MESSAGES = "/v1/messages"
GIF = b"GIF89a\x05\0\x05\0"
VERSION = {"anthropic-version": "2026-10-21"}


@pytest.fixture
def base(client: Client) -> str:
    return client.address


def ask(
    base: str, path: str = MESSAGES, headers: dict[str, str] | None = None, **more: Any
) -> httpx.Response:
    return httpx.post(base + path, json=HELLO | more, headers=VERSION | (headers or {}), timeout=30)


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    blocks = [block for block in answer.text.split("\n\n") if block]
    return [json.loads(block.split("data: ", 1)[1]) for block in blocks]


def test_a_message_is_answered(base: str) -> None:
    answer = ask(base).json()
    assert (answer["type"], answer["role"], answer["model"]) == ("message", "assistant", "tiny")
    assert answer["content"] == [{"type": "text", "text": "Hello there, traveller.", "citations": None}]
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("end_turn", None)


def test_a_stream_says_the_same(base: str) -> None:
    answer = ask(base, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer)
    deltas = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(deltas) == "Hello there, traveller."
    assert events[-1] == {"type": "message_stop"}
    assert events[-2]["delta"]["stop_reason"] == "end_turn"


def test_both_ways_to_send_a_key_are_taken(base: str) -> None:
    for headers in ({"x-api-key": "sk-1"}, {"authorization": "Bearer sk-1"}):
        assert ask(base, headers=headers).status_code == 200


def test_a_stop_sequence_is_told(base: str) -> None:
    answer = ask(base, stop_sequences=["there"]).json()
    assert (answer["content"][0]["text"], answer["stop_sequence"]) == ("Hello ", "there")


def test_an_assistants_message_at_the_end_is_lengthened(base: str, stage: Stage) -> None:
    ask(base, messages=[*HELLO["messages"], {"role": "assistant", "content": "Hello th"}])
    (prompt,) = stage.worker.prompts
    assert prompt.pieces == ("<user>Hello</><assistant>Hello th",)


def test_tokens_are_counted_as_the_engine_will_count_them(base: str, stage: Stage) -> None:
    counted = ask(base, f"{MESSAGES}/count_tokens", system="Be brief.").json()["input_tokens"]
    assert stage.worker.prompts == [], "nothing was written for it"
    usage = ask(base, system="Be brief.").json()["usage"]
    assert counted == usage["input_tokens"] + usage["cache_read_input_tokens"] > 0


def test_a_prompt_of_any_length_is_counted_and_one_that_is_too_long_refused(base: str) -> None:
    long = [{"role": "user", "content": "word " * 2000}]
    assert ask(base, f"{MESSAGES}/count_tokens", messages=long).json()["input_tokens"] > 4000
    for stream in (False, True):
        refusal = ask(base, messages=long, stream=stream)
        assert (refusal.status_code, refusal.json()["error"]["type"]) == (400, "invalid_request_error")
        assert "2,048" in refusal.json()["error"]["message"]
        assert refusal.json()["error"]["fields"]["prompt_tokens"] > 4000


def test_a_context_that_is_full_is_told_apart_from_a_limit(base: str, stage: Stage) -> None:
    stage.script = ["word " * 100]
    long = [{"role": "user", "content": "word " * 1000}]
    assert ask(base, messages=long, max_tokens=100).json()["stop_reason"] == "model_context_window_exceeded"
    assert ask(base, max_tokens=100).json()["stop_reason"] == "max_tokens"


def test_what_was_ignored_is_told_in_the_header_and_at_the_end(base: str) -> None:
    for stream in (False, True):
        answer = ask(base, metadata={"user_id": "ann"}, stream=stream)
        assert answer.headers["x-fabula-ignored"] == "metadata"
        told = events_of(answer)[-2] if stream else answer.json()
        assert told["fabula"]["ignored"] == ["metadata"]


def test_a_preset_is_heeded(base: str) -> None:
    assert ask(base, preset="precise").json()["fabula"]["effective"]["temperature"] < 0.8


async def test_images_reach_a_model_that_sees_and_are_told_where_they_are_not_counted(
    home: Home, api: httpx.AsyncClient, stage: Stage
) -> None:
    tiny_model.write(home.models / "seer-Q4_0.gguf")
    tiny_model.write(home.models / "mmproj-seer-F16.gguf", **{"general.type": "mmproj"})
    source = {"type": "base64", "media_type": "image/gif", "data": base64.b64encode(GIF).decode()}
    content = [{"type": "text", "text": "Look: "}, {"type": "image", "source": source}]
    body = {"model": "seer-Q4_0", "messages": [{"role": "user", "content": content}]}
    assert (await api.post(f"http://127.0.0.1{MESSAGES}", json=body)).status_code == 200
    assert stage.worker.prompts[-1].images == (GIF,)
    counted = await api.post(f"http://127.0.0.1{MESSAGES}/count_tokens", json=body)
    assert counted.json()["fabula"]["ignored"] == ["images in the count"]


# ── models, in two shapes ───────────────────────────────────────────────────────────────────────────────


def test_models_have_the_shape_of_who_asks(base: str) -> None:
    ours = httpx.get(f"{base}/v1/models", headers=VERSION).json()
    (model,) = ours["data"]
    assert (model["type"], model["id"], model["display_name"]) == ("model", "tiny", "Tiny")
    assert (ours["has_more"], ours["first_id"], ours["last_id"]) == (False, "tiny", "tiny")
    assert httpx.get(f"{base}/v1/models/tiny", headers=VERSION).json() == model
    assert httpx.get(f"{base}/v1/models").json()["data"][0]["object"] == "model"
    assert httpx.get(f"{base}/v1/models/tiny").json()["object"] == "model"


def test_several_models_come_in_pages(base: str, client: Client, home: Home) -> None:
    for name in ("aaa", "zzz"):
        tiny_model.write(home.models / f"{name}.gguf")
    client.get("/models")
    first = httpx.get(f"{base}/v1/models", headers=VERSION, params={"limit": 2}).json()
    rest = httpx.get(f"{base}/v1/models", headers=VERSION, params={"after_id": first["last_id"]}).json()
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert sorted(row["id"] for row in first["data"] + rest["data"]) == ["aaa", "tiny", "zzz"]


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────


WRONG = [
    ("GET", "/v1/models/nobody", 404, "not_found_error"),
    ("GET", "/v1/models?limit=many", 400, "invalid_request_error"),
    ("GET", "/v1/models?limit=0", 400, "invalid_request_error"),
    ("GET", "/v1/skills", 404, "not_found_error"),
    ("GET", "/v1/messages", 405, "not_found_error"),
    ("GET", "/v1/messages/batches", 404, "not_found_error"),
    ("POST", "/v1/messages", 400, "invalid_request_error"),
    ("POST", "/v1/messages/count_tokens", 400, "invalid_request_error"),
]


def test_errors_have_anthropics_shape(base: str) -> None:
    for method, path, status, kind in WRONG:
        answer = httpx.request(method, base + path, headers=VERSION)
        error = answer.json()
        told = (answer.status_code, error["type"], error["error"]["type"])
        assert told == (status, "error", kind), path


def test_without_the_version_only_its_own_paths_have_its_shape(base: str) -> None:
    assert httpx.post(base + MESSAGES, content=b"{").json()["type"] == "error"
    assert "type" not in httpx.get(f"{base}/v1/models/nobody").json()


def test_an_error_is_told_in_the_callers_language(base: str) -> None:
    for language in ("en", "zh-Hant", "zh-Hans"):
        error = ask(base, model="nobody", headers={"accept-language": language}).json()["error"]
        assert error["fields"]["known"] == "tiny"
        assert ("模型" in error["message"]) is (language != "en")


@pytest.mark.parametrize("stream", [False, True])
def test_what_fails_before_the_engine_begins_has_a_status(base: str, stage: Stage, stream: bool) -> None:
    stage.load_error = ModelLoadFailed("tiny", "unknown architecture")
    answer = ask(base, stream=stream)
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "api_error")


def test_a_stream_that_breaks_ends_with_an_error_event(base: str, stage: Stage) -> None:
    stage.script = [Reply("One two", error=EngineDied("tiny", "SIGKILL"), fail_at=2)]
    *_, last = events_of(ask(base, stream=True))
    assert (last["type"], last["error"]["type"], last["error"]["code"]) == (
        "error",
        "api_error",
        "engine_died",
    )


@pytest.mark.parametrize("stream", [False, True])
def test_hanging_up_stops_the_engine(base: str, stage: Stage, client: Client, stream: bool) -> None:
    stage.script = [ENDLESS]
    if stream:
        with httpx.stream("POST", base + MESSAGES, json=HELLO | {"stream": True}) as answer:
            assert any("three" in line for line in answer.iter_lines())
    else:
        hang_up(base, MESSAGES, HELLO, once=lambda: stage.workers and stage.worker.prompts)
    until(lambda: stage.stopped == 1)
    until(lambda: client.get("/system")["running"][0]["busy"] == 0)
