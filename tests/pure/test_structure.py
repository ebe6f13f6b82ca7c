"""A form that cannot be kept is refused, and a reply that does not have its form is told."""

from __future__ import annotations

import json

import pytest

from fabula.core.errors import BadParameter
from fabula.core.sampling import Sampling
from fabula.turn import structure

PERSON = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def test_a_sound_form_passes():
    for form in ({"json_schema": PERSON}, {"regex": "[a-c]{3}"}, {"grammar": 'root ::= "yes"'}, {}):
        structure.check(Sampling.of(form))


@pytest.mark.parametrize(
    "form",
    [
        {"json_schema": {"type": "objec"}},
        {"json_schema": "{"},
        {"json_schema": "5"},
        {"json_schema": {"type": "string", "pattern": "["}},
        {"regex": "[a-c"},
        {"regex": "(" * 5000},
        {"grammar": "yes"},
        {"grammar": 'root ::= a_b\na_b ::= "x"'},  # llama.cpp knows no such name
        {"grammar": 'root ::= 甲\n甲 ::= "x"'},
        {"banned_regexes": ["["]},
        {"banned_strings": ["x" * 401]},
        {"grammar": "root ::= " + "x" * 300_000},
        {"regex": "a", "json_schema": PERSON},
    ],
)
def test_a_wrong_form_is_refused(form: dict[str, object]):
    with pytest.raises(BadParameter):
        structure.check(Sampling.of(form))


def nested(depth: int) -> dict[str, object]:
    schema: dict[str, object] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


TWICE = "\n".join(["root ::= a0", *(f"a{n} ::= a{n + 1}? a{n + 1}?" for n in range(40)), 'a40 ::= "x"?'])


@pytest.mark.parametrize(
    "form",
    [
        {"json_schema": nested(300)},
        {"json_schema": {"type": "array", "minItems": 10**8, "maxItems": 10**8}},
        {"json_schema": {"type": "string", "pattern": "((a{1000}){1000}){1000}"}},
        {"json_schema": {"patternProperties": {"((a{1000}){1000}){1000}": {}}}},
        {"regex": "((a{1000}){1000}){1000}"},
        {"regex": "a{1000000000}"},
        {"banned_regexes": ["x(((a{1000}){1000}){1000})"]},
        {"banned_regexes": [f"a{{9000}}{number}" for number in range(50)]},
        {"grammar": TWICE},
        {"grammar": 'root ::= "a"{5,2}'},
        {"grammar": "root ::= " + "(" * 90_000 + '"a"' + ")" * 90_000},
    ],
    ids=str,
)
def test_what_would_take_all_memory_or_all_time_is_refused_at_once(form: dict[str, object]):
    with pytest.raises(BadParameter):
        structure.check(Sampling.of(form))


@pytest.mark.parametrize(
    "form",
    [
        {"json_schema": {"type": "string", "pattern": r"^\p{L}+$"}},
        {"json_schema": {"patternProperties": {r"^\p{Han}": {"type": "integer"}}}},
        {"json_schema": {"const": {"maxItems": 10**9}}},
        {"json_schema": nested(40)},
        {"grammar": 'root ::= "a"{0,1000000}'},
        {"grammar": 'root ::= !<think>* "x"'},
        {"grammar": '%llguidance {}\nstart: "a"'},
    ],
    ids=str,
)
def test_what_the_engine_understands_is_left_to_it(form: dict[str, object]):
    structure.check(Sampling.of(form))


def test_a_grammar_is_refused_with_the_reason():
    for grammar, reason in (("root ::= x", "no rule 'x'"), ('root ::= root "a" | "b"', "left recursion")):
        with pytest.raises(BadParameter) as refused:
            structure.check(Sampling(grammar=grammar))
        assert reason in f"{refused.value.expected}"


DOUBLED = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)}


@pytest.mark.parametrize(
    ("schema", "reply"),
    [
        ({"$ref": "#"}, "1"),
        ({"$ref": "#/$defs/none"}, "1"),
        ({"$ref": "http://127.0.0.1:9/x.json"}, "1"),
        ({"type": "integer"}, "1" * 5000),
        ({"$defs": {**DOUBLED, "a40": {"type": "integer"}}, "$ref": "#/$defs/a0"}, '"x"'),
        ({"pattern": "^(a|aa)+$"}, '"' + "a" * 60 + 'b"'),
        ({"unevaluatedProperties": False, "patternProperties": {r"^\p{L}": True}}, '{"a": 1}'),
    ],
    ids=str,
)
def test_a_reply_that_cannot_be_judged_is_told_so(schema: object, reply: str):
    wrong = structure.problem(Sampling.of({"json_schema": schema}), reply)
    assert wrong
    assert wrong.key == "form.unchecked"


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"multipleOf": 0.01}, "1.11", "1.115"),
        ({"pattern": r"^\p{L}+$"}, '"中文"', '"4"'),
        ({"patternProperties": {r"^\p{L}": {"type": "integer"}}}, '{"中": 1}', '{"中": "1"}'),
        ({"patternProperties": {"^a": True}, "additionalProperties": False}, '{"a": 1}', '{"b": 1}'),
        (
            {"properties": {"a": {}}, "additionalProperties": {"type": "null"}},
            '{"a": 1, "b": null}',
            '{"b": 1}',
        ),
        ({"type": "number"}, "1", "NaN"),
    ],
    ids=str,
)
def test_a_reply_is_judged_as_it_is_written(schema: object, good: str, bad: str):
    sampling = Sampling.of({"json_schema": schema})
    assert structure.problem(sampling, good) is None
    assert structure.problem(sampling, bad)


def test_a_reply_is_held_against_its_schema():
    sampling = Sampling.of({"json_schema": PERSON})
    assert structure.problem(sampling, json.dumps({"age": 5})) is None
    assert "$ does not fit the schema's rule" in f"{structure.problem(sampling, '{}')}"
    cut = structure.problem(sampling, '{"age": ')
    assert cut
    assert cut.say("zh-Hans") == "不是 JSON（第 1 行第 9 列）"


def test_a_reply_is_held_against_its_regex():
    assert structure.problem(Sampling(regex="[a-c]+"), "abc") is None
    assert structure.problem(Sampling(regex="[a-c]+"), "abcd")


def test_a_reply_without_a_form_is_not_judged():
    assert structure.problem(Sampling(), "anything") is None
