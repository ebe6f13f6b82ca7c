"""Grammars in GBNF, held against texts one character at a time."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabula.engine.parsing.gbnf import BadGrammar, Gbnf
from fabula.engine.parsing.schema_grammar import Grammar

JSON = r"""
root   ::= value
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= "-"? ([0-9] | [1-9] [0-9]+) ("." [0-9]+)? ([eE] [-+]? [0-9]+)? ws
ws     ::= [ \t\n]*   # also between the lines
"""
SUMS = """
root  ::= (expr "=" ws term "\\n")+
expr  ::= term ([-+*/] term)*
term  ::= ident | num | "(" ws expr ")" ws
ident ::= [a-z] [a-z0-9_]* ws
num   ::= [0-9]+ ws
ws    ::= [ \\t\\n]*
"""


def read(grammar: Gbnf, text: str) -> int | bool:
    """Whether the text is whole; where it breaks, the number of characters before that."""
    stacks = grammar.start
    for place, character in enumerate(text):
        stacks = grammar.step(stacks, ord(character))
        if not stacks:
            return place
    return grammar.is_whole(stacks)


@pytest.mark.parametrize(
    ("grammar", "text", "found"),
    [
        ('root ::= [a-z]* "abc"', "xabcabc", True),
        ('root ::= "\\u0041" [\\u4e00-\\u9fff]+', "A你好", True),
        ('root ::= "a" root "b" | ""', "aabb", True),
        ('root ::= "a" root "b" | ""', "aab", False),
        ('root ::= "x"{3} ("y"{0,2}){2}', "xxxyyyy", True),
        ('root ::= "x"{3} ("y"{0,2}){2}', "xxxyyyyy", 7),
        ('root ::= "x"{2,}', "x" * 50, True),
        ('root ::= [^\\n"]+ .', 'a你"', True),
        ("root ::= [\\]^-]+", "^]-", True),
        ("root ::= item+ # many\nitem ::=\n  [a-c] |\n  [x]", "axb", True),
        (SUMS, "a+(b*3)=4\n", True),
        (SUMS, "a+ (b", 2),
    ],
)
def test_a_text_is_whole_or_breaks_at_a_place(grammar: str, text: str, found: int | bool) -> None:
    assert read(Gbnf(grammar), text) is found or read(Gbnf(grammar), text) == found


@pytest.mark.parametrize(
    "grammar",
    [
        "",
        'start ::= "a"',
        "root ::= other",
        'root ::= "a',
        'root ::= ("a"',
        'root ::= "a")',
        'root ::= * "a"',
        'root ::= "\\q"',
        'root ::= "\\x1"',
        'root ::= "a"{3,1}',
        'root ::= "a"{1,9999}',
        'root ::= root "a" | "b"',
        'root ::= x "a"\nx ::= "" | root',
        '"a"',
    ],
)
def test_what_is_no_grammar_is_refused(grammar: str) -> None:
    with pytest.raises(BadGrammar):
        Gbnf(grammar)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(values, st.booleans())
def test_every_value_is_whole_and_no_beginning_of_an_object_is(value: object, plain: bool) -> None:
    text = json.dumps(value, ensure_ascii=plain).replace("\x7f", "\\u007f")
    grammar = Gbnf(JSON)
    assert read(grammar, text) is True
    if text[0] in "[{":
        assert read(grammar, text[:-1]) is False


@settings(max_examples=200, deadline=None)
@given(st.text('rot:= "[]()|*+?.{}^-\\a1,\n#', max_size=60))
def test_whatever_is_written_is_a_grammar_or_refused(text: str) -> None:
    try:
        grammar = Gbnf("root ::= " + text)
    except BadGrammar:
        return
    assert isinstance(read(grammar, "a1"), int)


def test_a_long_text_without_an_end_leaves_no_more_places_behind() -> None:
    rules = Grammar()
    thinking = rules.without("</think>", "thinking")
    grammar = Gbnf(rules.text(f'{thinking} "ok"'))
    assert read(grammar, "hm < </thin " * 500 + "</think>ok") is True
    assert read(grammar, "hm </think>no") == 11
    few = len(grammar._places)
    assert read(grammar, "hm < </thin " * 5000) is False
    assert len(grammar._places) == few


def test_a_character_that_is_not_whole_may_follow_where_one_of_its_kind_may() -> None:
    grammar = Gbnf("root ::= [一-龥]+ [^a-z]")
    assert grammar.may_follow(grammar.start, 0x4E00, 0x4E3F)
    assert not grammar.may_follow(grammar.start, 0x3040, 0x307F)
    after = grammar.step(grammar.start, ord("你"))
    assert grammar.may_follow(after, ord("a"), ord("{"))
    assert not grammar.may_follow(after, ord("a"), ord("z"))
