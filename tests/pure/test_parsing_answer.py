"""A reply is thoughts, answer and calls; one that ends in its thoughts with a call has made that call."""

from __future__ import annotations

import json

import pytest

from fabula.core.stream import Thought, Token, ToolCallPart
from fabula.engine.parsing.answer import AnswerReader
from fabula.engine.parsing.families import BY_NAME as FAMILY
from fabula.engine.parsing.tools.formats import BY_NAME

SCHEMAS = {"get": {"city": {"type": "string"}}}
KIMI = (
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.get:0<|tool_call_argument_begin|>{}"
    "<|tool_call_end|><|tool_calls_section_end|>"
)
HERMES = '<tool_call>\n{"name": "get", "arguments": {"city": "Paris"}}\n</tool_call>'
CODER = "<tool_call>\n<function=get>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>"
Read = tuple[str, str, list[tuple[str, object]]]


def read(name: str, pieces: list[str], *, complete: bool = True) -> Read:
    reader = AnswerReader(FAMILY["think"], BY_NAME[name], SCHEMAS, lambda: "id", opened=True)
    parts = [part for piece in pieces for part in reader.feed(Token(piece, (1,)))]
    thought, text, calls = "", "", []
    for part in [*parts, *reader.finish(complete=complete)]:
        if isinstance(part, ToolCallPart):
            if part.name:
                calls.append([part.name, ""])
            calls[-1][1] += part.arguments
        elif isinstance(part, Thought):
            thought += part.text
        else:
            text += part.text
    return thought, text, [(called, json.loads(arguments)) for called, arguments in calls]


@pytest.mark.parametrize(
    ("name", "call", "arguments"),
    [("kimi", KIMI, [{}]), ("hermes", f"{HERMES}\n{HERMES}", [{"city": "Paris"}] * 2),
     ("qwen-coder", CODER, [{"city": "Paris"}])],
)  # fmt: skip
def test_a_call_with_which_the_thoughts_end_is_one(name: str, call: str, arguments: list[object]):
    for thought in (f"I look. {call}", f"I could write <tool_call>. So: {call}\n"):
        told = (thought.rstrip(), "", [("get", each) for each in arguments])
        assert read(name, [thought]) == read(name, list(thought)) == told


@pytest.mark.parametrize(
    "written",
    [f"{HERMES} or not?", f"{HERMES}</think>No.", "I write <tool_call>", f"{HERMES}</think>{HERMES}", "Hm."],
)
def test_a_call_that_was_only_thought_of_is_none(written: str):
    _, _, calls = read("hermes", [written])
    assert calls == [("get", {"city": "Paris"})] * written.endswith(f"</think>{HERMES}")


def test_thoughts_that_were_cut_off_hold_no_call():
    assert read("hermes", [f"So {HERMES}"], complete=False)[2] == []
