"""OpenAI bodies are understood whole, and what cannot be honoured is said."""

from __future__ import annotations

import json

import pytest

from fabula.core.errors import BadParameter, ContextExceeded, EngineDied, ModelNotFound
from fabula.core.stream import Choice, Finished, Token
from fabula.server.openai import errors, parse, render

HELLO = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
END = Finished(
    reason="stop",
    prompt_tokens=10,
    reused_tokens=4,
    processed_tokens=6,
    completion_tokens=3,
    prompt_ms=1,
    predicted_ms=1,
    ignored=("tools",),
)


def test_a_chat_is_parsed():
    wish = parse.chat(HELLO | {"max_completion_tokens": 9, "stop": "\n", "min_p": 0.2, "stream": True})
    assert wish.conversations[0][0].text == "Hello"
    assert (wish.sampling.max_tokens, wish.sampling.stop, wish.sampling.min_p) == (9, ("\n",), 0.2)
    assert wish.stream


def test_text_parts_are_lines_and_developer_means_system():
    parts = [{"type": "text", "text": text} for text in ("", "Be", "", "brief.")]
    wish = parse.chat(HELLO | {"messages": [{"role": "developer", "content": parts}, *HELLO["messages"]]})
    assert (wish.conversations[0][0].role, wish.conversations[0][0].text) == ("system", "Be\n\nbrief.")


def test_what_nobody_can_honour_is_listed():
    asked = HELLO | {"modalities": ["audio"], "user": "me", "min_p": 0.1}
    assert parse.chat(asked).ignored == ("modalities", "user")


def test_values_that_ask_for_nothing_are_not_listed():
    asked = HELLO | {"tools": [], "response_format": {"type": "text"}, "user": None, "store": False}
    assert parse.chat(asked).ignored == ()


def test_logprobs_of_a_chat_are_a_switch_and_a_number():
    assert parse.chat(HELLO | {"logprobs": True, "top_logprobs": 3}).sampling.logprobs == 3
    assert parse.chat(HELLO | {"logprobs": True}).sampling.logprobs == 0
    assert parse.chat(HELLO | {"logprobs": False}).sampling.logprobs is None


def test_logprobs_of_a_completion_are_a_number():
    assert parse.completion({"prompt": "x", "logprobs": 2}).sampling.logprobs == 2


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("x", (("x",),)),
        ([1, 2], (((1, 2),),)),
        (["x", "y"], (("x",), ("y",))),
        ([[1], [2]], (((1,),), ((2,),))),
    ],
)
def test_prompts_may_be_text_ids_or_lists(prompt: object, prompts: object):
    assert parse.completion({"prompt": prompt}).prompts == prompts


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_of_the_history_has_two_names(name: str):
    rows = [*HELLO["messages"], {"role": "assistant", "content": "Hi.", name: "A greeting."}]
    assert parse.chat({"messages": rows}).conversations[0][-1].reasoning == "A greeting."


def test_names_of_other_front_ends_are_understood():
    asked = HELLO | {"rep_pen": 1.2, "max_new_tokens": 7, "n_probs": 2, "mode": "instruct"}
    wish = parse.chat(asked)
    assert (wish.sampling.repetition_penalty, wish.sampling.max_tokens) == (1.2, 7)
    assert (wish.sampling.logprobs, wish.wants_logprobs, wish.ignored) == (2, True, ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_completion_tokens", 0),
        ("max_new_tokens", 0),
        ("rep_pen", 1000),
        ("dry_penalty_last_n", -9),
        ("stopping_strings", [1]),
        ("repetition_window", -9),
    ],
)
def test_a_wrong_parameter_has_the_name_that_it_was_sent_by(name: str, value: object):
    for parsed, body in ((parse.chat, HELLO), (parse.completion, {"prompt": "x"})):
        with pytest.raises(BadParameter) as refusal:
            parsed(body | {name: value})
        assert refusal.value.name == name


def test_the_number_of_log_probabilities_of_a_completion_is_called_as_it_was_sent():
    with pytest.raises(BadParameter) as refusal:
        parse.completion({"prompt": "x", "logprobs": 101})
    assert refusal.value.name == "logprobs"


def test_a_random_seed_may_be_asked_for_as_minus_one():
    assert parse.chat(HELLO | {"seed": -1}).sampling.seed is None
    assert parse.chat(HELLO | {"seed": 2**40}).sampling.seed is not None


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "wizard", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "audio"}]}]},
            "messages[0].content[0].type",
        ),
        (HELLO | {"n": 0}, "n"),
        (HELLO | {"n": "two"}, "n"),
        (HELLO | {"stream": "yes"}, "stream"),
        (HELLO | {"temperature": "hot"}, "temperature"),
        (HELLO | {"top_logprobs": 2}, "logprobs"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, object], name: str):
    with pytest.raises(BadParameter) as refusal:
        parse.chat(body)
    assert refusal.value.name == name


def _quick(answer: render.Answer, index: int, text: str) -> bytes:
    chunks = render.Chunks(answer, [""] * (index + 1), wants_logprobs=False)
    return chunks.piece(index, Token(text)).removeprefix(b"data: ")


def test_a_token_chunk_is_what_the_slow_way_gives():
    answer = render.Answer(render.ChatShape(), "m")
    text = 'She said "霧"\n'
    quick = json.loads(_quick(answer, 2, text))
    slow = json.loads(
        answer.chunk(2, {"delta": {"content": text}, "logprobs": None, "finish_reason": None})[6:]
    )
    assert quick == slow


def test_a_text_chunk_is_what_the_slow_way_gives():
    answer = render.Answer(render.TextShape(), "m")
    quick = json.loads(_quick(answer, 0, "a\\b"))
    slow = json.loads(answer.chunk(0, {"text": "a\\b", "logprobs": None, "finish_reason": None})[6:])
    assert quick == slow


def test_usage_counts_a_shared_prompt_once_and_tells_what_was_reused():
    assert render.usage([END, END]) == {
        "prompt_tokens": 10,
        "completion_tokens": 6,
        "total_tokens": 16,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def test_the_last_chunk_says_what_was_ignored():
    chunk = json.loads(render.Answer(render.ChatShape(), "m").last_chunk(0, "stop", END)[6:])
    assert chunk["fabula"]["ignored"] == ["tools"]
    assert chunk["choices"][0]["finish_reason"] == "stop"


def test_logprobs_have_both_shapes():
    token = Token("a", (1,), Choice(1, "a", -0.5, (97,)), (Choice(2, "b", -1.0),))
    chat = render.ChatShape().logprobs([token])["content"][0]
    assert (chat["token"], chat["bytes"], chat["top_logprobs"][0]["token"]) == ("a", [97], "b")
    text = render.TextShape().logprobs([token, token])
    assert (text["tokens"], text["text_offset"]) == (["a", "a"], [0, 1])


def test_of_tokens_with_the_same_text_the_likeliest_is_told():
    parts = tuple(Choice(id, "\ufffd", logprob) for id, logprob in ((1, -0.6), (2, -1.6), (3, -2.6)))
    told = render.TextShape().logprobs([Token("江", (1, 2), parts[0], parts)])
    assert told["top_logprobs"] == [{"\ufffd": -0.6}]


@pytest.mark.parametrize(
    ("failure", "kind", "code"),
    [
        (ContextExceeded(9, 8), "invalid_request_error", "context_length_exceeded"),
        (ModelNotFound("x", ""), "invalid_request_error", "model_not_found"),
        (EngineDied("x", "killed"), "server_error", "engine_died"),
    ],
)
def test_errors_have_openais_shape(failure: Exception, kind: str, code: str):
    error = errors.body(failure)["error"]  # type: ignore[arg-type]
    assert (error["type"], error["code"]) == (kind, code)
    assert set(error) == {"message", "type", "param", "code"}


def test_a_response_format_is_a_form():
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    assert json.loads(parse.chat(HELLO | {"response_format": wanted}).sampling.json_schema) == schema
    assert parse.chat(HELLO | {"response_format": {"type": "json_object"}}).sampling.json_schema
    assert parse.chat(HELLO | {"response_format": {"type": "text"}}).sampling.json_schema == ""
    with pytest.raises(BadParameter):
        parse.chat(HELLO | {"response_format": {"type": "xml"}})
