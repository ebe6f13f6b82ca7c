"""Tool calls are read in the formats that models write them in, whatever the pieces of the stream."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.core.stream import Token
from fabula.engine.parsing.events import Called
from fabula.engine.parsing.tools.formats import BY_NAME, FORMATS, detect
from fabula.engine.parsing.tools.parser import ToolParser
from fabula.engine.parsing.tools.tagged import typed

SCHEMAS = {"get": {"city": {"type": "string"}, "n": {"type": "integer"}}}
PARIS, THREE = {"city": "Paris"}, {"city": "Paris", "n": 3}
Calls = list[tuple[str, dict[str, object]]]

CASES: list[tuple[str, str, Calls]] = [
    (
        "hermes",
        '<tool_call>\n{"name": "get", "arguments": {"city": "Paris"}}\n</tool_call>',
        [("get", PARIS)],
    ),
    (
        "hermes",
        '<tool_call>{"arguments": {"n": 3, "city": "Paris"}, "name": "get"}</tool_call>\n'
        '<tool_call>{"name": "get", "arguments": "{\\"city\\": \\"Paris\\"}"}</tool_call>',
        [("get", THREE), ("get", PARIS)],
    ),
    ("hermes", '<tool_call>{"name": "get"}</tool_call>', [("get", {})]),
    ("hermes", '<tool_call>{"name": "get", "arguments": {"city": "Paris"}}}]</tool_call>', [("get", PARIS)]),
    (
        "hermes",
        '<tool_call>{"name": "get", "arguments": {"city": "Paris"}, "name": "put", "arguments": {}}'
        "</tool_call>",
        [("get", PARIS)],
    ),
    (
        "qwen-coder",
        "<function=get>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>",
        [("get", PARIS)],
    ),
    (
        "lfm2",
        '<|tool_call_start|>[{"name": "get", "arguments": {"city": "Paris"}}, {"name": "get"}]'
        "<|tool_call_end|>",
        [("get", PARIS), ("get", {})],
    ),
    (
        "qwen-coder",
        "<tool_call>\n<function=get>\n<parameter=city>\nParis\n</parameter>\n<parameter=n>\n3\n</parameter>\n"
        "</function>\n</tool_call>",
        [("get", THREE)],
    ),
    ("qwen-coder", "<tool_call>\n<function=get>\n</function>\n</tool_call>", [("get", {})]),
    ("hermes", '<tool_call>{"name": "get", "arguments": null}</tool_call>', [("get", {})]),
    ("lfm2", '<|tool_call_start|>[get("Paris", n=3)]<|tool_call_end|>', [("get", THREE)]),
    ("lfm2", "<|tool_call_start|>[get(**{'city': 'Paris'})]<|tool_call_end|>", [("get", PARIS)]),
    (
        "glm",
        "<tool_call>get\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n<arg_key>n</arg_key>\n"
        "<arg_value>3</arg_value>\n</tool_call>",
        [("get", THREE)],
    ),
    (
        "mistral",
        '[TOOL_CALLS]get[ARGS]{"city": "Paris"}[TOOL_CALLS]get[ARGS]{}',
        [("get", PARIS), ("get", {})],
    ),
    ("mistral", '[TOOL_CALLS]get[CALL_ID]abc[ARGS]{"city": "Paris"}', [("get", PARIS)]),
    (
        "mistral-list",
        '[TOOL_CALLS][{"name": "get", "arguments": {"city": "Paris"}, "id": "abcdefghi"}]',
        [("get", PARIS)],
    ),
    ("llama", '{"name": "get", "parameters": {"city": "Paris"}}', [("get", PARIS)]),
    ("llama", '<|python_tag|>{"type": "function", "name": "get", "parameters": {}}', [("get", {})]),
    ("llama", '<function=get>{"city": "Paris"}</function>', [("get", PARIS)]),
    (
        "deepseek",
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get<｜tool▁sep｜>{"city": "Paris"}<｜tool▁call▁end｜>'
        "<｜tool▁calls▁end｜>",
        [("get", PARIS)],
    ),
    (
        "deepseek",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>"
        'get\n```json\n{"city": "Paris"}\n```'
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        [("get", PARIS)],
    ),
    (
        "kimi",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.get:0<|tool_call_argument_begin|>"
        '{"city": "Paris"}<|tool_call_end|><|tool_calls_section_end|>',
        [("get", PARIS)],
    ),
    (
        "gemma",
        '<|tool_call>call:get{city:<|"|>Paris<|"|>,n:3}<tool_call|>',
        [("get", THREE)],
    ),
    ("phi", '<|tool_call|>{"name": "get", "arguments": {"city": "Paris"}}<|/tool_call|>', [("get", PARIS)]),
    ("granite", '<|tool_call|>[{"name": "get", "arguments": {"city": "Paris"}}]', [("get", PARIS)]),
    (
        "command",
        '<|START_ACTION|>[\n {"tool_call_id": "0", "tool_name": "get", "parameters": {"city": "Paris"}}\n]'
        "<|END_ACTION|>",
        [("get", PARIS)],
    ),
    (
        "lfm2",
        "<|tool_call_start|>[get(city='Paris', n=3), get()]<|tool_call_end|>",
        [("get", THREE), ("get", {})],
    ),
    (
        "minimax",
        '<minimax:tool_call>\n<invoke name="get">\n<parameter name="city">Paris</parameter>\n</invoke>\n'
        "</minimax:tool_call>",
        [("get", PARIS)],
    ),
    (
        "seed",
        "<seed:tool_call>\n<function=get>\n<parameter=city>Paris</parameter>\n</function>\n</seed:tool_call>",
        [("get", PARIS)],
    ),
    (
        "jamba",
        '<tool_calls>[\n{"name": "get", "arguments": {"city": "Paris"}}\n]</tool_calls>',
        [("get", PARIS)],
    ),
    (
        "jamba",
        '<tool_calls>\n{"name": "get", "arguments": {"city": "Paris"}}\n{"name": "get", "arguments": {}}\n'
        "</tool_calls>",
        [("get", PARIS), ("get", {})],
    ),
    (
        "hermes",
        '<tool_call>\n{"name": "get", "arguments": {"city": "Paris"}},\n{"name": "get"}\n</tool_call>',
        [("get", PARIS), ("get", {})],
    ),
    (
        "nemotron",
        '<TOOLCALL>[{"name": "get", "arguments": {"city": "Paris"}}, {"name": "get"}]</TOOLCALL>',
        [("get", PARIS), ("get", {})],
    ),
    (
        "olmo",
        "<function_calls>\nget(city='Paris', n=3)\nget()\n</function_calls>",
        [("get", THREE), ("get", {})],
    ),
    (
        "olmo",
        '<function_calls>get(city="Paris", n=[null, {"a": true}])</function_calls>',
        [("get", {"city": "Paris", "n": [None, {"a": True}]})],
    ),
    (
        "function-gemma",
        "<start_function_call>call:get{city:<escape>Paris<escape>,n:3}<end_function_call>"
        "<start_function_call>call:get{}<end_function_call>",
        [("get", THREE), ("get", {})],
    ),
    (
        "deepseek-v3.2",
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get">\n'
        '<｜DSML｜parameter name="city" string="true">Paris</｜DSML｜parameter>\n'
        '<｜DSML｜parameter name="n" string="false">3</｜DSML｜parameter>\n</｜DSML｜invoke>\n'
        '<｜DSML｜invoke name="get">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>',
        [("get", THREE), ("get", {})],
    ),
    (
        "deepseek-v3.2",
        '<｜DSML｜tool_calls><｜DSML｜invoke name="get"><｜DSML｜parameter name="city" string="false">[1]'
        '</｜DSML｜parameter><｜DSML｜parameter name="other" string="true">[1]</｜DSML｜parameter>'
        "</｜DSML｜invoke></｜DSML｜tool_calls>",
        [("get", {"city": [1], "other": "[1]"})],
    ),
    (
        "llama",
        '[{"name": "get", "arguments": {"city": "Paris"}}, {"name": "get"}]',
        [("get", PARIS), ("get", {})],
    ),
    ("llama", "[get(city='Paris', n=3), get()]", [("get", THREE), ("get", {})]),
    ("llama", "[ get(city='[', n=[1])]", [("get", {"city": "[", "n": [1]})]),
    ("gemma", '<|tool_call>call:get{"city": "Paris", "n": 3}<tool_call|>', [("get", THREE)]),
    (
        "kimi",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.a:b:12<|tool_call_argument_begin|>{}"
        "<|tool_call_end|><|tool_calls_section_end|>",
        [("a:b", {})],
    ),
    (
        "deepseek",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>a:b<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
        "<｜tool▁calls▁end｜>",
        [("a:b", {})],
    ),
    # what ends an argument may also stand in one
    (
        "qwen-coder",
        "<tool_call>\n<function=get>\n<parameter=city>\n<parameter>a</parameter> <b/>\n</parameter>\n"
        "</parameter>\n<parameter=n>\n3\n</parameter>\n</tool_call>",
        [("get", {"city": "<parameter>a</parameter> <b/>\n</parameter>", "n": 3})],
    ),
    (
        "minimax",
        '<minimax:tool_call><invoke name="get"><parameter name="city">a </parameter> b</parameter></invoke>'
        "</minimax:tool_call>",
        [("get", {"city": "a </parameter> b"})],
    ),
    (
        "glm",
        "<tool_call>get<arg_key>city</arg_key><arg_value>a </arg_value> b</arg_value></tool_call>",
        [("get", {"city": "a </arg_value> b"})],
    ),
    (
        "gemma",
        '<|tool_call>call:get{city:<|"|>a <tool_call|> {b:1}<|"|>}<tool_call|>',
        [("get", {"city": "a <tool_call|> {b:1}"})],
    ),
    (
        "lfm2",
        "<|tool_call_start|>[get(city='it\\'s <|tool_call_end|>')]<|tool_call_end|>",
        [("get", {"city": "it's <|tool_call_end|>"})],
    ),
    (
        "lfm2",
        '<|tool_call_start|>[{"name": "get", "arguments": {"city": "<|tool_call_end|>"}}]<|tool_call_end|>',
        [("get", {"city": "<|tool_call_end|>"})],
    ),
]


def read(name: str, pieces: list[str], complete: bool = True) -> tuple[str, list[tuple[str, str]]]:
    """The text, and names with the text of their arguments."""
    parser = ToolParser(BY_NAME[name], SCHEMAS)
    parts = [part for piece in pieces for part in parser.feed(Token(piece, (1,)))]
    text, calls = "", []
    for part in [*parts, *parser.finish(complete=complete)]:
        if isinstance(part, Token):
            text += part.text
        elif isinstance(part, Called):
            calls.append((part.name, ""))
        else:
            calls[-1] = (calls[-1][0], calls[-1][1] + part.text)
    return text, calls


def divided(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges)]


@pytest.mark.parametrize(("name", "written", "expected"), CASES)
@given(cuts=st.lists(st.integers(0, 10_000), max_size=40))
def test_a_call_is_read_from_any_pieces(name: str, written: str, expected: Calls, cuts: list[int]):
    text, calls = read(name, divided(written, cuts))
    assert [(called, json.loads(arguments)) for called, arguments in calls] == expected
    assert text == ""


@given(cuts=st.lists(st.integers(0, 10_000), max_size=40))
def test_text_around_calls_is_the_answer(cuts: list[int]):
    written = 'Let me see, 2 < 3.<tool_call>{"name": "get", "arguments": {}}</tool_call>\nDone.'
    assert read("hermes", divided(written, cuts)) == ("Let me see, 2 < 3.\nDone.", [("get", "{}")])


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("hermes", "<tool_call>no JSON</tool_call> and more"),
        ("hermes", "a <tool"),
        ("llama", '{"answer": 42}'),
        ("llama", '{"name": "Bob", "age": 5}'),
        ("lfm2", "<|tool_call_start|>[1 + ]<|tool_call_end|>"),
        ("lfm2", "<|tool_call_start|>[get(city='it's')]<|tool_call_end|>"),
        ("llama", "[1] and [get it](there)"),
        ("llama", "[get"),
        ("llama", "[getting('Paris')]"),
        ("llama", "[get('Paris'] and more"),
        ("llama", '[{"answer": 42}, {"name": "Bob"}]'),
        ("olmo", "<function_calls>\n</function_calls>"),
        ("lfm2", "<|tool_call_start|>[get(n=1e999)]<|tool_call_end|>"),
        ("lfm2", "<|tool_call_start|>[get(1, 2, 3)]<|tool_call_end|>"),
        ("hermes", '<tool_call>{"name": ' + "[" * 5000 + "}</tool_call>"),
        ("general", 'Say {"name": "get"}'),
        ("mistral", "[TOOL_CALLS]"),
        ("mistral", "[TOOL_CALLS] [ARGS]{}"),
        ("qwen-coder", "<function=>\n</function>"),
        ("minimax", '<minimax:tool_call><invoke name=""></invoke>'),
    ],
)
@given(cuts=st.lists(st.integers(0, 10_000), max_size=20))
def test_what_only_looks_like_a_call_is_text_again(name: str, written: str, cuts: list[int]):
    assert read(name, divided(written, cuts)) == (written, [])


OPTIONAL = {"anyOf": [{"type": "string"}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("schema", "said", "argument"),
    [
        (OPTIONAL, "12345", "12345"), (OPTIONAL, "null", None), ({"type": ["string", "null"]}, "null", None),
        ({"enum": ["1", "2"]}, "1", "1"), ({"enum": [1, 2]}, "1", 1), ({"type": "string"}, "null", "null"),
        ({"type": "number"}, "NaN", "NaN"), ({}, "1e999", "1e999"), ({}, "[" * 5000, "[" * 5000),
        ({}, '{"a": ["中"]}', {"a": ["中"]}), ({"type": "array"}, "[1, null]", [1, None]),
        ({"type": "boolean"}, "True", True), ({"type": "string"}, "True", "True"),
    ],
)  # fmt: skip
def test_an_argument_between_tags_has_the_type_of_its_schema(schema: object, said: str, argument: object):
    told = typed(said, schema)
    assert json.loads(told, parse_constant=pytest.fail) == argument


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("qwen-coder", '<function=get\ud800><parameter=x>"\\ud800"</parameter></function>'),
        ("hermes", r'<tool_call>{"name": "get\ud800", "arguments": "{\"x\": \"\ud800\"}"}</tool_call>'),
    ],
)
def test_half_a_character_can_be_sent(name: str, written: str):
    """Models write one as an escape; UTF-8 has none."""
    _, [(called, arguments)] = read(name, [written])
    assert (called.encode(), json.loads(arguments.encode())) == (b"get\\ud800", {"x": "\ud800"})


def test_arguments_are_told_as_they_come():
    parser = ToolParser(BY_NAME["hermes"], SCHEMAS)
    told = parser.feed(Token('<tool_call>{"name": "get", "arguments": {"city": "Pa', (1,)))
    assert [part for part in told if isinstance(part, Called)] == [Called("get")]
    assert "".join(part.text for part in told if not isinstance(part, Called)) == '{"city": "Pa'


def test_a_call_that_was_cut_off_is_told_as_far_as_it_came():
    assert read("hermes", ['<tool_call>{"name": "get", "arguments": {"ci'], complete=False) == (
        "",
        [("get", '{"ci')],
    )
    assert read("hermes", ["Well <tool_c"], complete=False) == ("Well ", [])
    assert read("hermes", ['Well <tool_call>{"name": "ge'], complete=False) == ("Well ", [])
    assert read("hermes", ['<tool_call>{"name": "get"}</tool_call>\n<too'], complete=False) == (
        "",
        [("get", "{}")],
    )
    assert read("hermes", ['<tool_call>{"name": "get"}</tool_ca'], complete=False) == ("", [("get", "{}")])
    assert read("llama", ['{"name": "get"}; {"na'], complete=False) == ("", [("get", "{}")])
    assert read("qwen-coder", ["<function=get><parameter=city>a</parameter>\n</fun"], complete=False) == (
        "",
        [("get", '{"city": "a"}')],
    )
    assert read("gemma", ["<|tool_call>call:get{n:3}<tool_ca"], complete=False) == ("", [("get", '{"n":3}')])
    assert read("llama", ['{"name": "ge'], complete=False) == ('{"name": "ge', [])  # it may be any JSON


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: each.name)
def test_the_format_is_found_by_its_hints(each):
    assert detect(" ".join(each.hints)).hints == each.hints


BROKEN = (
    *('{"name": "get", "arguments": {', '"city": "台\\"北"}}', '{"name":', "<function=get>", "<arg_key>"),
    *("get", "[get(n=1)]", "call:get{", "So", "null", "</", *'}],"', *" \n\u00a0"),
)


@pytest.mark.parametrize("name", sorted(BY_NAME))
@given(data=st.data(), cuts=st.lists(st.integers(0, 10_000), max_size=12), complete=st.booleans())
def test_what_is_broken_is_read_the_same_from_any_pieces(
    name: str, data: st.DataObject, cuts: list[int], complete: bool
):
    found = BY_NAME[name]
    written_so = [mark for mark in (*found.marks, *(found.call or found.fields or ())) if mark]
    pieces = data.draw(st.lists(st.sampled_from([*written_so, *BROKEN]), max_size=10))
    end = data.draw(st.integers(0, 6))
    text = "".join(pieces)[: -end or None]
    assert read(name, divided(text, cuts), complete) == read(name, [text], complete)
    assert read(name, list(text), complete) == read(name, [text], complete)


@given(cuts=st.lists(st.integers(0, 10_000), max_size=20))
def test_a_call_after_what_is_none_is_a_call(cuts: list[int]):
    written = "<tool_call>none</tool_call> <tool_call>" + '{"name": "get", "arguments": {}}</tool_call>\n'
    assert read("hermes", divided(written, cuts)) == ("<tool_call>none</tool_call> ", [("get", "{}")])


@given(st.text(alphabet='{}[]":,<>|abc \\\n', max_size=60), st.sampled_from(sorted(BY_NAME)))
def test_nonsense_never_fails(junk: str, name: str):
    begin = next(iter(BY_NAME[name].begins), "")
    for written in (junk, begin + junk, f'{begin}{{"name": "get", "arguments": {junk}'):
        read(name, list(written))
