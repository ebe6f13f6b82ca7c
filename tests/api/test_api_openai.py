"""OpenAI's dialect with a scripted model: what the real client cannot send, and what it cannot see."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from stage import ENDLESS, Stage
from talking import Client
from waiting import hang_up, until

from fabula.core.errors import EngineDied, ModelLoadFailed
from fabula.engine.scripted import Reply

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
JSON = {"content-type": "application/json"}
CHAT = "/v1/chat/completions"


@pytest.fixture
def base(client: Client) -> str:
    return client.address


def chunks_of(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = answer.text.split("\n\n")
    blocks = [line.removeprefix("data: ") for line in lines if line and not line.startswith(":")]
    assert blocks[-1] == "[DONE]"
    return [json.loads(block) for block in blocks[:-1]]


def test_without_a_model_the_default_one_answers(base: str) -> None:
    answer = httpx.post(base + CHAT, json=HELLO).json()
    assert (answer["model"], answer["choices"][0]["message"]["content"]) == (
        "tiny",
        "Hello there, traveller.",
    )


def test_a_stream_is_what_the_whole_answer_says(base: str) -> None:
    chunks = chunks_of(httpx.post(base + CHAT, json=HELLO | {"stream": True}))
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text == "Hello there, traveller."
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_stream_that_breaks_ends_with_an_error_in_the_callers_language(base: str, stage: Stage) -> None:
    error = EngineDied("tiny", "SIGKILL")
    stage.script = [Reply("One two", error=error, fail_at=2)]
    answer = httpx.post(base + CHAT, json=HELLO | {"stream": True}, headers={"accept-language": "zh-Hant"})
    *_, last = chunks_of(answer)
    assert last["error"]["code"] == "engine_died"
    assert last["error"]["message"] == error.sentence("zh-Hant")


@pytest.mark.parametrize("stream", [False, True])
def test_what_fails_before_the_engine_begins_has_a_status(base: str, stage: Stage, stream: bool) -> None:
    stage.load_error = ModelLoadFailed("tiny", "unknown architecture")
    answer = httpx.post(f"{base}/v1/completions", json={"prompt": "x", "stream": stream})
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "server_error")


@pytest.mark.parametrize("stream", [False, True])
def test_hanging_up_stops_the_engine(base: str, stage: Stage, stream: bool, client: Client) -> None:
    stage.script = [ENDLESS]
    body = HELLO | {"stream": stream, "n": 2}
    if stream:
        with httpx.stream("POST", base + CHAT, json=body) as answer:
            assert any("three" in line for line in answer.iter_lines())
    else:
        hang_up(base, CHAT, body, once=lambda: stage.workers and len(stage.worker.prompts) == 2)
    until(lambda: stage.stopped == 2)
    until(lambda: client.get("/system")["running"][0]["busy"] == 0)


def test_usage_counts_every_prompt_once_and_every_choice(base: str) -> None:
    body = {"prompt": ["one two", "three"], "n": 3}
    usage = httpx.post(f"{base}/v1/completions", json=body).json()["usage"]
    alone = [
        httpx.post(f"{base}/v1/completions", json={"prompt": prompt}).json()["usage"]
        for prompt in body["prompt"]
    ]
    assert usage["prompt_tokens"] == sum(each["prompt_tokens"] for each in alone)
    assert usage["completion_tokens"] == 3 * sum(each["completion_tokens"] for each in alone)
    streamed = body | {"stream": True, "stream_options": {"include_usage": True}}
    last = chunks_of(httpx.post(f"{base}/v1/completions", json=streamed))[-1]
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], usage["total_tokens"])


def test_every_choice_tells_its_own_seed_whoever_chose_it(base: str, stage: Stage) -> None:
    stage.script = lambda prompt, sampling: f"Seed {sampling.seed}."
    answer = httpx.post(base + CHAT, json=HELLO | {"n": 3}).json()
    first, *others = seeds = answer["fabula"]["seeds"]
    assert answer["fabula"]["effective"]["seed"] == first
    assert others == [first + 1, first + 2]
    texts = [choice["message"]["content"] for choice in answer["choices"]]
    assert texts == [f"Seed {seed}." for seed in seeds]
    again = httpx.post(base + CHAT, json=HELLO | {"n": 3, "seed": first}).json()
    assert (again["choices"], again["fabula"]["seeds"]) == (answer["choices"], seeds)


def test_every_choice_of_a_stream_ends_with_its_own_seed(base: str, stage: Stage) -> None:
    stage.script = lambda prompt, sampling: f"{sampling.seed}"
    body = {"prompt": ["x", "x"], "n": 2, "stream": True}
    texts, seeds = [""] * 4, [[0]] * 4
    for chunk in chunks_of(httpx.post(f"{base}/v1/completions", json=body)):
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["text"]
        if "fabula" in chunk:
            seeds[choice["index"]] = chunk["fabula"]["seeds"]
    assert [[int(text)] for text in texts] == seeds
    assert len(set(texts)) == 4, "also the same prompt twice has other replies"


BAD_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff",
    b'{"messages": "Hello"}',
    b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    b'{"messages": [{"role": "user", "content": "\xed\xa0\xbd"}]}',
    '{"messages": [{"role": "user", "content": "\\ud800"}]}'.encode("utf-16"),
    b'{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}',
    b'{"messages": [{"role": "user", "content": 5}]}',
    b'{"messages": [5]}',
    b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
    b'{"messages": [{"role": "user", "content": "x"}], "temperature": 1e999}',
    b'{"messages": [{"role": "user", "content": "x"}], "\\ud800": 1}',
    b'{"messages": [{"role": "user", "content": "x"}], "stream": "yes"}',
    b'{"messages": [{"role": "user", "content": "x"}], "n": true}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
async def test_a_bad_body_is_refused_in_openais_shape(
    api: httpx.AsyncClient, body: bytes, stage: Stage
) -> None:
    answer = await api.post(f"http://127.0.0.1{CHAT}", content=body, headers=JSON)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert set(error) == {"message", "type", "param", "code"}
    assert stage.workers == []


async def test_an_ignored_field_of_any_name_breaks_no_header(api: httpx.AsyncClient) -> None:
    body = HELLO | {"溫度\r\nset-cookie: a=b": 1, "x" * 20_000: 2}
    answer = await api.post(f"http://127.0.0.1{CHAT}", json=body)
    assert answer.status_code == 200
    assert set(answer.json()["fabula"]["ignored"]) == set(body) - {"messages"}
    assert "set-cookie" not in answer.headers
    assert len(answer.headers["x-fabula-ignored"]) <= 4000


@pytest.mark.parametrize("language", ["en", "zh-Hant", "zh-Hans"])
async def test_an_error_is_told_in_the_callers_language(api: httpx.AsyncClient, language: str) -> None:
    answer = await api.post(
        f"http://127.0.0.1{CHAT}", json=HELLO | {"model": "nobody"}, headers={"accept-language": language}
    )
    assert answer.status_code == 404
    assert answer.json()["error"]["message"].isascii() is (language == "en")
