"""A suffix: models with tokens for it fill the gap, others say that they leave it out."""

from __future__ import annotations

import base64

import httpx
import pytest
import tiny_model
from stage import Stage

from fabula.core.messages import IMAGE
from fabula.store.home import Home

V1 = "http://127.0.0.1/v1"
GIF = base64.b64encode(b"GIF89a\x05\0\x05\0").decode()
NAMES = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"]


@pytest.fixture
def home(home: Home) -> Home:
    """With a model whose vocabulary has tokens for gaps."""
    tokens = {"tokenizer.ggml.tokens": ["a", *NAMES]}
    tiny_model.write(home.models / "coder.gguf", **tokens)
    tiny_model.write(home.models / "seer.gguf", **tokens)
    tiny_model.write(home.models / "mmproj-seer.gguf", **{"general.type": "mmproj"})
    return home


async def test_a_gap_is_filled_by_a_model_that_knows_how(api: httpx.AsyncClient, stage: Stage) -> None:
    body = {"model": "coder", "prompt": "def f(", "suffix": "): pass"}
    answer = (await api.post(f"{V1}/completions", json=body)).json()
    assert stage.worker.prompts[-1].pieces == ("", (1,), "def f(", (2,), "): pass", (3,))
    assert stage.worker.prompts[-1].literal
    assert answer["fabula"]["ignored"] == []


async def test_a_model_that_cannot_says_that_it_left_the_suffix_out(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    body = {"model": "tiny", "prompt": "def f(", "suffix": "): pass"}
    answer = (await api.post(f"{V1}/completions", json=body)).json()
    assert stage.worker.prompts[-1].pieces == ("def f(",)
    assert not stage.worker.prompts[-1].literal
    assert answer["fabula"]["ignored"] == ["suffix"]


async def test_beside_images_no_gap_is_filled(api: httpx.AsyncClient, stage: Stage, home: Home) -> None:
    body = {"model": "seer", "prompt": "def f(", "suffix": "): pass", "images": [GIF], "stream": False}
    answer = await api.post("http://127.0.0.1/api/generate", json=body)
    assert answer.json()["fabula"]["ignored"] == ["suffix"]
    sent = stage.worker.prompts[-1]
    assert (sent.pieces, len(sent.images)) == ((f"{IMAGE}def f(",), 1)


async def test_an_empty_suffix_asks_for_nothing(api: httpx.AsyncClient, stage: Stage) -> None:
    body = {"model": "coder", "prompt": "def f(", "suffix": ""}
    answer = (await api.post(f"{V1}/completions", json=body)).json()
    assert stage.worker.prompts[-1].pieces == ("def f(",)
    assert answer["fabula"]["ignored"] == []


async def test_a_chat_has_no_suffix(api: httpx.AsyncClient) -> None:
    body = {"model": "coder", "messages": [{"role": "user", "content": "Hi"}], "suffix": "x"}
    answer = (await api.post(f"{V1}/chat/completions", json=body)).json()
    assert answer["fabula"]["ignored"] == ["suffix"]


async def test_the_native_api_fills_gaps_too(api: httpx.AsyncClient, stage: Stage) -> None:
    await api.post("/generate", json={"model": "coder", "prompt": "a", "suffix": "b"})
    assert stage.worker.prompts[-1].pieces == ("", (1,), "a", (2,), "b", (3,))
