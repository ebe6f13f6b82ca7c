"""Grammars that make a model call tools as their schemas say. Pure.

Knows the formats as data and GBNF; which grammar is wanted is asked by its caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fabula.core.messages import Tool
from fabula.engine.parsing.families import Family
from fabula.engine.parsing.schema_grammar import BadSchema, Grammar, literal
from fabula.engine.parsing.tools.formats import Format
from fabula.engine.parsing.tools.tagged import Schemas

NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}


def schemas_of(tools: Sequence[Tool]) -> Schemas:
    """What readers need to know of the tools: the schemas of their parameters."""
    return {tool["function"]["name"]: parameters_of(tool).get("properties") or {} for tool in tools}


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
        _field(grammar, format.fields, key, schema, f"{name}-{number}", key in parameters.get("required", []))
        for number, (key, schema) in enumerate((parameters.get("properties") or {}).items())
    ]
    return " ".join([literal(before + tool["function"]["name"] + after_name), *pairs, literal(end)])


def _field(
    grammar: Grammar, fields: tuple[str, ...], key: str, schema: Any, name: str, required: bool
) -> str:
    """One argument between its tags. Text ends where its closing tag begins."""
    _, _, before_key, after_key, after_value, _ = fields
    words = schema.get("enum") if isinstance(schema, Mapping) else None
    if words and all(isinstance(word, str) for word in words):
        value = f"({' | '.join(literal(word) for word in words)}) {literal(after_value)}"
    elif isinstance(schema, Mapping) and schema.get("type") == "string":
        value = grammar.without(after_value, name)
    else:
        value = f"{grammar.schema(schema, name)} {literal(after_value)}"
    pair = f"{literal(before_key + key + after_key)} {value}"
    return pair if required else f"({pair})?"


def check(tools: Sequence[Tool]) -> None:
    """Raises BadSchema for parameters that are no schema; `where` begins with the tool's number."""
    for number, tool in enumerate(tools):
        try:
            Grammar().schema(parameters_of(tool))
        except BadSchema as bad:
            where = f"tools[{number}].function.parameters{bad.where}"
            raise BadSchema(where, bad.found, bad.expected) from bad
