"""text-generation-webui's routes and extra fields with a scripted model, through the real server."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import tiny_model
from stage import ENDLESS, SLOWLY, Stage
from talking import Client
from waiting import until

from fabula.store.home import Home

Json = dict[str, Any]
SAID = "Hello there, traveller."


@pytest.fixture
def v1(client: Client) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{client.address}/v1", timeout=30) as v1:
        yield v1


@pytest.fixture
def two(home: Home) -> Home:
    """With another model beside `tiny`."""
    tiny_model.write(home.models / "other.gguf")
    return home


def asked(v1: httpx.Client, path: str, **body: Any) -> Any:
    answer = v1.post(f"/internal/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


# ── models ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_model_is_told_before_it_is_loaded_and_after(v1: httpx.Client) -> None:
    told = v1.get("/internal/model/info").json()
    assert told == {"model_name": "tiny", "lora_names": [], "loader": "llama.cpp", "loaded": False}
    v1.post("/completions", json={"prompt": "x"})
    assert v1.get("/internal/model/info").json()["loaded"] is True


def test_without_any_model_there_is_none(home: Home, started: Callable[[], Client]) -> None:
    (home.models / "tiny.gguf").unlink()
    told = httpx.get(f"{started().address}/v1/internal/model/info").json()
    assert (told["model_name"], told["loaded"]) == ("None", False)


def test_a_model_is_loaded_and_answers_from_then_on(two: Home, v1: httpx.Client, client: Client) -> None:
    assert v1.get("/internal/model/list").json() == {"model_names": ["other", "tiny"]}
    assert asked(v1, "model/load", model_name="tiny") == "OK"
    client.post("/models/other/load")
    assert v1.post("/completions", json={"prompt": "x"}).json()["model"] == "tiny"
    assert v1.get("/internal/model/info").json()["model_name"] == "tiny"
    assert v1.post("/completions", json={"prompt": "x", "model": "other"}).json()["model"] == "other"


def test_arguments_of_a_load_are_heeded_or_told(v1: httpx.Client, client: Client) -> None:
    body = {"model_name": "tiny", "args": {"ctx_size": 512, "trust_remote_code": True}}
    answer = v1.post("/internal/model/load", json=body)
    assert (answer.json(), answer.headers["x-fabula-ignored"]) == ("OK", "args.trust_remote_code")
    assert client.get("/system")["running"][0]["plan"]["context"] == 512


def test_a_model_is_unloaded(v1: httpx.Client, client: Client) -> None:
    asked(v1, "model/load", model_name="tiny")
    assert asked(v1, "model/unload") == "OK"
    assert client.get("/system")["running"] == []


def test_an_unknown_model_is_told_in_openais_shape(v1: httpx.Client) -> None:
    answer = v1.post("/internal/model/load", json={"model_name": "gpt-9"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_health(v1: httpx.Client) -> None:
    assert v1.get("/internal/health").json() == {"status": "ok"}


# ── adapters ────────────────────────────────────────────────────────────────────────────────────────────


def test_there_are_no_adapters(v1: httpx.Client) -> None:
    assert v1.get("/internal/lora/list").json() == {"lora_names": []}
    assert asked(v1, "lora/unload") == "OK"
    answer = v1.post("/internal/lora/load", json={"lora_names": ["cat"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "adapter_not_found")


# ── tokens ──────────────────────────────────────────────────────────────────────────────────────────────


def test_tokens_are_counted_and_spelled(v1: httpx.Client) -> None:
    told = asked(v1, "encode", text="the cat")
    assert told["length"] == len(told["tokens"]) == asked(v1, "token-count", text="the cat")["length"] == 3
    assert asked(v1, "decode", tokens=told["tokens"][:1]) == {"text": "the"}


def test_likely_next_tokens_have_probabilities(v1: httpx.Client, stage: Stage) -> None:
    told = asked(v1, "logits", prompt="Once", top_logits=2, temperature=0.3, use_samplers=True)
    assert told["logits"] == {"Hello": pytest.approx(math.exp(-0.25)), "�": pytest.approx(math.exp(-1.5))}
    assert told["ignored"] == ["use_samplers"]
    assert (stage.worker.samplings[0].max_tokens, stage.worker.samplings[0].logprobs) == (1, 2)


def test_the_prompt_of_a_chat_is_shown(v1: httpx.Client) -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
    ]
    told = asked(v1, "chat-prompt", messages=messages)
    assert told == {"prompt": "<system>Be brief.</><user>Hi</><assistant>"}


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        ["x"],
        [{"role": "wizard", "content": "x"}],
        [{"role": "user", "content": [{"type": "image"}]}],
    ],
)
def test_a_chat_that_makes_no_sense_is_refused(v1: httpx.Client, messages: Any) -> None:
    answer = v1.post("/internal/chat-prompt", json={"messages": messages})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_parameter")


# ── generation ──────────────────────────────────────────────────────────────────────────────────────────


def test_its_fields_reach_the_engine_through_openais_routes(v1: httpx.Client, stage: Stage) -> None:
    fields = {"max_new_tokens": 3, "typical": 0.9, "mode": "instruct"}
    fields |= {"repetition_penalty": 1.1, "repetition_penalty_range": 0}
    for path, body in (("/completions", {"prompt": "x"}), ("/chat/completions", CHAT)):
        answer = v1.post(path, json=body | fields | {"character": "Ann"})
        assert answer.headers["x-fabula-ignored"] == "character"
    for sampling in stage.worker.samplings:
        assert (sampling.max_tokens, sampling.repetition_window, sampling.typical_p) == (3, -1, 0.9)


CHAT: Json = {"messages": [{"role": "user", "content": "Hello"}]}


def test_a_template_of_the_request_wraps_its_messages(v1: httpx.Client, stage: Stage) -> None:
    template = "{% for message in messages %}[{{ message.content }}]{% endfor %}"
    answer = v1.post("/chat/completions", json=CHAT | {"instruction_template_str": template})
    assert "x-fabula-ignored" not in answer.headers
    assert stage.worker.prompts[0].pieces == ("[Hello]",)
    other = v1.post("/completions", json={"prompt": "x", "instruction_template_str": template})
    assert other.headers["x-fabula-ignored"] == "instruction_template_str"


def test_a_prompt_is_cut_where_a_truncation_length_says_so(v1: httpx.Client) -> None:
    words = " ".join(f"w{number}" for number in range(100))
    body = {"prompt": words, "max_tokens": 20, "truncation_length": 60}
    answer = v1.post("/completions", json=body).json()
    assert (answer["usage"]["prompt_tokens"], answer["fabula"]["cut_tokens"]) == (40, 159)
    whole = v1.post("/completions", json=body | {"truncation_length": 0}).json()
    assert (whole["usage"]["prompt_tokens"], whole["fabula"]["cut_tokens"]) == (199, 0)


def test_of_a_conversation_the_oldest_messages_go(v1: httpx.Client) -> None:
    rows = [{"role": role, "content": "word " * 30} for role in ("user", "assistant") * 5]
    body = {
        "messages": [*rows, {"role": "user", "content": "Now?"}],
        "max_tokens": 20,
        "truncation_length": 200,
    }
    told = v1.post("/chat/completions", json=body).json()
    assert told["usage"]["prompt_tokens"] <= 180
    assert told["fabula"]["cut_messages"] > 0


@pytest.mark.parametrize("stream", [False, True])
def test_generation_is_stopped_with_what_is_written(
    v1: httpx.Client, stage: Stage, client: Client, stream: bool
) -> None:
    stage.script = [ENDLESS, SLOWLY]
    found: list[httpx.Response] = []

    def ask() -> None:
        found.append(v1.post("/completions", json={"prompt": "x", "stream": stream}))

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: stage.workers and stage.worker.prompts)
    assert asked(v1, "stop-generation") == "OK"
    thread.join()
    last = found[0].json() if not stream else json.loads(found[0].text.split("data: ")[-2])
    assert last["fabula"]["reasons"] == ["stopped"]
    assert "on." not in found[0].text
    until(lambda: client.get("/system")["running"][0]["busy"] == 0)
    assert v1.post("/chat/completions", json=CHAT).json()["choices"][0]["message"]["content"] == SLOWLY.text
