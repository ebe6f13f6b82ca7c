"""text-generation-webui's routes and fields as programs speak them, with the real engine."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from adapter_making import changes_of, write_gguf
from studio_process import StudioProcess, home_with
from waiting import until

Json = dict[str, Any]
STORY = "Once upon a time, there was a fox"
GREEDY: Json = {"prompt": STORY, "max_new_tokens": 12, "temperature": 0}
SILLYTAVERN: Json = {
    # what its "Default (Oobabooga)" adds to every request
    "truncation_length": 2048,
    "num_ctx": 2048,
    "top_p": 1,
    "typical_p": 1,
    "typical": 1,
    "min_p": 0,
    "repetition_penalty": 1,
    "rep_pen": 1,
    "repetition_penalty_range": 0,
    "rep_pen_range": 0,
    "skew": 0,
    "epsilon_cutoff": 0,
    "eta_cutoff": 0,
    "tfs": 1,
    "top_a": 0,
    "encoder_repetition_penalty": 1,
    "no_repeat_ngram_size": 0,
    "penalty_alpha": 0,
    "do_sample": True,
    "temperature_last": True,
    "seed": -1,
    "dry_multiplier": 0,
    "dry_base": 1.75,
    "dry_penalty_last_n": 0,
    "dry_sequence_breakers": '["\\n", ":"]',
    "mirostat_mode": 0,
    "mirostat_tau": 5,
    "guidance_scale": 1,
    "negative_prompt": "",
    "custom_token_bans": "",
    "banned_strings": [],
    "add_bos_token": True,
    "ban_eos_token": False,
    "skip_special_tokens": True,
    "api_type": "ooba",
    "api_server": "http://127.0.0.1:5000",
    "stop": ["\nYou:"],
    "stopping_strings": ["\nYou:"],
    "sampler_priority": ["repetition_penalty", "temperature", "top_k", "top_p", "min_p"],
}


@pytest.fixture(scope="module")
def home(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With an adapter beside the starter model."""
    home = home_with(tmp_path_factory.mktemp("home") / "home", starter_model)
    (home / "adapters").mkdir()
    write_gguf(
        home / "adapters" / "one.gguf", changes_of(starter_model, ("attn_output", "ffn_down"), 1, "one")
    )
    return home


@pytest.fixture(scope="module")
def studio(home: Path) -> Iterator[StudioProcess]:
    """One studio for all tests of this file, its model loaded."""
    studio = StudioProcess(home)
    studio.client.post("/models/smollm2/load")
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def v1(studio: StudioProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{studio.address}/v1", timeout=120) as v1:
        yield v1


def asked(v1: httpx.Client, path: str, **body: Any) -> Any:
    answer = v1.post(f"/internal/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def completed(v1: httpx.Client, **body: Any) -> Json:
    answer = v1.post("/completions", json=GREEDY | body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def text_of(answer: Json) -> str:
    return str(answer["choices"][0]["text"])


def test_sillytavern_connects_counts_and_gets_a_stream(v1: httpx.Client, starter_model: Path) -> None:
    """The requests that its server makes, in their order."""
    assert v1.get("/models").json()["data"][0]["id"] == starter_model.stem
    assert v1.get("/internal/model/info").json()["model_name"] == starter_model.stem
    assert asked(v1, "encode", text=STORY)["length"] == 9
    body = GREEDY | SILLYTAVERN | {"stream": True}
    with v1.stream("POST", "/completions", json=body) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    *chunks, done = lines
    rows = [json.loads(chunk) for chunk in chunks]
    assert done == "[DONE]"
    assert "".join(row["choices"][0]["text"] for row in rows) == text_of(completed(v1, top_p=1, min_p=0))
    assert rows[-1]["fabula"]["ignored"] == []


def test_info_tells_the_engine_and_that_it_is_loaded(v1: httpx.Client) -> None:
    told = v1.get("/internal/model/info").json()
    assert told["loader"].startswith("llama.cpp")
    assert told["loaded"] is True


def test_tokens_there_and_back(v1: httpx.Client) -> None:
    told = asked(v1, "encode", text=STORY)
    assert asked(v1, "token-count", text=STORY)["length"] == len(told["tokens"]) == told["length"]
    assert asked(v1, "decode", tokens=told["tokens"])["text"] == STORY


def test_the_likeliest_next_token_is_what_greed_writes(v1: httpx.Client) -> None:
    told = asked(v1, "logits", prompt=STORY, top_logits=20)["logits"]
    assert len(told) == 20
    assert 0 < math.fsum(told.values()) <= 1.001
    assert list(told.values()) == sorted(told.values(), reverse=True)
    assert next(iter(told)) == text_of(completed(v1, max_new_tokens=1))


def test_the_prompt_of_a_chat_is_what_the_chat_is_read_as(v1: httpx.Client) -> None:
    messages = [{"role": "user", "content": "Tell me a story."}]
    prompt = asked(v1, "chat-prompt", messages=messages)["prompt"]
    chat = v1.post(
        "/chat/completions", json={"messages": messages, "max_tokens": 12, "temperature": 0}
    ).json()
    told = completed(v1, prompt=prompt)
    assert text_of(told) == chat["choices"][0]["message"]["content"]
    assert told["usage"]["prompt_tokens"] == chat["usage"]["prompt_tokens"]


def test_a_prompt_is_cut_to_the_truncation_length(v1: httpx.Client) -> None:
    words = " ".join(f"The fox saw tree {number}." for number in range(60))
    told = completed(v1, prompt=words, truncation_length=128)
    assert told["usage"]["prompt_tokens"] == 128 - 12
    assert told["fabula"]["cut_tokens"] > 200


@pytest.mark.parametrize("path", ["/completions", "/chat/completions"])
def test_a_prompt_that_nobody_says_to_cut_is_refused_with_the_numbers(v1: httpx.Client, path: str) -> None:
    words = "word " * 3000
    body = {"prompt": words} if path == "/completions" else {"messages": [{"role": "user", "content": words}]}
    answer = v1.post(path, json=body | {"max_tokens": 4})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize(
    ("fields", "effective"),
    [
        ({"repetition_penalty": 1.1, "repetition_penalty_range": 0}, {"repetition_window": 2048}),
        ({"mirostat_mode": 2, "ban_eos_token": True}, {"mirostat": 2, "ignore_eos": True}),
        ({"dynamic_temperature": True, "dynatemp_low": 0.5, "dynatemp_high": 1.5}, {"dynatemp_range": 0.5}),
        ({"custom_token_bans": "28, 30"}, {"banned_tokens": [28, 30]}),
    ],
)
def test_its_sampling_reaches_the_engine(v1: httpx.Client, fields: Json, effective: Json) -> None:
    told = completed(v1, **{"temperature": 0.7, **fields})["fabula"]
    assert told["effective"] | effective == told["effective"]
    assert told["ignored"] == []


def test_generation_is_stopped_with_what_is_written(studio: StudioProcess, v1: httpx.Client) -> None:
    found: list[Json] = []
    body = {"max_new_tokens": 1500, "ban_eos_token": True}
    thread = threading.Thread(target=lambda: found.append(completed(v1, **body)))
    thread.start()
    until(lambda: studio.client.get("/system")["running"][0]["busy"])
    time.sleep(0.5)
    assert asked(v1, "stop-generation") == "OK"
    thread.join()
    assert found[0]["fabula"]["reasons"] == ["stopped"]
    assert found[0]["usage"]["completion_tokens"] < 1500
    until(lambda: studio.client.get("/system")["running"][0]["busy"] == 0)


def test_models_and_adapters_are_loaded_and_unloaded(home: Path, starter_model: Path, tmp_path: Path) -> None:
    models = tmp_path / "home"
    home_with(models, starter_model)
    (models / "adapters").symlink_to(home / "adapters")
    studio = StudioProcess(models)
    try:
        with httpx.Client(base_url=f"{studio.address}/v1", timeout=120) as v1:
            (name,) = v1.get("/internal/model/list").json()["model_names"]
            assert asked(v1, "model/load", model_name=name, args={"ctx_size": 512}) == "OK"
            assert studio.client.get("/system")["running"][0]["plan"]["context"] == 512
            plain = text_of(completed(v1))
            (adapter,) = v1.get("/internal/lora/list").json()["lora_names"]
            assert asked(v1, "lora/load", lora_names=[adapter]) == "OK"
            assert v1.get("/internal/model/info").json()["lora_names"] == [adapter]
            assert text_of(completed(v1)) != plain
            assert asked(v1, "lora/unload") == "OK"
            assert text_of(completed(v1)) == plain
            assert asked(v1, "model/unload") == "OK"
            assert studio.client.get("/system")["running"] == []
    finally:
        studio.close()
