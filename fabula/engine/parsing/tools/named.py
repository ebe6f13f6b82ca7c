"""Calls that are a name, a mark and a JSON object. Knows no stream."""

from __future__ import annotations

import re

from fabula.engine.parsing.tools.kinds import Schemas
from fabula.engine.parsing.tools.objects import one_or_more
from fabula.engine.parsing.tools.reading import NotACall, Reading, Text, peek, until, value
from fabula.engine.parsing.tools.telling import Calls


def mistral(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """A list of objects, or `NAME[ARGS]{…}` (with `[CALL_ID]…` before `[ARGS]` in some)."""
    if (yield from peek(text)) in ("[", "{"):
        yield from one_or_more(text, calls)
        return
    name, mark = yield from until(text, "[CALL_ID]", "[ARGS]", "{")
    if not mark:
        raise NotACall
    calls.begin(name)
    if mark == "[CALL_ID]":
        yield from until(text, "[ARGS]")
    if mark == "{":
        text.left = mark + text.left
    yield from value(text, calls.tell)
    calls.end()


def deepseek(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`NAME<｜tool▁sep｜>{…}` (V3.1), or `function<｜tool▁sep｜>NAME` with a block of JSON (V3, R1)."""
    yield from _each(text, calls, DEEPSEEK)


def kimi(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`functions.NAME:0<|tool_call_argument_begin|>{…}` (Kimi K2)."""
    yield from _each(text, calls, KIMI)


Marks = tuple[str, str, str, str]
"""Before a call, between name and arguments, after a call, after the last one."""

DEEPSEEK: Marks = (
    *("<｜tool▁call▁begin｜>", "<｜tool▁sep｜>"),
    *("<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>"),
)
KIMI: Marks = (
    *("<|tool_call_begin|>", "<|tool_call_argument_begin|>"),
    *("<|tool_call_end|>", "<|tool_calls_section_end|>"),
)


NUMBER = re.compile(r":\d+$")


def _each(text: Text, calls: Calls, marks: Marks) -> Reading[None]:
    begin, separator, end, last = marks
    while (yield from until(text, begin, last))[1] == begin:
        name, mark = yield from until(text, separator)
        if not mark:
            raise NotACall
        if name.strip() == "function":
            name, _ = yield from until(text, "```json")
        calls.begin(NUMBER.sub("", name.strip()).removeprefix("functions.") if marks is KIMI else name)
        yield from value(text, calls.tell)
        calls.end()
        yield from until(text, end)


def command(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """A list of `{"tool_name": …, "parameters": …}` (Command R)."""
    yield from one_or_more(text, calls)
    yield from until(text, "<|END_ACTION|>", "```")
