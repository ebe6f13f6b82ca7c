"""A model's chat template is rendered as its makers meant, and cannot harm."""

from __future__ import annotations

import datetime

import pytest

from fabula.core.errors import TemplateRefused
from fabula.prompt.template import ChatTemplate, takes_tools

HELLO = [{"role": "user", "content": "Hello"}]


def test_a_model_without_a_template_gets_chatml():
    text = ChatTemplate("").render(HELLO, add_generation_prompt=True)
    assert text == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


def test_blocks_leave_no_blank_lines():
    source = "{% for m in messages %}\n  {% if true %}\n{{ m.content }}\n  {% endif %}\n{% endfor %}"
    assert ChatTemplate(source).render(HELLO, add_generation_prompt=False) == "Hello\n"


def test_special_tokens_and_the_date_are_given():
    template = ChatTemplate(
        "{{ bos_token }}{{ strftime_now('%d %b %Y') }}{{ eos_token }}",
        bos="<s>",
        eos="</s>",
        now=datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC),
    )
    assert template.render(HELLO, add_generation_prompt=True) == "<s>21 Nov 2026</s>"


def test_json_keeps_chinese_and_html_as_they_are():
    template = ChatTemplate("{{ messages[0]['content'] | tojson }}")
    assert template.render([{"role": "user", "content": "<霧>"}], add_generation_prompt=False) == '"<霧>"'


def test_loop_controls_work():
    template = ChatTemplate(
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}x{% endfor %}"
    )
    assert template.render(HELLO * 3, add_generation_prompt=False) == "x"


def test_the_templates_own_refusal_is_told():
    template = ChatTemplate("{{ raise_exception('Conversation roles must alternate') }}")
    with pytest.raises(TemplateRefused, match="Conversation roles must alternate"):
        template.render(HELLO, add_generation_prompt=True)


def test_a_reason_that_ends_with_a_full_stop_makes_one_sentence() -> None:
    with pytest.raises(TemplateRefused) as refused:
        ChatTemplate("{{ bad").render(HELLO, add_generation_prompt=True)
    assert ".." not in f"{refused.value}"


TOOLS = [{"type": "function", "function": {"name": "get", "description": "", "parameters": {"a": ["b"]}}}]
CALL = {"id": "1", "type": "function", "function": {"name": "get", "arguments": {"city": "霧"}}}
CALLED = [*HELLO, {"role": "assistant", "content": "", "tool_calls": [CALL]}]


def test_tools_and_variables_are_given_to_templates_that_know_them():
    template = ChatTemplate(
        "{{ tools[0].function.name }} {{ enable_thinking }}",
        tools=TOOLS,
        variables={"enable_thinking": False},
    )
    assert template.render(HELLO, add_generation_prompt=True) == "get False"
    assert (template.knows("tools"), template.knows("documents")) == (True, False)


def test_whether_a_template_takes_tools_is_found_by_asking_it():
    assert takes_tools("{% for tool in tools or [] %}{{ tool.function.name }}{% endfor %}")
    assert not takes_tools("{{ tools | length if tools else 0 }}")
    assert not takes_tools("{% for %}")


@pytest.mark.parametrize(
    "shown",
    ["{{ call.function.arguments | tojson }}", "{{ 'with: ' + call.function.arguments }}"],
)
def test_arguments_come_as_the_template_wants_them(shown: str):
    source = (
        "{% for m in messages %}{% for call in m.tool_calls or [] %}" + shown + "{% endfor %}{% endfor %}"
    )
    text = ChatTemplate(source).render(CALLED, add_generation_prompt=False)
    assert text.removeprefix("with: ") == '{"city": "霧"}'


def test_where_a_template_knows_no_system_prompt_it_comes_before_the_first_message():
    source = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{% for m in messages %}[{{ m.content }}]{% endfor %}"
    )
    asked = [{"role": "system", "content": "Be kind."}, *HELLO]
    assert ChatTemplate(source).render(asked, add_generation_prompt=True) == "[Be kind.\nHello]"


@pytest.mark.parametrize(
    "shown",
    ["{{ message.content[0].text }}", "{% for part in message.content %}{{ part['text'] }}{% endfor %}"],
)
def test_what_is_said_comes_in_parts_where_a_template_takes_it_so(shown: str):
    source = f"{{% for message in messages %}}<{{{{ message.role }}}}>{shown}{{% endfor %}}"
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert ChatTemplate(source).render(said, add_generation_prompt=True) == "<system>Be brief.<user>Hi"
    assert said[1]["content"] == "Hi"


def test_a_template_that_takes_texts_and_parts_gets_texts():
    source = (
        "{{ messages[0].content if messages[0].content is string else messages[0].content[0].text | upper }}"
    )
    assert (
        ChatTemplate(source).render([{"role": "user", "content": "Hi"}], add_generation_prompt=True) == "Hi"
    )


def test_a_template_may_change_its_lists_but_not_ours():
    source = (
        "{% set _ = tools[0].function.parameters.a.append('c') %}{{ tools[0].function.parameters.a.pop() }}"
    )
    template = ChatTemplate(source, tools=TOOLS)
    assert template.render(HELLO, add_generation_prompt=True) == "c"
    assert TOOLS[0]["function"]["parameters"] == {"a": ["b"]}


def test_marks_for_training_are_passed_over():
    source = "{% generation %}{{ messages[0].content }}{% endgeneration %}"
    assert ChatTemplate(source).render(HELLO, add_generation_prompt=True) == "Hello"


def test_a_prompt_is_no_html():
    source = "{{ '<a>' | safe + messages[0].content }}{{ messages | map(attribute='role') | tojson }}"
    asked = [{"role": "user", "content": "<b>"}]
    assert ChatTemplate(source).render(asked, add_generation_prompt=True) == '<a><b>["user"]'


def test_the_generation_prompt_can_be_lengthened():
    template = ChatTemplate("").ending("<think>\n")
    assert template.render(HELLO, add_generation_prompt=True).endswith("assistant\n<think>\n")
    assert "<think>" not in template.render(HELLO, add_generation_prompt=False)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ messages[0].content[1:3] }}{{ messages[0].content | length }}", "你好4"),
        ("{{ 7 // 2 }} {{ 2 ** 5 }} {{ '%s-%d' % ('a', 5) }} {{ 1 < 2 <= 2 }}", "3 32 a-5 True"),
        ("{% raw %}{{ raw }}{% endraw %}", "{{ raw }}"),
        ("{{ 1 + 2 + 3 }} {{ [1] + [2] + [3] }} {{ 'a' + ('b' + 'c') + 'd' + 'e' }}", "6 [1, 2, 3] abcde"),
        ("{{ ['b', 'a', 'b'] | unique | join }} {{ 'abc' | reverse }} {{ 'abcb'.count('b') }}", "ba cba 2"),
        ("{% for m in messages * 2 %}{{ loop.cycle('odd', 'even') }} {% endfor %}", "odd even "),
    ],
)
def test_what_the_engine_cannot_render_is_rendered_as_python_does(source: str, expected: str):
    asked = [{"role": "user", "content": "，你好！"}]
    assert ChatTemplate(source).render(asked, add_generation_prompt=True) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 10000000000 }}",
        "{% set n = namespace(a='x' * 99999) %}{% for i in range(99) %}{% set n.a = n.a + n.a %}{% endfor %}",
        "{% set n = namespace(a='x' * 99999) %}{% for i in range(99) %}{% set n.a = n.a ~ n.a %}{% endfor %}",
        "{% macro twice(t) %}{{ t }}{{ t }}{% endmacro %}{% set n = namespace(a='x' * 99999) %}"
        "{% for i in range(99) %}{% set n.a = twice(n.a) %}{% endfor %}",
        "{% set n = namespace(a='x' * 99999) %}{% for i in range(99) %}"
        "{% set t %}{{ n.a }}{{ n.a }}{% endset %}{% set n.a = t %}{% endfor %}",
        "{% set a = 'x' * 9000000 %}{{ a + a + a + a + a + a + a + a }}",
        "{{ 'a' + 'b' + 1 + 'c' }}",
        "{% set l = [] %}{% for i in range(9999999) %}{% set _ = l.append('x' * 1000000) %}{% endfor %}",
        "{{ messages.clear() }}",
        "{{ tools.append.__self__ }}",
        "{{ ('x' * 1000000) * 1000000 }}",
        "{{ 10 ** 1000000000 }}",
        "{{ '%1000000000d' % 3 }}",
        "{{ '%-*d' % (1000000000, 3) }}",
        "{{ '%1000000000d'|format(3) }}",
        "{{ '{:>1000000000}'.format(3) }}",
        "{{ '{:>{}}'.format(3, 1000000000) }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ 'x'.expandtabs(tabsize=1) ~ ('\t' * 1000).expandtabs(tabsize=1000000) }}",
        "{{ 'x'|center(1000000000) }}",
        "{{ ('x\n' * 1000)|indent(width=1000000) }}",
        "{{ ('x' * 1000000)|wordwrap(1, wrapstring='x' * 1000000) }}",
        "{{ [1]|batch(1000000000, ' ')|list }}",
        "{{ {'a': 1}|tojson(indent=1000000000) }}",
        "{% set t = 'x' * 100000 %}{{ t.replace('x', t) }}",
        "{% set t = 'x' * 100000 %}{{ t|replace('x', t) }}",
        "{% set t = 'x' * 100000 %}{{ (t|e).replace('x', t) }}",
        "{% set t = 'x' * 1000000 %}{{ ([t] * 1000)|join }}",
        "{% set t = 'x' * 1000000 %}{{ t.join(['x'] * 1000) }}",
        "{% set t = 'x' * 1000000 %}{{ [t] * 1000 }}",
        "{% set t = 'x' * 1000000 %}{{ ([[t] * 10] * 100)|string }}",
        "{% set t = 'x' * 1000000 %}{{ 'x' ~ [t] * 1000 }}",
        "{% set t = 'x' * 1000000 %}{{ ('%s' * 400) % ((t,) * 400) }}",
        "{{ lipsum(n=100000) }}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{% include 'secrets.toml' %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{{ undefined_thing.attribute }}",
        "{% for %}",
        "{{ 1 / 0 }}",
    ],
)
def test_a_hostile_or_broken_template_is_refused_with_a_sentence(source: str):
    with pytest.raises(TemplateRefused):
        ChatTemplate(source).render(HELLO, add_generation_prompt=True)
