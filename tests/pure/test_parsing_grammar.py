"""JSON schemas and tools become grammars; a schema that is none is refused with its place."""

from __future__ import annotations

import pytest

from fabula.engine.parsing.families import BY_NAME as FAMILY
from fabula.engine.parsing.schema_grammar import BadSchema, Grammar, literal
from fabula.engine.parsing.tools.formats import BY_NAME, FORMATS, Format
from fabula.engine.parsing.tools.grammar import calling, check, must_call, schemas_of
from fabula.engine.parsing.tools.tagged import typed

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "get", "parameters": CITY}}


def rules(schema: object) -> dict[str, str]:
    grammar = Grammar()
    grammar.rules["root"] = grammar.schema(schema)
    return grammar.rules


def test_properties_come_in_order_and_optional_ones_may_be_missing():
    schema = CITY | {"properties": {"n": {"type": "integer"}, "city": {"type": "string"}}}
    city, n = r'"\"city\"" space ":" space string', r'"\"n\"" space ":" space integer'
    assert rules(schema)["schema"] == f'"{{" space {city} (space "," space {n})? space "}}"'


def test_enums_constants_and_alternatives():
    assert rules({"enum": ["a", 1]})["schema"] == r'"\"a\"" | "1"'
    assert rules({"const": "好"})["schema"] == r'"\"好\""'
    assert rules({"anyOf": [{"type": "null"}, {"type": "integer"}]})["schema"] == "null | integer"
    assert rules({"type": ["integer", "null"]})["schema"] == "integer | null"


def test_lengths_are_kept():
    assert rules({"type": "string", "minLength": 1, "maxLength": 5})["schema"] == r'"\"" char{1,5} "\""'
    assert "{1,2}" in rules({"type": "array", "items": {}, "minItems": 2, "maxItems": 3})["schema"]


def test_a_schema_may_refer_to_itself():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    found = rules({"$ref": "#/$defs/node", "$defs": {"node": node}})
    assert "ref-defs-node" in found[found["ref-defs-node"]]


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ("text", ""),
        ({"type": "colour"}, ".type"),
        ({"type": "object", "properties": []}, ".properties"),
        ({"properties": {"a": {"type": 5}}}, ".properties.a.type"),
        ({"type": "object", "required": "city"}, ".required"),
        ({"enum": []}, ".enum"),
        ({"anyOf": 5}, ".anyOf"),
        ({"$ref": "#/nowhere"}, ".$ref"),
        ({"$ref": "http://elsewhere"}, ".$ref"),
        ({"type": "array", "minItems": -1}, ".minItems"),
        ({"type": "string", "minLength": 5, "maxLength": 2}, ".maxLength"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(schema: object, where: str):
    with pytest.raises(BadSchema) as refused:
        rules(schema)
    assert (refused.value.where, bool(refused.value.expected)) == (where, True)


def test_endless_schemas_are_refused():
    deep: dict[str, object] = {"type": "string"}
    for _ in range(100):
        deep = {"type": "array", "items": deep}
    with pytest.raises(BadSchema):
        rules(deep)


def test_text_up_to_a_mark_is_an_automaton():
    grammar = Grammar()
    assert grammar.without("aab", "x") == "x-0"
    assert grammar.rules == {
        "x-0": '"a" x-1 | [^a] x-0',
        "x-1": '"a" x-2 | [^a] x-0',
        "x-2": '"a" x-2 | "b" | [^ab] x-0',
    }


def test_a_literal_is_escaped():
    assert literal('a"\\\n') == r'"a\"\\\n"'


def test_a_tool_that_is_wrong_is_named():
    wrong = {
        "type": "function",
        "function": {"name": "b", "parameters": {"properties": {"x": {"type": "y"}}}},
    }
    with pytest.raises(BadSchema) as refused:
        check([TOOL, wrong])
    assert refused.value.where == "tools[1].function.parameters.properties.x.type"


@pytest.mark.parametrize("each", [each for each in FORMATS if each.call or each.fields], ids=lambda f: f.name)
def test_a_call_can_be_made_a_must(each):
    forced = must_call(each, [TOOL], None, opened=False, several=False)
    assert forced
    assert forced.startswith("root ::= call\n")


def test_reasoning_may_come_before_a_call_that_must_come():
    open_block = must_call(BY_NAME["hermes"], [TOOL], FAMILY["think"], opened=True, several=False)
    closed = must_call(BY_NAME["hermes"], [TOOL], FAMILY["think"], opened=False, several=False)
    assert open_block
    assert open_block.startswith("root ::= thinking-0 ")
    assert closed
    assert closed.startswith('root ::= ("<think>" thinking-0 ')


def test_formats_without_a_form_of_their_own_cannot_be_forced():
    assert calling(BY_NAME["deepseek-v3.2"], [TOOL], several=True) is None


@pytest.mark.parametrize("each", [each for each in FORMATS if each.trigger], ids=lambda f: f.name)
def test_what_begins_a_grammar_is_how_a_call_begins(each: Format):
    """Whatever the engine has read when the word is there has to be the beginning of the grammar."""
    before = (each.call or each.fields or ("",))[0]
    assert before.startswith(each.trigger)
    assert before.startswith(each.beginning)
    assert each.beginning.startswith(each.trigger)


@pytest.mark.parametrize("name", ["gemma", "lfm2", "olmo"])
def test_a_syntax_of_a_models_own_is_left_to_it_unless_it_must_call(name: str):
    assert BY_NAME[name].trigger == ""
    assert must_call(BY_NAME[name], [TOOL], None, opened=False, several=False)


CODE = {"type": "string", "enum": ["1", "b"]}
NAMED = {"$defs": {"C": CODE, "P": {"properties": {"c": {"$ref": "#/$defs/C"}}}}}


def tags(schema: object) -> str:
    """How an argument is written between tags."""
    parameters = NAMED | {"type": "object", "properties": {"x": schema}, "required": ["x"]}
    tool = {"type": "function", "function": {"name": "get", "parameters": parameters}}
    found = calling(BY_NAME["glm"], [tool], several=False)
    assert found
    return found.rpartition('"<arg_key>x</arg_key>\\n<arg_value>" ')[2]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": ["string", "null"]}, "call-0-0-0"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "call-0-0-0"),
        ({"$ref": "#/$defs/C"}, '("1" | "b")'),
        ({"anyOf": [{"$ref": "#/$defs/C"}, {"type": "null"}]}, '("1" | "b" | "null")'),
        ({"const": "z"}, '("z")'),
        ({"$ref": "#/$defs/P"}, "ref-defs-P"),
        ({"type": "array", "items": {"$ref": "#/$defs/P"}}, "call-0-0"),
    ],
)
def test_between_tags_text_is_plain_and_references_are_those_of_the_tool(schema: object, expected: str):
    """What is read back as text must not be made JSON: its quotes would be a part of it."""
    assert tags(schema).startswith(f"{expected} ")


def test_readers_know_what_parameters_refer_to():
    parameters = NAMED | {"properties": {"x": {"$ref": "#/$defs/C"}, "y": {"$ref": "#/nowhere"}}}
    tool = {"type": "function", "function": {"name": "get", "parameters": parameters}}
    known = schemas_of([tool])["get"]
    assert (typed("1", known["x"]), typed("1", known["y"])) == ('"1"', "1")


def test_endless_references_end():
    again = {"$ref": "#/$defs/A"}
    loop = {"$defs": {"A": {"anyOf": [again] * 9}}, "properties": {"x": again}}
    assert schemas_of([{"type": "function", "function": {"name": "get", "parameters": loop}}])["get"]["x"]


def test_readers_know_the_parameters():
    assert schemas_of([TOOL, {"type": "function", "function": {"name": "stop"}}]) == {
        "get": {"city": {"type": "string"}},
        "stop": {},
    }
