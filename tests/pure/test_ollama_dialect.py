"""Ollama's dialect: bodies become core requests, deltas become lines."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.core.errors import BadParameter, BadRequest, EngineDied
from fabula.core.load import FOREVER
from fabula.core.stream import (
    Choice,
    Delta,
    Finished,
    Loading,
    Prepared,
    Queued,
    Thought,
    Token,
    ToolCallPart,
)
from fabula.models.known.entries import entries
from fabula.server.answering import Written
from fabula.server.ollama import errors, parse, recipe, times
from fabula.server.ollama.pulling import usual_of
from fabula.server.ollama.render import ChatShape, Lines, TextShape

HI = [{"role": "user", "content": "Hi"}]
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
END = Finished(
    reason="stop",
    prompt_tokens=5,
    reused_tokens=0,
    processed_tokens=5,
    completion_tokens=2,
    prompt_ms=1.5,
    predicted_ms=2.0,
    effective={"temperature": 0.8},
    ignored=("numa",),
)


def chat(**body: Any) -> parse.Asked:
    return parse.chat({"model": "tiny", "messages": HI, **body})


def generate(**body: Any) -> parse.Asked:
    return parse.generate({"model": "tiny", "prompt": "Hi", **body})


# ── bodies ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stream_is_the_rule() -> None:
    assert (chat().stream, chat(stream=False).stream) == (True, False)


def test_a_model_is_called_model_or_name() -> None:
    assert parse.chat({"name": "tiny", "messages": HI}).model == "tiny"
    with pytest.raises(BadParameter):
        parse.chat({"messages": HI})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(30, 30.0), ("5m", 300.0), ("1h30m", 5400.0), (-1, FOREVER), ("-5m", FOREVER), (0, 0.0), ("0", 0.0)],
)
def test_keep_alive_is_a_number_or_a_duration(value: object, seconds: float) -> None:
    assert chat(keep_alive=value).wish.keep_alive_s == seconds


def test_nothing_to_write_is_a_load_and_with_keep_alive_nought_an_unload() -> None:
    assert (chat(messages=[]).loads, generate(prompt="").loads, chat().loads) == (True, True, False)
    assert (chat(messages=[], keep_alive=0).unloads, chat(messages=[]).unloads) == (True, False)
    assert not chat(keep_alive=0).unloads


@pytest.mark.parametrize(
    ("think", "said"),
    [
        (None, (None, "")),
        (True, (True, "")),
        (False, (False, "")),
        ("low", (True, "low")),
        ("high", (True, "high")),
    ],
)
def test_think_is_a_switch_or_an_effort(think: object, said: tuple[object, str]) -> None:
    sampling = chat(think=think).sampling
    assert (sampling.think, sampling.think_effort) == said


def test_no_tools_and_an_empty_list_are_the_same() -> None:
    assert "tools" not in chat(tools=[]).turn
    (tool,) = chat(tools=[WEATHER]).turn["tools"]
    assert tool["function"]["name"] == "weather"


def test_a_tools_answer_finds_its_call() -> None:
    call = {"function": {"name": "weather", "arguments": {"city": "台北"}}}
    said = [
        *HI,
        {"role": "assistant", "tool_calls": [call, {"function": {"name": "time", "arguments": {}}}]},
        {"role": "tool", "tool_name": "time", "content": "noon"},
        {"role": "tool", "content": "rain"},
    ]
    (messages,) = chat(messages=said).conversations
    first, second = messages[1].tool_calls
    assert json.loads(first.arguments) == {"city": "台北"}
    assert [message.tool_call_id for message in messages[2:]] == [second.id, first.id]


def test_earlier_thoughts_are_told_as_ignored() -> None:
    said = [*HI, {"role": "assistant", "content": "Hello", "thinking": "a greeting"}, *HI]
    assert chat(messages=said).ignored == ("messages.thinking",)
    assert chat(messages=said, keep_reasoning=True).ignored == ()


def test_fields_of_the_other_route_are_told_as_ignored() -> None:
    assert chat(prompt="x", shift=True).ignored == ("shift", "prompt")
    assert generate(messages=HI, shift=False).ignored == ("messages",)


def test_options_go_before_the_top_level() -> None:
    sampling = chat(top_k=3, min_p=0.1, options={"top_k": 9, "seed": -1}).sampling
    assert (sampling.top_k, sampling.min_p, sampling.seed) == (9, 0.1, None)
    assert {"top_k", "min_p"} <= sampling.said


@pytest.mark.parametrize(("name", "value"), [("repeat_penalty", 1000), ("repeat_last_n", -5), ("min_p", 2)])
def test_a_wrong_option_has_the_name_that_it_was_sent_by(name: str, value: float) -> None:
    with pytest.raises(BadParameter) as refusal:
        chat(options={name: value})
    assert refusal.value.name == name


def test_no_limit_and_a_random_seed_are_said_too_and_go_before_a_models_own() -> None:
    asked = chat(options={"num_predict": -1, "seed": -1}).sampling
    assert (asked.max_tokens, asked.seed) == (None, None)
    assert {"max_tokens", "seed"} <= asked.said
    assert asked.over({"max_tokens": 6, "seed": 3}) == asked


def test_log_probabilities_need_their_switch() -> None:
    assert chat(logprobs=True).sampling.logprobs == 0
    assert chat(logprobs=True, top_logprobs=3).sampling.logprobs == 3
    without = chat(top_logprobs=3)
    assert (without.sampling.logprobs, without.ignored) == (None, ("top_logprobs",))


def test_a_suffix_makes_a_gap() -> None:
    asked = generate(suffix="the end")
    assert (asked.prompts, asked.turn["suffix"]) == ((("Hi",),), "the end")


BODY = st.dictionaries(
    st.sampled_from([*sorted(parse.HANDLED), "temperature", "stop", "x"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=8,
)


@given(BODY)
def test_any_body_is_a_request_or_a_refusal(body: dict[str, Any]) -> None:
    for read in (parse.chat, parse.generate, recipe.read):
        with contextlib.suppress(BadRequest):
            read({"model": "tiny"} | body)


# ── lines ───────────────────────────────────────────────────────────────────────────────────────────────


async def said(lines: Lines, *deltas: Delta) -> list[dict[str, Any]]:
    async def turn() -> AsyncGenerator[Delta, None]:
        for delta in deltas:
            yield delta

    told = b"".join([lines.piece(0, delta) async for delta in lines.noting(turn())])
    return [json.loads(line) for line in told.splitlines()]


def whole(lines: Lines, deltas: Sequence[Delta]) -> dict[str, Any]:
    written = Written()
    for delta in deltas:
        written.take(delta)
    return lines.whole([written])


async def test_thoughts_texts_and_calls_have_their_own_places() -> None:
    deltas: tuple[Delta, ...] = (
        Queued(1),
        Thought("hm"),
        Token('a "b"\n台'),
        ToolCallPart(0, "id1", "weather"),
        ToolCallPart(0, arguments='{"city":'),
        ToolCallPart(0, arguments=' "台北"}'),
        ToolCallPart(1, "id2", "time"),
        END,
    )
    rows = await said(Lines(ChatShape(), "tiny", "en"), *deltas)
    messages = [row["message"] for row in rows]
    assert [message.get("thinking") for message in messages[:2]] == ["hm", None]
    assert messages[1] == {"role": "assistant", "content": 'a "b"\n台'}
    calls = [message["tool_calls"][0]["function"] for message in messages[2:4]]
    assert calls == [
        {"index": 0, "name": "weather", "arguments": {"city": "台北"}},
        {"index": 1, "name": "time", "arguments": {}},
    ]
    assert [row["done"] for row in rows] == [False] * 4 + [True]
    together = whole(Lines(ChatShape(), "tiny", "en"), deltas)["message"]
    assert (together["thinking"], together["content"]) == ("hm", 'a "b"\n台')
    assert [call["function"] for call in together["tool_calls"]] == calls


async def test_the_end_counts_in_nanoseconds_and_is_honest() -> None:
    (row,) = await said(Lines(ChatShape(), "tiny", "en"), Loading("tiny"), END)
    assert (row["prompt_eval_count"], row["eval_count"], row["done_reason"]) == (5, 2, "stop")
    assert (row["prompt_eval_duration"], row["eval_duration"]) == (1_500_000, 2_000_000)
    assert row["fabula"]["ignored"] == ["numa"]
    assert row["fabula"]["effective"] == {"temperature": 0.8}


async def test_a_generated_text_ends_with_the_ids_of_all() -> None:
    known = Prepared(engine="x", effective={}, prompt_ids=(1, 2))
    rows = await said(Lines(TextShape(), "tiny", "en"), known, Token("a", (3,)), END)
    assert (rows[0]["response"], rows[1]["context"]) == ("a", [1, 2, 3])
    assert "context" not in (await said(Lines(ChatShape(), "tiny", "en"), known, END))[0]


async def test_log_probabilities_stand_beside_their_token() -> None:
    token = Token("é", (7,), Choice(7, "é", -0.5), (Choice(7, "é", -0.5), Choice(8, "e", -1.5)))
    rows = await said(Lines(ChatShape(), "tiny", "en", wants_logprobs=True), token, END)
    (row,) = rows[0]["logprobs"]
    assert (row["token"], row["logprob"], row["bytes"]) == ("é", -0.5, [195, 169])
    assert [each["token"] for each in row["top_logprobs"]] == ["é", "e"]


def test_a_failure_is_a_text() -> None:
    line = Lines(ChatShape(), "tiny", "en").failed(EngineDied("tiny", "it fell over"))
    assert isinstance(json.loads(line)["error"], str)
    assert isinstance(errors.body(EngineDied("tiny", "x"), "zh-Hant")["error"], str)


def test_times_never_leave_what_a_date_can_hold() -> None:
    assert times.at(0).startswith("1970-01-01T00:00:00")
    assert times.at(1e300) == times.NEVER


@pytest.mark.parametrize(
    ("name", "tagged"),
    [
        ("tiny", "tiny:latest"),
        ("tiny:v2", "tiny:v2"),
        ("hf.co/a/b", "hf.co/a/b:latest"),
        ("a:1/b", "a:1/b:latest"),
    ],
)
def test_every_name_has_a_tag(name: str, tagged: str) -> None:
    assert times.tagged(name) == tagged


def test_a_name_without_a_size_means_the_usual_one() -> None:
    def meant(family: str) -> str:
        entry = usual_of(entries(), family)
        return entry.name if entry else ""

    assert meant("llama3.2") == "Llama 3.2 3B Instruct"
    assert meant("llama3.1") == "Llama 3.1 8B Instruct"
    assert meant("gemma3") == "Gemma 3 4B it"
    assert meant("mistral") == "Mistral 7B Instruct v0.3"
    assert meant("no-such-family") == ""
