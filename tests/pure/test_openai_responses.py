"""OpenAI's responses: bodies become core requests, core deltas become a response and its events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.core.errors import BadParameter, ContextExceeded, EngineDied, FabulaError
from fabula.core.messages import ToolCall
from fabula.core.stream import Choice, Delta, Finished, Queued, Thought, Token, ToolCallPart
from fabula.server.answering import Written
from fabula.server.openai.responses import parse, render

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}
END = Finished(
    reason="stop",
    prompt_tokens=10,
    reused_tokens=4,
    processed_tokens=6,
    completion_tokens=3,
    prompt_ms=1,
    predicted_ms=1,
    ignored=("user",),
    effective={},
)


def asked(given: Any = "Hello", **more: Any) -> parse.Wish:
    return parse.response({"input": given, **more})


def texts(wish: parse.Wish) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in wish.conversations[0]]


# ── what is asked ───────────────────────────────────────────────────────────────────────────────────────


def test_the_input_is_text_or_items():
    items = [{"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}]
    for said in ("Hello", items, [{"type": "message", "role": "user", "content": "Hello"}]):
        assert texts(asked(said, instructions="Be brief.")) == [("system", "Be brief."), ("user", "Hello")]


def test_reasoning_text_and_calls_that_follow_each_other_are_one_reply():
    wish = asked(
        [
            {"role": "user", "content": "Weather?"},
            {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "x", "text": "Hm."}]},
            {"role": "assistant", "content": [{"type": "output_text", "text": "One moment."}]},
            {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "get_weather", "arguments": '{"a": 1}'},
            {"type": "function_call_output", "call_id": "c1", "output": "Sun"},
            {
                "type": "function_call_output",
                "call_id": "c2",
                "output": [{"type": "input_text", "text": "Rain"}],
            },
        ]
    )
    assert texts(wish) == [
        *(("user", "Weather?"), ("assistant", "One moment.")),
        *(("tool", "Sun"), ("tool", "Rain")),
    ]
    reply = wish.conversations[0][1]
    assert reply.tool_calls == (
        ToolCall("c1", "get_weather", "{}"),
        ToolCall("c2", "get_weather", '{"a": 1}'),
    )
    assert (reply.reasoning, wish.ignored) == ("Hm.", ("input.reasoning",))


def test_replies_that_follow_each_other_stay_apart():
    wish = asked([{"role": "assistant", "content": "One."}, {"role": "assistant", "content": "Two."}])
    assert texts(wish) == [("assistant", "One."), ("assistant", "Two.")]


def test_sampling_has_the_names_of_responses_and_ours():
    wish = asked(max_output_tokens=9, temperature=1, min_p=0.2, rep_pen=1.1, reasoning={"effort": "low"})
    sampling = wish.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.min_p) == (9, 1, 0.2)
    assert (sampling.repetition_penalty, sampling.think_effort, wish.ignored) == (1.1, "low", ())
    assert asked(reasoning={"effort": "none"}).sampling.think is False


def test_a_format_is_a_form():
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    form = {"type": "json_schema", "name": "person", "schema": schema, "strict": True}
    assert json.loads(asked(text={"format": form}).sampling.json_schema) == schema
    assert asked(text={"format": {"type": "text"}}).sampling.json_schema == ""


@pytest.mark.parametrize(
    ("choice", "way", "only"),
    [
        ("auto", "auto", ""),
        ("required", "required", ""),
        ({"type": "function", "name": "get_weather"}, "required", "get_weather"),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"name": "get_weather"}]}, "required", ""),
    ],
)
def test_tools_and_their_choice(choice: object, way: str, only: str):
    wish = asked(tools=[WEATHER, {"type": "function", "name": "other"}], tool_choice=choice)
    assert wish.turn["tools"][0]["function"]["parameters"] == WEATHER["parameters"]
    assert (wish.turn["tool_choice"], wish.turn["only_tool"]) == (way, only)
    assert len(wish.turn["tools"]) == (1 if "allowed" in str(choice) else 2)


def test_truncation_cuts_only_where_it_is_asked_for():
    assert asked(truncation="auto").turn["overflow"] == "cut"
    assert "overflow" not in asked(truncation="disabled").turn


def test_logprobs_are_asked_for_by_name():
    assert asked(include=["message.output_text.logprobs"]).sampling.logprobs == 0
    assert asked(top_logprobs=3).sampling.logprobs == 3
    assert asked().sampling.logprobs is None


def test_what_nobody_can_honour_is_listed():
    wish = asked(
        store=True,
        background=True,
        user="ann",
        n=2,
        include=["reasoning.encrypted_content"],
        reasoning={"effort": "low", "summary": "auto"},
        text={"verbosity": "low"},
        tools=[{"type": "web_search"}],
    )
    assert set(wish.ignored) == {
        *("store", "background", "user", "n", "include.reasoning.encrypted_content"),
        *("reasoning.summary", "text.verbosity", "tools.web_search"),
    }
    assert wish.choices == 1


def test_values_that_ask_for_nothing_are_not_listed():
    wish = asked(store=False, background=False, tools=[], metadata={"a": "b"}, n=1, stream=True)
    assert wish.ignored == ()
    assert wish.told["metadata"] == {"a": "b"}


@pytest.mark.parametrize("name", ["previous_response_id", "conversation", "prompt"])
def test_what_refers_to_something_kept_elsewhere_is_refused(name: str):
    with pytest.raises(BadParameter, match="whole conversation") as refusal:
        asked(**{name: "resp_1"})
    assert refusal.value.name == name


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": [5]}, "input[0]"),
        ({"input": [{"id": "msg_1"}]}, "input[0]"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "function_call", "call_id": "x"}]}, "input[0]"),
        ({"input": "x", "text": {"format": {"type": "xml"}}}, "text.format"),
        ({"input": "x", "truncation": "some"}, "truncation"),
        ({"input": "x", "stream": "yes"}, "stream"),
        ({"input": "x", "max_output_tokens": 0}, "max_output_tokens"),
        ({"input": "x", "tools": "y"}, "tools"),
        ({"input": "x", "tool_choice": "required"}, "tool_choice"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, Any], name: str):
    with pytest.raises(BadParameter) as refusal:
        parse.response(body)
    assert refusal.value.name == name


KEYS = st.sampled_from(
    ["type", "role", "content", "text", "name", "arguments", "output", "summary", "format"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["input", "text", "tools", "tool_choice", "reasoning", "include", "metadata", "stream"]
)


@given(st.dictionaries(NAMES, JSON))
def test_any_body_is_read_or_refused_by_a_field_of_it(body: dict[str, Any]):
    try:
        refused = not parse.response({"input": "x"} | body).conversations[0]
    except BadParameter as refusal:
        refused = not refusal.name
    assert not refused


# ── what is answered ────────────────────────────────────────────────────────────────────────────────────


def streamed(
    deltas: Iterable[Delta], *, failure: FabulaError | None = None, **options: Any
) -> list[dict[str, Any]]:
    """The events of a stream; the name of each is the type in its data, and all are numbered."""
    voice = render.Events("m", {"store": False}, **options)
    pieces = [*voice.opening(), *(voice.piece(0, delta) for delta in deltas)]
    pieces += [voice.failed(failure)] if failure else list(voice.closing())
    blocks = [block for block in b"".join([*pieces, voice.end()]).decode().split("\n\n") if block]
    events = []
    for block in (block for block in blocks if not block.startswith(":")):
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


ALL = [
    Queued(1),
    Thought("Hm"),
    Thought("", (7,)),
    Token("He"),
    Token(""),
    Token('llo "霧"\n'),
    ToolCallPart(0, "c1", "get_weather"),
    ToolCallPart(0, arguments='{"city": '),
    ToolCallPart(0, arguments='"台北"}'),
    END,
]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_a_stream_has_all_events_in_order():
    def item(name: str, pieces: int, *, parted: bool = True) -> list[str]:
        added, done = (["content_part.added"], ["content_part.done"]) if parted else ([], [])
        inner = [*added, *[f"{name}.delta"] * pieces, f"{name}.done", *done]
        return ["output_item.added", *inner, "output_item.done"]

    assert kinds(streamed(ALL)) == [
        *("created", "in_progress"),
        *item("reasoning_text", 1),
        *item("output_text", 2),
        *item("function_call_arguments", 2, parted=False),
        "completed",
    ]


def test_the_pieces_of_a_stream_are_what_the_whole_answer_says():
    written = Written()
    for delta in ALL:
        written.take(delta)
    whole = render.Events("m", {}).whole([written])
    events = streamed(ALL)
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    last = events[-1]["response"]
    assert last["output"] == done
    assert [without_ids(item) for item in done] == [without_ids(item) for item in whole["output"]]
    assert (
        "".join(event["delta"] for event in events if "output_text.delta" in event["type"]) == 'Hello "霧"\n'
    )
    assert (last["usage"], last["fabula"]) == (whole["usage"], whole["fabula"])
    assert (last["fabula"]["ignored"], last["usage"]["total_tokens"]) == (["user"], 13)


def without_ids(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "id"}


def test_what_a_limit_cuts_is_incomplete():
    end = replace(END, reason="length")
    last = streamed([Token("Hi"), end])[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["output"][0]["status"] == "incomplete"
    assert render.Events("m", {}).whole([Written(text="Hi", end=end)])["status"] == "incomplete"


@pytest.mark.parametrize("deltas", [[END], [Thought("Hm"), END]])
def test_an_answer_without_words_is_an_empty_message(deltas: list[Delta]):
    message = streamed(deltas)[-1]["response"]["output"][-1]
    assert (message["type"], message["content"][0]["text"]) == ("message", "")


def test_a_stream_that_fails_says_what_was_written_and_why():
    last = streamed([Token("One")], failure=EngineDied("m", "SIGKILL"))[-1]
    assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    assert last["response"]["error"]["code"] == "server_error"
    assert last["response"]["fabula"]["code"] == "engine_died"
    assert last["response"]["output"][0]["content"][0]["text"] == "One"
    early = streamed([], failure=ContextExceeded(9, 8))[-1]
    assert early["response"]["error"]["code"] == "invalid_prompt"


def test_logprobs_stand_beside_the_text():
    token = Token("a", (1,), Choice(1, "a", -0.5, (97,)), (Choice(2, "b", -1.0),))
    events = streamed([token, END], wants_logprobs=True)
    (row,) = next(event for event in events if "output_text.delta" in event["type"])["logprobs"]
    assert (row["token"], row["logprob"], row["top_logprobs"][0]["token"]) == ("a", -0.5, "b")
    assert events[-1]["response"]["output"][0]["content"][0]["logprobs"] == [row]
