"""What is learned only by running clients: one test for each, over plain HTTP. docs/clients.md lists them."""

from __future__ import annotations

import base64
import json
import struct

import httpx
import pytest
from dialects import rows
from scripted_studio import CALL, WEATHER, Scripted

from fabula.core.errors import EngineDied
from fabula.engine.scripted import Reply

HELLO = [{"role": "user", "content": "Hello"}]
CHAT = {"model": "tiny", "messages": HELLO}
VERSION = {"anthropic-version": "2026-10-21"}
BREAKS = Reply("One two three", error=EngineDied("tiny", "SIGKILL"), fail_at=3)


@pytest.fixture
def root(scripted: Scripted) -> httpx.Client:
    scripted.says = "Hello there, traveller."
    return httpx.Client(base_url=scripted.address, timeout=60)


@pytest.mark.parametrize("header", [{"authorization": "Bearer none"}, {"x-api-key": "none"}])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/api/chat"])
def test_a_key_is_taken_in_either_header(root: httpx.Client, header: dict[str, str], path: str) -> None:
    assert root.post(path, json=CHAT | {"max_tokens": 9}, headers=header | VERSION).status_code == 200


def test_embeddings_in_base64_are_little_endian_floats(root: httpx.Client) -> None:
    asked = {"model": "vectors", "input": "the cat"}
    (plain,) = root.post("/v1/embeddings", json=asked).json()["data"]
    (coded,) = root.post("/v1/embeddings", json=asked | {"encoding_format": "base64"}).json()["data"]
    raw = base64.b64decode(coded["embedding"])
    assert struct.unpack(f"<{len(raw) // 4}f", raw) == pytest.approx(plain["embedding"], abs=1e-6)


@pytest.mark.parametrize("word", ["model", "name"])
@pytest.mark.parametrize("path", ["/api/show", "/api/chat", "/api/generate", "/api/embed"])
def test_ollamas_model_may_be_called_name(root: httpx.Client, word: str, path: str) -> None:
    asked = {"messages": HELLO, "prompt": "Hi", "input": "x", "stream": False}
    model = "vectors" if path == "/api/embed" else "tiny"
    assert root.post(path, json=asked | {word: model}).status_code == 200


def test_an_empty_list_of_tools_is_no_tools(root: httpx.Client, scripted: Scripted) -> None:
    plain = root.post("/api/chat", json=CHAT | {"stream": False, "tools": []})
    assert "x-fabula-ignored" not in plain.headers
    assert "<tools>" not in f"{scripted.writer.prompts[-1].pieces}"


def test_ollama_streams_by_default_and_openai_does_not(root: httpx.Client) -> None:
    assert len(list(rows(root.post("/api/chat", json=CHAT).text))) > 3
    assert root.post("/v1/chat/completions", json=CHAT).json()["object"] == "chat.completion"


def test_ollamas_errors_are_texts(root: httpx.Client, scripted: Scripted) -> None:
    refused = root.post("/api/chat", json=CHAT | {"model": "nobody"})
    assert (refused.status_code, isinstance(refused.json()["error"], str)) == (404, True)
    scripted.says = BREAKS
    *_, last = rows(root.post("/api/chat", json=CHAT).text)
    assert "SIGKILL" in last["error"]


def test_a_stream_that_breaks_never_just_ends(root: httpx.Client, scripted: Scripted) -> None:
    scripted.says = BREAKS
    openai = root.post("/v1/chat/completions", json=CHAT | {"stream": True}).text
    assert [row["error"]["code"] for row in rows(openai) if "error" in row] == ["engine_died"]
    anthropic = root.post(
        "/v1/messages", json=CHAT | {"stream": True, "max_tokens": 64}, headers=VERSION
    ).text
    assert "event: error" in anthropic
    assert "message_stop" not in anthropic
    kobold = root.post("/api/extra/generate/stream", json={"prompt": "Hi"}).text
    assert list(rows(kobold))[-1]["finish_reason"] == "error"
    llamacpp = root.post("/completion", json={"prompt": "Hi", "stream": True}).text
    assert "SIGKILL" in llamacpp


def test_a_stream_that_ends_well_says_so(root: httpx.Client) -> None:
    text = root.post("/v1/chat/completions", json=CHAT | {"stream": True}).text
    assert text.endswith("data: [DONE]\n\n")
    assert list(rows(text))[-1]["choices"][0]["finish_reason"] == "stop"


def test_arguments_of_tools_are_text_for_openai_and_an_object_for_ollama(
    root: httpx.Client, scripted: Scripted
) -> None:
    scripted.says = CALL
    tools = [{"type": "function", "function": WEATHER}]
    openai = root.post("/v1/chat/completions", json=CHAT | {"tools": tools}).json()
    (call,) = openai["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "台北"}
    ollama = root.post("/api/chat", json=CHAT | {"tools": tools, "stream": False}).json()
    assert ollama["message"]["tool_calls"][0]["function"]["arguments"] == {"city": "台北"}


def test_calls_are_streamed_name_first_then_pieces(root: httpx.Client, scripted: Scripted) -> None:
    scripted.says = CALL
    asked = CHAT | {"tools": [{"type": "function", "function": WEATHER}], "stream": True}
    chunks = list(rows(root.post("/v1/chat/completions", json=asked).text))
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    first, *others = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert (first["type"], first["function"]) == ("function", {"name": "get_weather", "arguments": ""})
    assert all("name" not in call["function"] for call in others)
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", CHAT),
        ("/v1/completions", {"prompt": "Hi"}),
        ("/v1/messages", CHAT | {"max_tokens": 9}),
        ("/api/chat", CHAT | {"stream": False}),
        ("/api/v1/generate", {"prompt": "Hi"}),
        ("/completion", {"prompt": "Hi"}),
    ],
)
def test_our_own_fields_count_at_the_top_level(
    root: httpx.Client, scripted: Scripted, path: str, body: dict[str, object]
) -> None:
    root.post(path, json=body | {"min_p": 0.31, "dry_multiplier": 0.7})
    asked = scripted.writer.samplings[-1]
    assert (asked.min_p, asked.dry_multiplier) == (0.31, 0.7)


def test_what_llm_looks_for_in_ollama_is_there(root: httpx.Client) -> None:
    assert "tiny:latest" in [model["name"] for model in root.get("/api/tags").json()["models"]]
    assert "completion" in root.post("/api/show", json={"model": "tiny"}).json()["capabilities"]


def test_the_root_is_ollamas_for_programs_and_the_app_for_people(root: httpx.Client) -> None:
    assert root.get("/", headers={"accept": "*/*"}).text == "Ollama is running"
    assert root.head("/").status_code == 200
    assert "<html" in root.get("/", headers={"accept": "text/html,*/*"}).text


def test_the_list_of_models_has_the_shape_of_who_asks(root: httpx.Client) -> None:
    assert root.get("/v1/models").json()["object"] == "list"
    assert "has_more" in root.get("/v1/models", headers=VERSION).json()
