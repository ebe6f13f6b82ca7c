"""Requests that make the engine fail, or that it would take without a word: each is refused in one sentence.

The list is that of the measurements behind this house, sent to a real studio with the real engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from studio_process import StudioProcess, home_with
from talking import NATIVE, heard

CHAT, COMPLETE = "/v1/chat/completions", "/v1/completions"
HELLO = [{"role": "user", "content": "Hello"}]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
LANGUAGES = ("en", "zh-Hant", "zh-Hans")


@pytest.fixture(scope="module")
def address(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    studio = StudioProcess(home_with(tmp_path_factory.mktemp("refusals") / "home", starter_model))
    name = studio.client.get("/models")["models"][0]["name"]
    studio.client.post(f"/models/{name}/load")
    yield studio.address
    studio.close()


def chat(**body: Any) -> dict[str, Any]:
    return {"messages": HELLO, "max_tokens": 4, **body}


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a bad grammar": (CHAT, chat(grammar="root ::= nothing"), "bad_parameter"),
    "a grammar without words": (CHAT, chat(grammar="root ::= root"), "bad_parameter"),
    "a schema that is none": (CHAT, chat(json_schema={"type": "hamster"}), "bad_parameter"),
    "a schema that the engine cannot compile": (
        CHAT,
        chat(json_schema={"not": {"type": "string"}}),
        "bad_parameter",
    ),
    "a regex that is none": (CHAT, chat(regex="(["), "bad_parameter"),
    "a word for a number": (CHAT, chat(temperature="hot"), "bad_parameter"),
    "a negative temperature": (CHAT, chat(temperature=-1), "bad_parameter"),
    "a top_p of 5": (CHAT, chat(top_p=5), "bad_parameter"),
    "mirostat 9": (CHAT, chat(mirostat=9), "bad_parameter"),
    "an unknown sampler": (CHAT, chat(sampler_order=["hamster"]), "bad_parameter"),
    "a text as seed": (CHAT, chat(seed="a"), "bad_parameter"),
    "no messages": (CHAT, {"messages": []}, "bad_parameter"),
    "junk tools": (CHAT, chat(tools=[{"type": "hamster"}]), "bad_parameter"),
    "an image": (
        CHAT,
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]}]},
        "sees_no_images",
    ),
    "a prompt that is too long": (COMPLETE, {"prompt": "many words " * 3000}, "context_length_exceeded"),
    "a token that does not exist": (COMPLETE, {"prompt": [1, 999_999], "max_tokens": 2}, "bad_parameter"),
    "a negative token": (COMPLETE, {"prompt": [-5], "max_tokens": 2}, "bad_parameter"),
    "too many choices": (CHAT, chat(n=300), "bad_parameter"),
    "a chat template that is none": (CHAT, chat(load={"chat_template": "{% if %}"}), "template_refused"),
    "a KV type that does not exist": (CHAT, chat(load={"kv_type": "q6_K"}), "bad_parameter"),
    "an embedding of a model that writes": (
        f"{NATIVE}/embed",
        {"texts": ["a"], "model": "starter"},
        "cannot_embed",
    ),
    "a token that cannot be spelt": (f"{NATIVE}/detokenize", {"tokens": [999_999]}, "bad_parameter"),
    "no model of that name": (CHAT, chat(model="nobody"), "model_not_found"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_sentence(address: str, name: str) -> None:
    path, body, code = REFUSED[name]
    for language in LANGUAGES:
        answer = httpx.post(address + path, json=body, headers={"Accept-Language": language}, timeout=60)
        error = answer.json()["error"]
        assert (answer.status_code // 100, error["code"]) in ((4, code), (5, code)), answer.text
        reads_well(error["message"])


RAW: dict[str, bytes] = {
    "no JSON": b'{"messages": [',
    "no UTF-8": b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "half a character": b'{"messages": [{"role": "user", "content": "\\ud83d"}]}',
    "200,000 brackets": b"[" * 200_000,
    "NaN": b'{"messages": [{"role": "user", "content": "Hi"}], "temperature": NaN}',
}


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize("path", [CHAT, f"{NATIVE}/generate"])
def test_what_is_no_request_is_refused_too(address: str, path: str, name: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(address + path, content=RAW[name], headers=headers, timeout=60)
    assert answer.status_code == 400, answer.text
    reads_well(answer.json()["error"]["message"])


@pytest.mark.parametrize("words", [4_000_000, 300_000])
def test_what_no_context_can_hold_reaches_no_engine(address: str, words: int) -> None:
    answer = httpx.post(address + COMPLETE, json={"prompt": "word " * words}, timeout=120)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "bad_parameter", "text")
    reads_well(error["message"])


def test_without_a_limit_a_reply_ends_with_the_context_and_says_so(address: str) -> None:
    sampling = {"ignore_eos": True, "max_tokens": None}
    body = {"prompt": "word " * 1950, "sampling": sampling}
    with httpx.stream("POST", f"{address}{NATIVE}/generate", json=body, timeout=120) as answer:
        done = list(heard(answer.iter_lines()))[-1]
    assert (done.kind, done.data["reason"]) == ("done", "length")


def test_after_all_this_the_same_engine_still_answers(address: str) -> None:
    answer = httpx.post(address + CHAT, json=chat(), timeout=60)
    assert (answer.status_code, answer.json()["usage"]["completion_tokens"]) == (200, 4)
    assert len(httpx.get(f"{address}{NATIVE}/system").json()["running"]) == 1


def reads_well(sentence: str) -> None:
    assert sentence
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert not json.dumps(sentence).startswith('"{')
