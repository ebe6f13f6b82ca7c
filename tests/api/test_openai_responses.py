"""OpenAI's responses, counting and control of reasoning, with a scripted model over the real server."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
import tiny_model
from stage import ENDLESS, Stage
from talking import Client
from waiting import until

from fabula.core.errors import EngineDied, ModelLoadFailed
from fabula.core.sampling import Sampling
from fabula.core.worker import Prompt
from fabula.engine.scripted import Reply

CHAT = {"messages": [{"role": "user", "content": "Hello"}]}
RESPONSES = "/v1/responses"
TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{# <think></think> #}{% endif %}"
)


@pytest.fixture
def base(client: Client) -> str:
    return client.address


@pytest.fixture
def openai_client(base: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{base}/v1", api_key="none", max_retries=0)


def ask(
    base: str, path: str = RESPONSES, headers: dict[str, str] | None = None, **body: Any
) -> httpx.Response:
    return httpx.post(base + path, json=body, headers=headers, timeout=30)


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    blocks = [block for block in answer.text.split("\n\n") if block and not block.startswith(":")]
    return [json.loads(block.split("data: ", 1)[1]) for block in blocks]


# ── responses ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_response_is_answered_whole_and_streamed(openai_client: openai.OpenAI) -> None:
    whole = openai_client.responses.create(model="tiny", input="Hello", store=False)
    assert (whole.object, whole.status, whole.model) == ("response", "completed", "tiny")
    assert whole.output_text == "Hello there, traveller."
    with openai_client.responses.stream(model="tiny", input="Hello") as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(pieces) == final.output_text == whole.output_text
    assert final.usage
    assert whole.usage
    assert final.usage.total_tokens == whole.usage.total_tokens


def test_a_conversation_is_what_chat_completions_make_of_it(base: str, stage: Stage) -> None:
    ask(base, input=[{"role": "user", "content": "Hello"}], instructions="Be brief.")
    ask(
        base,
        "/v1/chat/completions",
        messages=[{"role": "system", "content": "Be brief."}, *CHAT["messages"]],
    )
    first, second = stage.worker.prompts
    assert first == second


def test_an_earlier_answer_cannot_be_referred_to(base: str) -> None:
    error = ask(base, input="Go on.", previous_response_id="resp_1").json()["error"]
    assert (error["param"], error["type"]) == ("previous_response_id", "invalid_request_error")
    assert "whole conversation" in error["message"]
    assert httpx.get(f"{base}{RESPONSES}/resp_1").status_code == 404


def test_what_was_ignored_is_told(base: str) -> None:
    for stream in (False, True):
        answer = ask(base, input="Hello", store=True, stream=stream)
        assert answer.headers["x-fabula-ignored"] == "store"
        told = events_of(answer)[-1]["response"] if stream else answer.json()
        assert (told["store"], told["fabula"]["ignored"]) == (False, ["store"])


def test_a_prompt_that_is_too_long_is_refused_or_cut_where_that_is_asked_for(base: str) -> None:
    items = [{"role": "user", "content": "word " * 300}, {"role": "assistant", "content": "Yes."}] * 6
    items += [{"role": "user", "content": "And?"}]
    refusal = ask(base, input=items)
    assert (refusal.status_code, refusal.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert "2,048" in refusal.json()["error"]["message"]
    cut = ask(base, input=items, truncation="auto", max_output_tokens=20).json()
    assert (cut["status"], cut["fabula"]["cut_messages"] > 0) == ("completed", True)


def test_a_stream_that_breaks_ends_as_a_failed_response(base: str, stage: Stage) -> None:
    stage.script = [Reply("One two", error=EngineDied("tiny", "SIGKILL"), fail_at=2)]
    *_, last = events_of(ask(base, input="Hello", stream=True, headers={"accept-language": "zh-Hant"}))
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["message"] == EngineDied("tiny", "SIGKILL").sentence("zh-Hant")


def test_what_fails_before_the_engine_begins_has_a_status(base: str, stage: Stage) -> None:
    stage.load_error = ModelLoadFailed("tiny", "unknown architecture")
    assert ask(base, input="Hello", stream=True).status_code == 502


def test_hanging_up_stops_the_engine(base: str, stage: Stage) -> None:
    stage.script = [ENDLESS]
    with httpx.stream("POST", base + RESPONSES, json={"input": "x", "stream": True}) as answer:
        assert any("three" in line for line in answer.iter_lines())
    until(lambda: stage.stopped == 1)


# ── counting ────────────────────────────────────────────────────────────────────────────────────────────


def test_tokens_of_a_prompt_are_counted_without_writing(base: str, stage: Stage) -> None:
    chat = ask(base, "/v1/chat/completions/input_tokens", **CHAT).json()["input_tokens"]
    counted = ask(base, f"{RESPONSES}/input_tokens", input="Hello").json()
    assert stage.worker.prompts == []
    assert (counted["object"], counted["input_tokens"]) == ("response.input_tokens", chat)
    assert ask(base, "/v1/chat/completions", **CHAT).json()["usage"]["prompt_tokens"] == chat


# ── reasoning that is ended while it runs ───────────────────────────────────────────────────────────────


def until_answered(prompt: Prompt, sampling: Sampling) -> Reply:
    """Thinks for ever, unless its block was closed for it."""
    is_closed = len(prompt.pieces) > 1  # what was written, and the bridge
    return Reply("So, hello!" if is_closed else "<think>" + "hm " * 400, delay_s=0.0 if is_closed else 0.02)


@pytest.fixture
def thinking_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tiny_model.FACTS, "tokenizer.chat_template", TEMPLATE)


@pytest.mark.parametrize("path", ["/v1/chat/completions", RESPONSES])
def test_reasoning_is_ended_while_it_runs(thinking_model: None, base: str, stage: Stage, path: str) -> None:
    stage.script = until_answered
    body = {**CHAT, "input": "Hello", "stream": True}
    with httpx.stream("POST", base + path, json=body, timeout=30) as answer:
        lines = answer.iter_lines()
        id = next(found for line in lines if (found := id_in(line)))
        next(line for line in lines if "hm" in line)
        told = ask(base, "/v1/chat/completions/control", id=id, action="reasoning_end").json()
        rest = "\n".join(lines)
    assert told == {"id": id, "action": "reasoning_end", "success": True}
    assert "will answer now." in rest
    assert "hello" in rest
    over = ask(base, "/v1/chat/completions/control", id=id, action="reasoning_end").json()
    assert over["success"] is False, "an answer that has ended is forgotten"


def id_in(line: str) -> str:
    """The id of the answer that a stream's line tells."""
    if not line.startswith("data: "):
        return ""
    said = json.loads(line.removeprefix("data: "))
    return str((said.get("response") or said)["id"])


def test_a_control_that_is_none_is_refused(base: str) -> None:
    for body, param in (({"action": "reasoning_end"}, "id"), ({"id": "x", "action": "stop"}, "action")):
        refusal = ask(base, "/v1/chat/completions/control", **body)
        assert (refusal.status_code, refusal.json()["error"]["param"]) == (400, param)


def test_an_answer_that_was_not_streamed_is_forgotten_too(base: str) -> None:
    id = ask(base, "/v1/chat/completions", **CHAT).json()["id"]
    told = ask(base, "/v1/chat/completions/control", id=id, action="reasoning_end").json()
    assert told["success"] is False


# ── names of other front-ends ───────────────────────────────────────────────────────────────────────────


def test_front_ends_of_other_programs_are_understood(base: str) -> None:
    body = {
        "prompt": "Once",
        "max_new_tokens": 5,
        "temp": 0.5,
        "rep_pen": 1.1,
        "repetition_penalty_range": 0,
        "typical": 0.9,
        "tfs_z": 0.8,
        "nsigma": 1.5,
        "mirostat_mode": 2,
        "dry_multiplier": 0.8,
        "dry_sequence_breakers": '["\\n", "x"]',
        "custom_token_bans": "0,1",
        "stopping_strings": ["never"],
        "skip_special_tokens": True,
        "temperature_last": True,
        "some_new_sampler": 1,
    }
    told = ask(base, "/v1/completions", **body).json()["fabula"]
    effective = told["effective"]
    assert told["ignored"] == ["some_new_sampler"]
    assert (effective["max_tokens"], effective["temperature"], effective["repetition_window"]) == (5, 0.5, -1)
    assert (effective["typical_p"], effective["tfs"], effective["top_n_sigma"]) == (0.9, 0.8, 1.5)
    assert (effective["mirostat"], effective["banned_tokens"]) == (2, [0, 1])
    assert (effective["dry_sequence_breakers"], effective["stop"]) == (["\n", "x"], ["never"])


def test_a_prompt_is_cut_only_where_its_length_is_named(base: str) -> None:
    long = "word " * 2000
    assert ask(base, "/v1/completions", prompt=long).status_code == 400
    told = ask(base, "/v1/completions", prompt=long, truncation_length=500, max_tokens=50).json()
    assert told["usage"]["prompt_tokens"] <= 450
    assert told["fabula"]["cut_tokens"] >= 3500
