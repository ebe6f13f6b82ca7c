"""One field of the sampling under two names of one body: one counts, and the other is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fabula.server.anthropic.parse import messages
from fabula.server.asking import Ask
from fabula.server.llamacpp.parse import completion as llamacpp
from fabula.server.ollama.parse import generate as ollama
from fabula.server.openai.parse import chat, completion
from fabula.server.openai.responses.parse import response

SAID = [{"role": "user", "content": "Hello"}]

CASES: list[tuple[Callable[[dict[str, Any]], Ask], dict[str, Any], str, Any, str]] = [
    (chat, {"messages": SAID, "max_tokens": 4, "max_completion_tokens": 9}, "max_tokens", 9, "max_tokens"),
    (chat, {"messages": SAID, "max_completion_tokens": 9, "max_tokens": 4}, "max_tokens", 9, "max_tokens"),
    (completion, {"prompt": "a", "max_tokens": 4, "rep_pen": 1.1, "repetition_penalty": 1.2},
     "repetition_penalty", 1.2, "rep_pen"),
    (response, {"input": "a", "max_tokens": 4, "max_output_tokens": 9}, "max_tokens", 9, "max_tokens"),
    (messages, {"messages": SAID, "stop": "a", "stop_sequences": ["b"]}, "stop", ("b",), "stop"),
    (llamacpp, {"prompt": "a", "repetition_penalty": 1.3, "repeat_penalty": 1.1}, "repetition_penalty", 1.1,
     "repetition_penalty"),
    (llamacpp, {"prompt": "a", "n_predict": 3, "max_new_tokens": 4}, "max_tokens", 3, "max_new_tokens"),
    (ollama, {"model": "m", "prompt": "a", "options": {"tfs_z": 0.9, "tfs": 0.8}}, "tfs", 0.9, "options.tfs"),
    (ollama, {"model": "m", "prompt": "a", "max_tokens": 4, "options": {"num_predict": 3}}, "max_tokens", 3,
     "max_tokens"),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "body", "field", "value", "told"), CASES)
def test_the_dialects_own_name_counts_and_the_other_is_told(
    parse: Callable[[dict[str, Any]], Ask], body: dict[str, Any], field: str, value: object, told: str
) -> None:
    asked = parse(body)
    assert getattr(asked.sampling, field) == value
    assert asked.ignored == (told,)


@pytest.mark.parametrize(
    ("parse", "body"),
    [
        (chat, {"messages": SAID, "max_tokens": 4, "max_completion_tokens": 4}),
        (messages, {"messages": SAID, "stop": "b", "stop_sequences": ["b"]}),
        (llamacpp, {"prompt": "a", "n_predict": 3, "max_tokens": 3, "max_new_tokens": 3, "rep_pen": 1.1,
                    "repeat_penalty": 1.1}),
        (ollama, {"model": "m", "prompt": "a", "max_tokens": 3, "options": {"num_predict": 3}}),
    ],
)  # fmt: skip
def test_who_says_the_same_twice_is_told_nothing(
    parse: Callable[[dict[str, Any]], Ask], body: dict[str, Any]
) -> None:
    assert parse(body).ignored == ()
