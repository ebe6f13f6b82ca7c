"""Reasoning is told apart from the answer, whatever the pieces in which a stream comes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.core.stream import Token
from fabula.engine.parsing.events import Argued, Called
from fabula.engine.parsing.families import BY_NAME, FAMILIES, Family, detect
from fabula.engine.parsing.harmony import HarmonyParser
from fabula.engine.parsing.reasoning import TagParser

THINK = BY_NAME["think"]
HARMONY = (
    "<|channel|>analysis<|message|>Let me see.<|end|><|start|>assistant<|channel|>commentary to=functions.get"
    ' <|constrain|>json<|message|>{"city": "台北"}<|call|>'
)


def parser_of(family: Family, **options: bool) -> TagParser | HarmonyParser:
    return HarmonyParser() if family.channels else TagParser(family, **options)


def pieces_of(text: str, cuts: list[int]) -> list[Token]:
    """The text divided at some places; the tokens are numbered."""
    edges = [0, *sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]
    parts = [text[start:end] for start, end in itertools.pairwise(edges)]
    return [Token(part, (number,)) for number, part in enumerate(parts)]


def read(parser: TagParser | HarmonyParser, tokens: list[Token], complete: bool = True) -> dict[str, str]:
    """What came in each channel."""
    found = {"text": "", "reasoning": "", "mark": "", "call": ""}
    parts = [part for token in tokens for part in parser.feed(token)]
    for part in [*parts, *parser.finish(complete=complete)]:
        if isinstance(part, Called):
            found["call"] += part.name
        elif isinstance(part, Argued):
            found["call"] += part.text
        else:
            found[part[0]] += part[1].text
    return found


def whole(text: str, family: Family = THINK, **options: bool) -> tuple[str, str]:
    found = read(parser_of(family, **options), [Token(text, (1,))])
    return found["reasoning"], found["text"]


def test_a_block_at_the_start_is_reasoning_and_the_rest_the_answer():
    assert whole("<think>\nHm, 2 < 3.\n</think>\n\nYes.") == ("Hm, 2 < 3.", "Yes.")


def test_a_block_that_the_prompt_has_opened_needs_no_tag():
    assert whole("Hm.\n</think>\n\nYes.", opened=True) == ("Hm.", "Yes.")


def test_an_answer_may_speak_of_tags():
    assert whole("Use <think> and </think>.") == ("", "Use <think> and </think>.")
    assert whole("<think>Hm.</think>Write </think>!") == ("Hm.", "Write </think>!")
    assert whole("<think>", answers=True) == ("", "<think>")


def test_a_block_that_never_ends_is_reasoning():
    assert whole("<think>I wonder") == ("I wonder", "")


def test_an_empty_block_is_nothing():
    assert whole("<think>\n\n</think>\n\nYes.") == ("", "Yes.")


@pytest.mark.parametrize("text", ["<thi", "<think>So</thi"])
def test_half_a_tag_at_a_limit_is_never_shown(text: str):
    found = read(TagParser(THINK), [Token(text, (1,))], complete=False)
    assert "<" not in found["text"] + found["reasoning"]


def test_what_a_model_ended_itself_is_its_answer():
    assert whole("<") == ("", "<")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_each_family_is_read_by_its_own_marks(family: Family):
    text = f"{family.start}\nHm.\n{family.closed()}Yes."
    reasoning, answer = whole(text, family)
    assert (reasoning.strip(), answer) == ("Hm.", "Yes.")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@given(cuts=st.lists(st.integers(0, 10_000), max_size=30), end=st.integers(0, 200))
def test_any_pieces_give_the_same_and_nothing_is_lost(family: Family, cuts: list[int], end: int):
    text = f"\n{family.start}\nHm, 霧 <b>.\n{family.closed()}Yes <i>, 好.</i>"[: end or None]
    tokens = pieces_of(text, cuts)
    found = read(parser_of(family), tokens)
    assert found == read(parser_of(family), [Token(text, (1,))])
    assert len(found["text"] + found["reasoning"] + found["mark"]) == len(text)


@given(cuts=st.lists(st.integers(0, 10_000), max_size=30))
def test_harmony_tells_reasoning_calls_and_answers_apart(cuts: list[int]):
    found = read(HarmonyParser(), pieces_of(HARMONY, cuts))
    assert (found["reasoning"], found["call"]) == ("Let me see.", 'get{"city": "台北"}')
    assert found["text"] == ""


ODD = ("assistant", "analysis", "final", "commentary to=functions.get", *" \n<霧", "<|", "to=", "So", "{}")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@given(data=st.data(), cuts=st.lists(st.integers(0, 10_000), max_size=12), complete=st.booleans())
def test_marks_in_any_order_are_read_the_same_from_any_pieces(
    family: Family, data: st.DataObject, cuts: list[int], complete: bool
):
    text = "".join(data.draw(st.lists(st.sampled_from([*family.shown, *ODD]), max_size=12)))
    whole_text = read(parser_of(family), [Token(text, (1,))], complete)
    assert read(parser_of(family), pieces_of(text, cuts), complete) == whole_text
    assert read(parser_of(family), [Token(each, (1,)) for each in text], complete) == whole_text


@given(cuts=st.lists(st.integers(0, 10_000), max_size=30))
def test_ids_stay_with_their_text(cuts: list[int]):
    """A token that lies in one channel keeps its ids there; one that is divided has none."""
    tokens = pieces_of("<think>\nHm, 霧.\n</think>\n\nYes, 好.", cuts)
    parser = TagParser(THINK)
    parts = [part for token in tokens for part in parser.feed(token)] + parser.finish(complete=True)
    texts = {token.ids: token.text for token in tokens}
    assert all(texts[token.ids] == token.text for _, token in parts if token.ids)


def test_tokens_without_text_go_with_the_text_before_them():
    parser = TagParser(THINK)
    tokens = [
        Token("<think>", (1,)),
        Token("Hm", (2,)),
        Token("", (3,)),
        Token("</think>", (4,)),
        Token("Y", (5,)),
    ]
    parts = [part for token in tokens for part in parser.feed(token)]
    assert [(channel, token.ids) for channel, token in parts] == [
        ("mark", (1,)),
        ("reasoning", (2,)),
        ("reasoning", (3,)),
        ("mark", (4,)),
        ("text", (5,)),
    ]


def test_a_block_can_be_closed_from_outside():
    parser = TagParser(THINK)
    parser.feed(Token("<think>Hm </th", (1,)))
    assert parser.thinks
    assert [(channel, token.text) for channel, token in parser.close()] == [("reasoning", " </th")]
    assert [(channel, token.text) for channel, token in parser.feed(Token("Yes", (2,)))] == [("text", "Yes")]


@pytest.mark.parametrize("end", ["<|call|>", ""])
def test_a_call_of_harmony_without_arguments_has_an_empty_object(end: str):
    parser = HarmonyParser()
    header = "<|channel|>commentary to=functions.get <|constrain|>json<|message|>"
    told = [*parser.feed(Token(header + end, (1,))), *parser.finish(complete=True)]
    assert [part for part in told if not isinstance(part, tuple)] == [Called("get"), Argued("{}")]


def test_harmony_calls_nothing_without_a_name():
    written = "<|channel|>commentary to=functions. <|constrain|>json<|message|>{}<|call|>"
    found = read(HarmonyParser(), [Token(written, (1,))])
    assert (found["call"], found["text"]) == ("", "{}")


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{% if '</think>' in content %}", "think"),
        ("<|start|>assistant<|channel|>final<|message|>", "harmony"),
        ("[THINK]{{ t }}[/THINK]", "magistral"),
        ("<|START_THINKING|>", "command"),
        ("<seed:think>", "seed:think"),
        ("<|channel>thought\n<channel|>", "gemma"),
        ("{{ message.content }}", None),
    ],
)
def test_the_family_is_found_in_the_template(template: str, name: str | None):
    family = detect(template)
    assert (family.name if family else None) == name


def test_tags_around_an_answer_are_dropped():
    family = detect("<think></think><response></response>")
    assert family
    assert whole("<think>Hm.</think><response>Yes.</response>", family) == ("Hm.", "Yes.")
