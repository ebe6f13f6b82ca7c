"""Grammars that make a model call tools as their schemas say. Pure.

Knows the formats as data and GBNF; which grammar is wanted is asked by its caller.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fabula.core.messages import Tool
from fabula.engine.parsing.families import Family
from fabula.engine.parsing.schema_grammar import BadSchema, Grammar, literal
from fabula.engine.parsing.tools.formats import Format
from fabula.engine.parsing.tools.kinds import Schemas, kinds, referred, values

NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}


def schemas_of(tools: Sequence[Tool]) -> Schemas:
    """What readers need to know of the tools: the schemas of their parameters."""
    return {tool["function"]["name"]: _arguments(parameters_of(tool)) for tool in tools}


def _arguments(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = parameters.get("properties") or {}
    return {name: referred(schema, parameters) for name, schema in properties.items()}


def parameters_of(tool: Tool) -> Mapping[str, Any]:
    parameters: Mapping[str, Any] = tool["function"].get("parameters") or NO_ARGUMENTS
    return parameters


def calling(format: Format, tools: Sequence[Tool], *, several: bool) -> str | None:
    """The grammar of calls of the tools; None where the format cannot be enforced. Raises BadSchema."""
    grammar = Grammar()
    calls = _calls(grammar, format, tools, several)
    return grammar.text(calls) if calls else None


def must_call(
    format: Format, tools: Sequence[Tool], family: Family | None, *, opened: bool, several: bool
) -> str | None:
    """The grammar of a reply that calls, after reasoning where the model reasons. Raises BadSchema."""
    grammar = Grammar()
    calls = _calls(grammar, format, tools, several)
    if calls is None:
        return None
    if family is None:
        return grammar.text(calls)
    until_end = grammar.without(family.end, "thinking")
    if opened:
        return grammar.text(f"{until_end} [ \\n]* {calls}")
    speaks = literal("<|start|>assistant") if family.channels else "[ \\n]*"
    return grammar.text(f"({literal(family.start)} {until_end} {speaks})? {calls}")


def _calls(grammar: Grammar, format: Format, tools: Sequence[Tool], several: bool) -> str | None:
    if format.call is None and format.fields is None:
        return None
    rules = [_call(grammar, format, tool, f"call-{number}") for number, tool in enumerate(tools)]
    one = grammar.add("call", " | ".join(rules))
    separated = format.begins and not format.bare and not format.name.endswith("list")
    return f"{one} ([ \\n]? {one})*" if several and separated else one


def _call(grammar: Grammar, format: Format, tool: Tool, name: str) -> str:
    parameters = parameters_of(tool)
    if format.call:
        before, between, after = format.call
        arguments = grammar.schema(parameters, name)
        start = literal(before + tool["function"]["name"] + between)
        return f"{start} {arguments}" + (f" {literal(after)}" if after else "")
    assert format.fields
    before, after_name, *_, end = format.fields
    pairs = [
        _field(grammar, format.fields, key, schema, f"{name}-{number}", parameters)
        for number, (key, schema) in enumerate((parameters.get("properties") or {}).items())
    ]
    return " ".join([literal(before + tool["function"]["name"] + after_name), *pairs, literal(end)])


def _field(
    grammar: Grammar, fields: tuple[str, ...], key: str, schema: Any, name: str, parameters: Mapping[str, Any]
) -> str:
    """One argument between its tags, as `tagged.typed` reads it. Text ends where its closing tag begins."""
    _, _, before_key, after_key, after_value, _ = fields
    known = referred(schema, parameters)
    if "string" not in kinds(known):
        value = f"{grammar.schema(schema, name, parameters)} {literal(after_value)}"
    elif named := values(known):
        value = f"({' | '.join(literal(_plain(each)) for each in named)}) {literal(after_value)}"
    else:
        value = grammar.without(after_value, name)
    pair = f"{literal(before_key + key + after_key)} {value}"
    return pair if key in parameters.get("required", []) else f"({pair})?"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def check(tools: Sequence[Tool]) -> None:
    """Raises BadSchema for parameters that are no schema; `where` begins with the tool's number."""
    for number, tool in enumerate(tools):
        try:
            Grammar().schema(parameters_of(tool))
        except BadSchema as bad:
            where = f"tools[{number}].function.parameters{bad.where}"
            raise BadSchema(where, bad.found, bad.expected) from bad
