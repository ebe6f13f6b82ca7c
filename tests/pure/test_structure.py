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
        {"banned_regexes": ["["]},
        {"banned_strings": ["x" * 401]},
        {"grammar": "root ::= " + "x" * 300_000},
        {"regex": "a", "json_schema": PERSON},
    ],
)
def test_a_wrong_form_is_refused(form: dict[str, object]):
    with pytest.raises(BadParameter):
        structure.check(Sampling.of(form))


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
