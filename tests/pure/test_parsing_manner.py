"""How a model is asked: what its template can, and what is written where the template cannot."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from fabula.core.errors import BadParameter
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.prompt.assemble import render
from fabula.server.openai.tools import thinking
from fabula.turn.answers import sampled
from fabula.turn.manner import Manner, manner_of
from fabula.turn.request import TurnRequest

PLAIN = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}{# <think> #}"
)
OPENED = PLAIN.replace("[assistant]{%", "[assistant]<think>\n{%")
HARMONY = PLAIN.replace("<think>", "<|channel|><|message|>")
NOW = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)
HI = Message(role="user", text="Hi")


def manner(template: str, **request: Any) -> Manner:
    sampling = Sampling(**request.pop("sampling", {}))
    asked = TurnRequest(model="m", sampling=sampling, **({"messages": (HI,)} | request))
    return manner_of(asked, LocalModel(name="m", path=Path(), size=0, chat_template=template), NOW)


def prompt(found: Manner, continues: bool = False) -> str:
    pieces = render(found.messages, found.template, continues=continues)
    return "".join(f"{piece}" for piece in pieces)


@pytest.mark.parametrize(
    ("template", "think", "expected", "opened"),
    [
        (PLAIN, None, "[user]Hi[assistant]", False),
        (PLAIN, True, "[user]Hi[assistant]<think>\n", True),
        (PLAIN, False, "[user]Hi[assistant]<think>\n\n</think>\n\n", False),
        (OPENED, None, "[user]Hi[assistant]<think>\n", True),
        (OPENED, False, "[user]Hi[assistant]<think>\n</think>\n\n", False),
        (HARMONY, False, "[user]Hi[assistant]<|channel|>final<|message|>", False),
    ],
)
def test_where_a_template_has_no_switch_the_block_is_written_for_the_model(
    template: str, think: bool | None, expected: str, opened: bool
) -> None:
    found = manner(template, sampling={"think": think})
    assert (prompt(found), found.opened, found.ignored) == (expected, opened, ())


def test_no_budget_is_no_thinking() -> None:
    assert prompt(manner(OPENED, sampling={"think_budget": 0})).endswith("<think>\n</think>\n\n")


def test_a_form_leaves_no_room_for_thinking() -> None:
    found = manner(OPENED, sampling={"json_schema": "{}", "think": True})
    assert prompt(found).endswith("</think>\n\n")
    assert found.ignored == ("think",)


TOOLS = PLAIN + "{% for tool in tools %}{{ tool.function.name }}{% endfor %}{# <tool_call> #}"
GO = {"type": "function", "function": {"name": "go"}}


@pytest.mark.parametrize("form", [{"json_schema": "{}"}, {"regex": "a+"}, {"grammar": 'root ::= "a"'}])
def test_a_call_that_must_come_goes_before_a_form(form: dict[str, str]) -> None:
    found = manner(TOOLS, tools=(GO,), tool_choice="required", sampling=form)
    sent = sampled(Sampling(**form), found)
    assert (sent.grammar, sent.json_schema, sent.regex) == (found.must_call, "", "")
    assert found.ignored == tuple(form)


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a>b", "a{b"])
def test_a_name_that_is_markup_is_refused(name: str) -> None:
    with pytest.raises(BadParameter) as refused:
        manner(TOOLS, tools=(GO, {"type": "function", "function": {"name": name}}))
    assert refused.value.name == "tools[1].function.name"
    assert manner(TOOLS, tools=({"type": "function", "function": {"name": "my.own/tool: 天气"}},)).format


@pytest.mark.parametrize(("answers", "trigger"), [(False, '<tool_call>\n{"name'), (True, "<tool_call>")])
def test_a_tag_that_a_model_only_thinks_of_begins_no_call(answers: bool, trigger: str) -> None:
    messages = (HI, Message(role="assistant", text="So")) if answers else (HI,)
    found = manner(TOOLS, tools=(GO,), messages=messages, continues=answers)
    assert (found.triggers, bool(found.family)) == ((trigger,), True)
    plain = TOOLS.replace("{# <think> #}", "")
    assert manner(plain, tools=(GO,)).triggers == ("<tool_call>",)


@pytest.mark.parametrize(("think", "may"), [(None, True), (True, True), (False, False)])
def test_a_call_that_must_come_comes_after_reasoning_only_where_that_may(
    think: bool | None, may: bool
) -> None:
    template = TOOLS.replace("{#", "{# {{ enable_thinking }} <think>") + "{{ enable_thinking }}"
    found = manner(template, tools=(GO,), tool_choice="required", sampling={"think": think})
    assert ("<think>" in found.must_call, found.opened) == (may, False)


@pytest.mark.parametrize(
    ("form", "ignored"),
    [({"json_schema": "{}"}, ("tools",)), ({"regex": "a+"}, ("tools",)), ({"grammar": 'root ::= "a"'}, ())],
)
def test_a_form_holds_from_the_first_token_where_a_call_may_come(
    form: dict[str, str], ignored: tuple[str, ...]
) -> None:
    found = manner(TOOLS, tools=(GO,), sampling=form)
    assert (found.triggers, found.ignored) == ((), ignored)
    assert sampled(Sampling(**form), found) == Sampling(**form)
    assert manner(TOOLS, tools=(GO,)).triggers == ('<tool_call>\n{"name',)


@pytest.mark.parametrize(
    ("template", "reasoning", "text", "expected"),
    [
        (PLAIN, "", "Hello", "[assistant]Hello"),
        (OPENED, "", "Hello", "[assistant]<think>\n</think>\n\nHello"),
        (OPENED, "Hm.", "Hello", "[assistant]<think>\nHm.\n</think>\n\nHello"),
        (PLAIN, "Hm.", "Hello", "[assistant]<think>\nHm.\n</think>\n\nHello"),
        (PLAIN, "Hm", "", "[assistant]<think>\nHm"),
        (HARMONY, "", "Hello", "[assistant]<|channel|>final<|message|>Hello"),
    ],
)
def test_a_continued_reply_stands_where_it_was_written(
    template: str, reasoning: str, text: str, expected: str
) -> None:
    reply = Message(role="assistant", text=text, reasoning=reasoning)
    found = manner(template, messages=(HI, reply), continues=True)
    assert prompt(found, continues=True) == f"[user]Hi{expected}"
    assert found.opened == (not text)


def test_a_template_that_shows_reasoning_is_given_it_where_it_is_kept() -> None:
    shows = "{% for m in messages %}{{ m.reasoning_content }}|{{ m.content }};{% endfor %}{# </think> #}"
    reply = Message(role="assistant", text="Hello", reasoning="Hm.")
    asked = (HI, reply, HI)
    assert prompt(manner(shows, messages=asked)) == "|Hi;|Hello;|Hi;"
    assert prompt(manner(shows, messages=asked, sampling={"keep_reasoning": True})) == "|Hi;Hm.|Hello;|Hi;"


@pytest.mark.parametrize(
    "switch",
    [
        "preserve_thinking",
        "not clear_thinking | default(true)",
        "not truncate_history_thinking | default(true)",
    ],
)
def test_a_template_is_told_in_its_own_words_that_reasoning_is_kept(switch: str) -> None:
    shows = "{% for m in messages %}{{ m.reasoning_content ~ '|' if m.reasoning_content and (SWITCH) }}"
    shows = shows.replace("SWITCH", switch) + "{{ m.content }};{% endfor %}{# </think> #}"
    asked = (HI, Message(role="assistant", text="Hello", reasoning="Hm."), HI)
    assert prompt(manner(shows, messages=asked)) == "Hi;Hello;Hi;"
    assert prompt(manner(shows, messages=asked, sampling={"keep_reasoning": True})) == "Hi;Hm.|Hello;Hi;"


@pytest.mark.parametrize(
    ("said", "keeps"),
    [
        ({"preserve_thinking": True}, True),
        ({"clear_thinking": False}, True),
        ({"truncate_history_thinking": False}, True),
        ({"clear_thinking": True}, None),
        ({"preserve_thinking": 0}, None),
        ({}, None),
    ],
)
def test_who_says_so_in_a_templates_words_means_it(said: dict[str, Any], keeps: bool | None) -> None:
    """The reasoning that a template is to show has to be given to it."""
    assert thinking({"chat_template_kwargs": said}).get("keep_reasoning") == keeps


def test_a_raw_prompt_is_not_taken_apart() -> None:
    found = manner(PLAIN, messages=(), prompt=("Once",), sampling={"think": True})
    assert (found.reads, found.ignored) == (False, ("think",))


def test_a_family_can_be_named() -> None:
    bare = "{% for m in messages %}{{ m.content }}{% endfor %}"
    assert manner(bare).family is None
    named = manner(bare, reasoning_format="magistral").family
    assert named
    assert named.start == "[THINK]"
    with pytest.raises(BadParameter):
        manner(bare, reasoning_format="klingon")
