"""A model's chat template is rendered as its makers meant, and cannot harm."""

from __future__ import annotations

import datetime

import pytest

from fabula.core.errors import TemplateRefused
from fabula.prompt.template import ChatTemplate

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


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 10000000000 }}",
        "{{ ('x' * 1000000) * 1000000 }}",
        "{{ 10 ** 1000000000 }}",
        "{{ '%1000000000d' % 3 }}",
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
