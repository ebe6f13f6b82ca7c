"""An instruct template out of a model's own chat template: what it writes around turns, taken apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fabula.core.messages import Message
from fabula.prompt.faithful.derived import NAME, derived
from fabula.prompt.faithful.formats import FORMATS
from fabula.prompt.faithful.templates import Context, Instruct
from fabula.prompt.template import ChatTemplate
from fabula.turn.forms import FALLBACK, TextForm, accepted, alternating, instruct_of

CORPUS = Path(__file__).parent / "template_corpus"


def template(name: str) -> ChatTemplate:
    return ChatTemplate((CORPUS / f"{name}.jinja").read_text(encoding="utf-8"), bos="<s>", eos="</s>")


def of(name: str) -> Instruct:
    found = derived(template(name), "<s>")
    assert found
    return found


@pytest.mark.parametrize(
    ("name", "family"),
    [("chatml_default_system", "ChatML"), ("thinking", "ChatML"), ("tool_steps", "ChatML")],
)
def test_it_is_the_familys_own(name: str, family: str) -> None:
    assert of(name) == replace(FORMATS[family], name=NAME)


def test_the_beginning_of_text_stands_at_the_head_only() -> None:
    found = of("brackets_and_ids")
    assert (found.story_string_prefix, found.system_sequence) == ("<s>[SYSTEM_PROMPT]", "[SYSTEM_PROMPT]")
    assert (found.input_sequence, found.input_suffix, found.output_suffix) == ("[INST]", "[/INST]", "</s>")


def test_what_only_the_first_system_message_has_is_not_repeated() -> None:
    found = of("headers_and_dates")
    assert "Today" in found.story_string_prefix
    assert found.system_sequence == "<|start_header_id|>system<|end_header_id|>\n\n"


def test_without_a_system_role_its_texts_are_the_persons() -> None:
    found = of("no_system")
    assert found.system_same_as_user
    assert found.story_string_suffix == found.input_suffix == "<end_of_turn>\n"


def test_a_template_that_cannot_be_taken_apart_leaves_the_usual_one() -> None:
    assert derived(template("strings")) is None
    form = TextForm(context=Context())
    assert instruct_of(form, template("strings")) == FORMATS[FALLBACK]
    assert instruct_of(replace(form, plain=True), template("thinking")) is None
    assert instruct_of(replace(form, instruct=FORMATS["Alpaca"]), template("thinking")) == FORMATS["Alpaca"]


def test_later_system_messages_are_the_persons_where_a_template_wants_turns() -> None:
    said = [
        Message(role="system", text="S"),
        Message(role="assistant", text="Come in."),
        Message(role="system", text="[Slowly.]"),
        Message(role="user", text="Hello."),
    ]
    roles = [(one.role, one.text) for one in alternating(said)]
    assert roles == [("system", "S"), ("user", "…"), ("assistant", "Come in."), ("user", "[Slowly.]\nHello.")]
    messages, text = accepted(said, template("roles_alternate"), continues=False)
    assert messages == alternating(said)
    assert text.count("[Slowly.]") == 1
    assert accepted(said, template("thinking"), continues=False)[0] == tuple(said)
