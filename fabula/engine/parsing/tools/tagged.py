"""Calls whose name and arguments stand between tags, and calls that look like code. Knows no stream.

Arguments without a type of their own are read by the tool's JSON schema: text stays text where the schema
says string, and is read as JSON elsewhere.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from fabula.engine.parsing.tools.objects import an_object, one_or_more
from fabula.engine.parsing.tools.reading import (
    NotACall,
    Reading,
    Text,
    expect,
    parsed,
    peek,
    skip,
    until,
    value,
)
from fabula.engine.parsing.tools.telling import Calls

DEEPEST = 8  # schemas inside each other that are looked into for types
Schemas = Mapping[str, Mapping[str, Any]]
"""Of each tool, the schemas of its parameters by name."""


def tool_call(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`<tool_call>…</tool_call>`, which holds JSON (Hermes, Qwen), `<function=…>` (Qwen3-Coder) or a name
    with `<arg_key>`s (GLM)."""
    first = yield from peek(text)
    if first in ("{", "["):
        yield from one_or_more(text, calls)
    elif first == "<":
        yield from expect(text, "<function=")
        yield from function(text, calls, schemas)
    else:
        yield from _glm(text, calls, schemas)
        return
    yield from _closing(text, "</tool_call>")


def function(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`<function=NAME>` and then `<parameter=KEY>…</parameter>`s or a JSON object, up to `</function>`."""
    name, mark = yield from until(text, ">")
    if not mark:
        raise NotACall
    calls.begin(name)
    if (yield from peek(text)) == "{":
        yield from value(text, calls.tell)
        yield from _closing(text, "</function>")
    else:
        yield from _parameters(text, calls, schemas, ("<parameter=", ">", "</parameter>", "</function>"))
    calls.end()


def bare_function(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """One whose `<tool_call>` the model forgot, but perhaps not its end (Qwen3-Coder)."""
    yield from function(text, calls, schemas)
    yield from skip(text, "</tool_call>")


def minimax(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`<invoke name="NAME"><parameter name="KEY">…</parameter></invoke>`, several in one block."""
    while (yield from until(text, '<invoke name="', "</minimax:tool_call>"))[1].startswith("<invoke"):
        name, mark = yield from until(text, '">')
        if not mark:
            raise NotACall
        calls.begin(name)
        yield from _parameters(text, calls, schemas, ('<parameter name="', '">', "</parameter>", "</invoke>"))
        calls.end()


def seed(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    yield from expect(text, "<function=")
    yield from function(text, calls, schemas)
    yield from _closing(text, "</seed:tool_call>")


def _glm(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    name, mark = yield from until(text, "\n", "<arg_key>", "</tool_call>")
    if not mark or name.strip() not in schemas:
        raise NotACall
    calls.begin(name)
    if mark == "<arg_key>":
        text.left = mark + text.left
    if mark != "</tool_call>":
        yield from _parameters(
            text, calls, schemas, ("<arg_key>", "</arg_key>", "</arg_value>", "</tool_call>"), "<arg_value>"
        )
    calls.end()


Marks = tuple[str, str, str, str]
"""Before a key, after it, after the value, after the last value."""


def _parameters(
    text: Text, calls: Calls, schemas: Schemas, marks: Marks, before_value: str = ""
) -> Reading[None]:
    """Each argument is told when its value is complete; the object is closed at the end mark."""
    before, after_key, after_value, end = marks
    known = schemas.get(calls.name, {})
    count = 0
    while (yield from until(text, before, end))[1] == before:
        key, _ = yield from until(text, after_key)
        if before_value:
            yield from expect(text, before_value)
        said, mark = yield from until(text, after_value)
        if not mark:  # cut off in the middle: half a value is none
            return
        name = key.strip()
        calls.tell(("{" if not count else ", ") + f"{_json(name)}: {typed(said, known.get(name))}")
        count += 1
    if count:
        calls.tell("}")


def typed(said: str, schema: Any) -> str:
    """The JSON text of an argument that was written as plain text."""
    said = said.removeprefix("\n").removesuffix("\n")
    kinds = _kinds(schema)
    if "string" in kinds and not (said == "null" and "null" in kinds):
        return _json(said)
    if "boolean" in kinds and said.strip() in ("True", "False"):  # as Python writes them
        return said.strip().lower()
    try:
        return _json(parsed(said))
    except (NotACall, ValueError):
        return _json(said)


def _kinds(schema: Any, depth: int = 0) -> set[str]:
    """The types that a schema allows: an optional text is often `anyOf` a string and null."""
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return set()
    said = schema.get("type", [])
    kinds = {kind for kind in (said if isinstance(said, list) else [said]) if isinstance(kind, str)}
    values = [*_list(schema.get("enum")), *([schema["const"]] if "const" in schema else [])]
    kinds |= {"string" for value in values if isinstance(value, str)} | {
        "null" for value in values if value is None
    }
    inner = [each for word in ("anyOf", "oneOf", "allOf") for each in _list(schema.get(word))]
    return kinds.union(*(_kinds(each, depth + 1) for each in inner))


def _list(something: Any) -> list[Any]:
    return something if isinstance(something, list) else []


def _json(something: Any) -> str:
    """Raises ValueError for numbers that JSON does not have."""
    return json.dumps(something, ensure_ascii=False, allow_nan=False)


def _closing(text: Text, mark: str) -> Reading[None]:
    """The closing mark, which some models forget at the end of the reply. Others close too many brackets."""
    while (first := (yield from peek(text))) in ("}", "]"):
        text.take(1)
    if first:
        yield from expect(text, mark)


# ── calls that look like code ───────────────────────────────────────────────────────────────────────


def pythonic(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`[name(key='value', …), …]<|tool_call_end|>`, or JSON where the prompt asked for that (LFM2)."""
    source, mark = yield from until(text, "<|tool_call_end|>", "<|tool_call_start|>")
    if mark == "<|tool_call_start|>":  # the one before never ended
        raise NotACall
    if source.lstrip("[ \n").startswith("{"):
        inside = Text()
        inside.left, inside.closed = source, True
        yield from one_or_more(inside, calls)
        return
    try:
        tree = ast.parse(source.strip(), mode="eval").body
        found = tree.elts if isinstance(tree, ast.List) else [tree]
        for call in found:
            if not isinstance(call, ast.Call):
                raise NotACall
            name = ast.unparse(call.func)
            told = _json(_arguments(call, list(schemas.get(name, {}))))
            calls.begin(name)
            calls.tell(told)
            calls.end()
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as reason:
        raise NotACall from reason


def _arguments(call: ast.Call, names: list[str]) -> dict[str, Any]:
    """Those without a name are the tool's parameters in their order."""
    if len(call.args) > len(names):
        raise NotACall
    given = {name: ast.literal_eval(value) for name, value in zip(names, call.args, strict=False)}
    for word in call.keywords:
        value = ast.literal_eval(word.value)
        given |= value if word.arg is None else {word.arg: value}
    return given


GEMMA_QUOTE = '<|"|>'
_BARE_KEY = re.compile(r"([{,]\s*)([\w.$-]+)\s*:")


def gemma(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`call:NAME{key:<|"|>text<|"|>,other:1}<tool_call|>` (Gemma 4)."""
    yield from expect(text, "call:")
    name, mark = yield from until(text, "{")
    if not mark:
        raise NotACall
    calls.begin(name)
    body, _ = yield from until(text, "<tool_call|>")
    calls.tell(_unquoted("{" + body))
    calls.end()


def _unquoted(source: str) -> str:
    """JSON text of an object with Gemma's own quotes and bare keys."""
    pieces = source.split(GEMMA_QUOTE)  # outside, inside, outside …
    for index, piece in enumerate(pieces):
        pieces[index] = _json(piece) if index % 2 else _BARE_KEY.sub(r'\1"\2":', piece)
    return "".join(pieces).strip()


def llama(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`{"name": …, "parameters": …}`, several after semicolons (Llama 3)."""
    yield from an_object(text, calls, schemas)
    while (yield from peek(text)) == ";":
        text.take(1)
        yield from an_object(text, calls, schemas)
