"""Anthropic's dialect: bodies become core requests, core deltas become messages and events."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.core.errors import (
    BadParameter,
    Blocked,
    ContextExceeded,
    EngineDied,
    FabulaError,
    ModelNotFound,
    QueueFull,
)
from fabula.core.messages import IMAGE, ToolCall
from fabula.core.model import LocalModel
from fabula.core.stream import Delta, Finished, Prefill, Queued, Thought, Token, ToolCallPart
from fabula.server.answering import Written
from fabula.server.anthropic import errors, models, parse, render

HELLO: dict[str, Any] = {"max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {
    "name": "get_weather",
    "description": "Of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
END = Finished(
    reason="stop",
    prompt_tokens=10,
    reused_tokens=4,
    processed_tokens=6,
    completion_tokens=3,
    prompt_ms=1,
    predicted_ms=1,
    ignored=("tools",),
    effective={},
)


def said(*rows: dict[str, Any], **more: Any) -> parse.Wish:
    return parse.messages({"max_tokens": 50, "messages": list(rows), **more})


def texts(wish: parse.Wish) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in wish.conversations[0]]


# ── what is asked ───────────────────────────────────────────────────────────────────────────────────────


def test_the_system_prompt_is_text_or_blocks():
    blocks = [{"type": "text", "text": "Be"}, {"type": "text", "text": "brief.", "cache_control": {}}]
    for system in ("Be\nbrief.", blocks):
        wish = parse.messages(HELLO | {"system": system})
        assert texts(wish) == [("system", "Be\nbrief."), ("user", "Hello")]
        assert wish.ignored == ()


def test_sampling_has_anthropics_names_and_ours():
    wish = parse.messages(
        HELLO | {"top_k": 5, "top_p": 0.5, "temperature": 1, "stop_sequences": ["END"], "min_p": 0.2}
    )
    sampling = wish.sampling
    assert (sampling.top_k, sampling.top_p, sampling.temperature, sampling.min_p) == (5, 0.5, 1, 0.2)
    assert (sampling.stop, sampling.max_tokens, wish.ignored) == (("END",), 50, ())


@pytest.mark.parametrize(
    ("thinking", "think", "budget"),
    [
        ({"type": "enabled", "budget_tokens": 2000}, True, 2000),
        ({"type": "disabled"}, False, None),
        ({"type": "adaptive"}, None, None),
        (None, None, None),
    ],
)
def test_thinking_is_switched_and_limited(thinking: object, think: object, budget: object):
    sampling = parse.messages(HELLO | {"thinking": thinking}).sampling
    assert (sampling.think, sampling.think_budget) == (think, budget)


def test_effort_and_form_of_the_output():
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    config = {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
    sampling = parse.messages(HELLO | {"output_config": config}).sampling
    assert (sampling.think_effort, json.loads(sampling.json_schema)) == ("low", schema)


def test_a_history_with_tools_and_thinking_is_taken_apart():
    wish = said(
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I need the tool.", "signature": ""},
                {"type": "text", "text": "One moment."},
                {"type": "tool_use", "id": "call1", "name": "get_weather", "input": {"city": "台北"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call1", "content": [{"type": "text", "text": "Sun"}]},
                {"type": "tool_result", "tool_use_id": "call2", "content": "Rain"},
                {"type": "text", "text": "And?"},
            ],
        },
    )
    assert texts(wish)[1:] == [
        ("assistant", "One moment."),
        ("tool", "Sun"),
        ("tool", "Rain"),
        ("user", "And?"),
    ]
    reply, first = wish.conversations[0][1:3]
    assert reply.tool_calls == (ToolCall("call1", "get_weather", '{"city": "台北"}'),)
    assert (reply.reasoning, first.tool_call_id) == ("I need the tool.", "call1")
    assert wish.ignored == ("messages.thinking",)


def test_reasoning_of_the_history_is_sent_where_that_is_asked_for():
    rows = [{"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}]}]
    assert said({"role": "user", "content": "x"}, *rows, keep_reasoning=True).ignored == ()


def test_images_stand_where_they_were():
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    blocks = [{"type": "text", "text": "Look: "}, {"type": "image", "source": source}]
    (message,) = said({"role": "user", "content": blocks}).conversations[0]
    assert (message.text, message.images) == (f"Look: {IMAGE}", (base64.b64decode(PIXEL),))


def test_documents_are_read_where_they_are_text():
    source = {"type": "text", "media_type": "text/plain", "data": "Once."}
    block = {"type": "document", "title": "Tale", "source": source}
    assert texts(said({"role": "user", "content": [block]})) == [("user", "Tale\nOnce.")]


@pytest.mark.parametrize(
    ("choice", "way", "only"),
    [
        ({"type": "auto"}, "auto", ""),
        ({"type": "any"}, "required", ""),
        ({"type": "tool", "name": "get_weather"}, "required", "get_weather"),
        ({"type": "none"}, "none", ""),
    ],
)
def test_tools_and_their_choice(choice: dict[str, str], way: str, only: str):
    wish = parse.messages(HELLO | {"tools": [WEATHER], "tool_choice": choice})
    (tool,) = wish.turn["tools"]
    assert tool["function"]["parameters"] == WEATHER["input_schema"]
    assert (wish.turn["tool_choice"], wish.turn["only_tool"]) == (way, only)


def test_one_call_at_a_time():
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    wish = parse.messages(HELLO | {"tools": [WEATHER], "tool_choice": choice})
    assert wish.turn["several_calls"] is False


def test_what_nobody_can_honour_is_listed():
    asked = HELLO | {
        "metadata": {"user_id": "ann"},
        "container": "c",
        "logprobs": 3,
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        "thinking": {"type": "between_tools"},
        "output_config": {"voice": "deep"},
    }
    assert parse.messages(asked).ignored == (
        *("metadata", "container", "logprobs"),
        *("output_config.voice", "thinking", "tools.web_search_20250305"),
    )


def test_values_that_ask_for_nothing_are_not_listed():
    asked = HELLO | {
        "service_tier": "auto",
        "cache_control": {"type": "ephemeral"},
        "tools": [],
        "system": "",
    }
    assert parse.messages(asked).ignored == ()


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [5]}, "messages[0]"),
        ({"messages": [{"role": "wizard", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "messages[0].content[0].type"),
        ({"system": 5}, "system"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"stop_sequences": 5}, "stop_sequences"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"tools": [{"description": "x"}]}, "tools[0]"),
        ({"tool_choice": {"type": "any"}}, "tool_choice.type"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
    ],
)
def test_a_wrong_field_is_named(more: dict[str, Any], name: str):
    with pytest.raises(BadParameter) as refusal:
        parse.messages(HELLO | more)
    assert refusal.value.name == name


@pytest.mark.parametrize(
    "source", [{"type": "url", "url": "https://example.org/a.png"}, {"type": "base64", "data": "%%%"}, None]
)
def test_an_image_that_is_not_in_the_request_is_refused(source: object):
    with pytest.raises(BadParameter):
        said({"role": "user", "content": [{"type": "image", "source": source}]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "source", "input"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
INSIDE = ("budget_tokens", "effort", "format", "disable_parallel_tool_use", "type", "content", "source")
NAMES = st.sampled_from(["messages", "system", "tools", "tool_choice", "thinking", "output_config", "stream"])


@given(st.dictionaries(NAMES, JSON))
def test_any_body_is_read_or_refused_by_a_field_of_it(body: dict[str, Any]):
    try:
        wish = parse.messages(HELLO | body)
    except BadParameter as refusal:
        name = refusal.name
    else:
        name = ""
        assert wish.conversations[0]
    assert not name or re.split(r"[.\[]", name)[0] in (*body, *INSIDE)


# ── what is answered ────────────────────────────────────────────────────────────────────────────────────


def streamed(deltas: Iterable[Delta], **options: Any) -> list[dict[str, Any]]:
    """The events of a stream; the name of each is the type in its data."""
    voice = render.Events("m", **({"limit": 50} | options))
    raw = b"".join([*voice.opening(), *(voice.piece(0, delta) for delta in deltas), *voice.closing()])
    events = []
    for block in raw.decode().strip().split("\n\n"):
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


ALL = [
    Queued(1),
    Prefill(5, 10, 4),
    Prefill(10, 10, 4),
    Thought("Hm"),
    Thought("", (7,)),
    Thought("."),
    Token("He"),
    Token(""),
    Token('llo "霧"\n'),
    ToolCallPart(0, "c1", "get_weather"),
    ToolCallPart(0, arguments='{"city": "台'),
    ToolCallPart(0, arguments='北"}'),
    ToolCallPart(1, "c2", "get_weather", "{}"),
    END,
]


def test_a_stream_has_all_events_in_order():
    events = streamed(ALL)
    assert [event["type"] for event in events if event["type"] != "ping"] == [
        "message_start",
        *("content_block_start", *["content_block_delta"] * 3, "content_block_stop"),
        *("content_block_start", *["content_block_delta"] * 2, "content_block_stop"),
        *("content_block_start", *["content_block_delta"] * 2, "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
        "message_delta",
        "message_stop",
    ]
    indices = [event["index"] for event in events if event["type"] == "content_block_start"]
    assert indices == [0, 1, 2, 3]


def test_the_pieces_of_a_stream_are_what_the_whole_answer_says():
    written = Written()
    for delta in ALL:
        written.take(delta)
    whole = render.Events("m", limit=50).whole([written])
    blocks: list[dict[str, Any]] = []
    for event in streamed(ALL):
        if event["type"] == "content_block_start":
            blocks.append({"text": ""} | event["content_block"])
        elif event["type"] == "content_block_delta":
            (text,) = [value for name, value in event["delta"].items() if name != "type"]
            blocks[-1]["text"] += text
    assert [block["type"] for block in whole["content"]] == [block["type"] for block in blocks]
    assert blocks[0]["text"] == whole["content"][0]["thinking"] == "Hm."
    assert blocks[1]["text"] == whole["content"][1]["text"] == 'Hello "霧"\n'
    assert json.loads(blocks[2]["text"]) == whole["content"][2]["input"] == {"city": "台北"}


def test_the_start_tells_what_is_read_and_the_end_what_was_written():
    start, *_, delta, _ = streamed([Prefill(10, 10, 4), Token("Hi"), END])
    usage = start["message"]["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (6, 4, 0)
    assert (delta["usage"]["input_tokens"], delta["usage"]["output_tokens"]) == (6, 3)
    assert delta["fabula"]["ignored"] == ["tools"]


def test_a_stream_of_nothing_is_whole_too():
    assert [event["type"] for event in streamed([END])] == ["message_start", "message_delta", "message_stop"]


def test_thinking_that_is_not_to_be_shown_is_an_empty_block():
    events = streamed([Thought("Secret."), Token("Hi"), END], shows_thinking=False)
    assert "Secret" not in json.dumps(events)
    assert events[1]["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}


@pytest.mark.parametrize(
    ("changes", "limit", "reason", "sequence"),
    [
        ({}, 50, "end_turn", None),
        ({"stop_string": "END"}, 50, "stop_sequence", "END"),
        ({"reason": "tool_calls"}, 50, "tool_use", None),
        ({"reason": "length"}, 3, "max_tokens", None),
        ({"reason": "length"}, 50, "model_context_window_exceeded", None),
        ({"reason": "loop"}, 50, "end_turn", None),
    ],
)
def test_why_it_ended(changes: dict[str, Any], limit: int, reason: str, sequence: str | None):
    end = Finished(**{name: getattr(END, name) for name in Finished.__slots__} | changes)
    assert render.ending(end, limit) == {"stop_reason": reason, "stop_sequence": sequence}


def test_input_of_a_tool_that_was_cut_off_is_told_as_it_is():
    written = Written(calls=[ToolCallPart(0, "c", "f", '{"city": "Tai')], end=END)
    (block,) = render.Events("m", limit=3).whole([written])["content"]
    assert (block["input"], block["partial_json"]) == ({}, '{"city": "Tai')


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (ContextExceeded(9, 8), "invalid_request_error"),
        (ModelNotFound("x", ""), "not_found_error"),
        (Blocked("x"), "permission_error"),
        (QueueFull(5), "overloaded_error"),
        (EngineDied("x", "killed"), "api_error"),
    ],
)
def test_errors_have_anthropics_shape(failure: FabulaError, kind: str):
    body = errors.body(failure)
    assert (body["type"], body["error"]["type"], body["error"]["code"]) == ("error", kind, failure.code)
    event = render.Events("m", limit=None).failed(failure).decode()
    assert event.startswith("event: error\n")
    assert json.loads(event.split("data: ")[1]) == body


# ── models ──────────────────────────────────────────────────────────────────────────────────────────────

SHELF = [LocalModel(name=name, path=Path(f"/nowhere/{name}"), size=1) for name in "abcde"]


def names(page: dict[str, Any]) -> str:
    return "".join(row["id"] for row in page["data"])


def test_models_come_page_by_page():
    first = models.page(SHELF, limit=2)
    assert (names(first), first["has_more"], first["first_id"], first["last_id"]) == ("ab", True, "a", "b")
    rest = models.page(SHELF, after_id="b", limit=3)
    assert (names(rest), rest["has_more"]) == ("cde", False)
    before = models.page(SHELF, before_id="d", limit=2)
    assert (names(before), before["has_more"]) == ("bc", True)


def test_an_empty_shelf_is_a_page_too():
    assert models.page([]) == {"data": [], "has_more": False, "first_id": None, "last_id": None}


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1001}, {"after_id": "z"}, {"before_id": "z"}])
def test_a_wrong_page_is_refused(wrong: dict[str, Any]):
    with pytest.raises(BadParameter) as refusal:
        models.page(SHELF, **wrong)
    assert refusal.value.name == next(iter(wrong))
