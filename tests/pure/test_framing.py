"""What a template writes around messages is known without rendering them all, and exactly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabula.core.errors import TemplateRefused
from fabula.core.messages import Message
from fabula.prompt import verbatim
from fabula.prompt.assemble import render, rows
from fabula.prompt.framing import frame
from fabula.prompt.template import PLAIN, ChatTemplate
from fabula.prompt.written import joined

CORPUS = Path(__file__).parent / "template_corpus"
LOOP = "{% for m in messages %}<{{ m.role }}>BODY{% endfor %}{% if add_generation_prompt %}>{% endif %}"
ALTERNATES = (
    "{% if messages[0]['role'] == 'system' %}{% set told = messages[1:] %}"
    "{% set system = messages[0]['content'] | trim + '\n' %}"
    "{% else %}{% set told = messages %}{% set system = '' %}{% endif %}{% for m in told %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}"
    "{% if loop.index0 == 0 %}{% set said = system + m['content'] %}{% else %}"
    "{% set said = m['content'] %}{% endif %}"
    "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + said.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' ~ said | trim ~ ' ' ~ eos_token }}{% endif %}{% endfor %}"
)
TEMPLATES = {file.stem: file.read_text(encoding="utf-8") for file in sorted(CORPUS.glob("*.jinja"))} | {
    "plain": PLAIN,
    "alternates": ALTERNATES,
    "ends": LOOP.replace(
        "BODY", "{{ m.content + ('.' if loop.last else ',') }}{% if loop.first %}!{% endif %}"
    ),
    "twice": LOOP.replace("BODY", "{{ m.content }}{{ m.content }}"),
    "backwards": PLAIN.replace("in messages", "in messages[::-1]"),
    "system passed over": LOOP.replace("BODY", "{% if m.role != 'system' %}{{ m.content }}{% endif %}"),
    "a mark of its own": LOOP.replace("BODY", "\ue000\ue003{{ m.content }}"),
}


def plainly(messages: Sequence[Message], template: ChatTemplate, continues: bool) -> tuple[Any, ...]:
    """The prompt by rendering all texts, with marks where ids go. What is told again is told as text."""
    told, fence = rows(messages), "\ue000"
    while any(fence in one.text for one in messages):
        fence += "\ue001"
    marks = {
        place: f"{fence}{place}\ue002" for place, one in enumerate(messages) if one.token_ids or one.before
    }
    for place, mark in marks.items():
        told[place]["content"] = mark
    text = template.render(told[:-1] if continues else told, add_generation_prompt=True)
    text += told[-1]["content"] if continues else ""
    found: list[Any] = []
    for place, mark in marks.items():
        before, there, behind = text.partition(mark)
        if there:
            found += [before, *messages[place].before, messages[place].token_ids or messages[place].text]
            text = behind
    found.append(text)
    for place, mark in marks.items():
        found = [one.replace(mark, messages[place].text) if isinstance(one, str) else one for one in found]
    return joined(tuple(found))


def same(messages: list[Message], template: ChatTemplate, continues: bool = False) -> bool:
    """Whether both ways give the same prompt, or the same refusal."""
    try:
        expected: Any = plainly(messages, template, continues)
    except TemplateRefused as refusal:
        expected = str(refusal)
    try:
        found: Any = render(messages, template, continues=continues)
    except TemplateRefused as refusal:
        found = str(refusal)
    assert found == expected
    return True


TEXTS = st.one_of(
    st.sampled_from(["Well.", "a", "", " b ", "\n", "</think>c", "<&>", "\ue000\ue002"]), st.text()
)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant", "user", "assistant", "system", "tool"]),
    text=TEXTS,
    name=st.sampled_from(["", "", "", "Mira"]),
    reasoning=st.sampled_from(["", "", "", "Hm."]),
    token_ids=st.sampled_from([(), (), (1, 2)]),
    before=st.sampled_from([(), (), (), ("<think>", (3,))]),
)


@st.composite
def chats(draw: st.DrawFn) -> list[Message]:
    """Short ones of any kind, and long ones in which people take turns."""
    if draw(st.booleans()):
        return draw(st.lists(MESSAGES, min_size=1, max_size=12))
    system = [Message(role="system", text=draw(TEXTS))] if draw(st.booleans()) else []
    said = [
        Message(role="assistant" if number % 2 else "user", text=f"m{number}")
        for number in range(draw(st.integers(8, 40)))
    ]
    for place, one in draw(st.dictionaries(st.integers(0, len(said) - 1), MESSAGES, max_size=2)).items():
        said[place] = one
    return [*system, *said]


@settings(max_examples=15, deadline=None)
@given(chats(), st.booleans())
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_frame_gives_what_rendering_gives(name: str, messages: list[Message], continues: bool) -> None:
    assert same(messages, ChatTemplate(TEMPLATES[name], bos="<s>", eos="</s>"), continues)


# ── templates that nobody wrote ─────────────────────────────────────────────────────────────────────────

VALUES = st.sampled_from(
    [
        "m.content",
        "m['content']",
        "m.content | trim",
        "m.content.strip()",
        "(m.content or '-')",
        "(m.content if loop.last else '')",
        "(m.content | default('', true))",
        "m.content | upper",
        "m.content[1:]",
        "m.content | length",
        "[m.content][0]",
        "m.role",
        "m.name",
        "m.get('role')",
        "'' ~ m",
        "(m.role | e)",
        "messages[0].content",
        "messages[1].role",
        "messages[-1].role",
        "(messages | first).content",
        "loop.index0",
        "loop.cycle('a', 'b')",
        "loop.previtem.content",
        "x",
        "y",
        "ns.n",
        "box.get()",
        "seen | join",
        "names | join",
    ]
)
QUESTIONS = st.sampled_from(
    [
        "m.role == 'user'",
        "m.content",
        "m.content == 'a'",
        "m.content != ''",
        "m.content is string",
        "'a' in m.content",
        "'name' in m",
        "m.name is defined",
        "loop.first",
        "loop.last",
        "loop.index0 == 0",
        "loop.index0 % 2 == 0",
        "loop.index == 3",
        "loop.previtem is defined and loop.previtem.role == 'user'",
        "messages | length > 9",
        "messages[0].role == 'system'",
        "x",
        "ns.n > 9",
    ]
)
HEADS = st.sampled_from(
    [
        "{% for m in messages %}",
        "{% for m in messages[1:] %}",
        "{% set rest = messages[1:] %}{% for m in rest %}",
        "{% if messages[0].role == 'system' %}{% set messages = messages[1:] %}{% endif %}"
        "{% for m in messages %}",
        "{% for m in messages if m.role == 'user' %}",
        "{% for m in messages[::-1] %}",
    ]
)
SETUP = (
    "{% set ns = namespace(n=0) %}{% set seen = [] %}{% set x = '' %}{% set y = messages[0].role %}"
    "{% set names = ['a', 'b'] | map('upper') %}",
    "{% set c = cycler('a', 'b') %}{% set box = namespace(get=c.next, n=0) %}{% set ns = box %}"
    "{% set seen = [] %}",
    "{% set x = '' %}{% set y = messages[0].content %}",
    "",
)
CHANGES = st.sampled_from(
    [
        "{% set ns.n = ns.n + 1 %}",
        "{% set _ = seen.append(m.role) %}",
        "{% for x in [1, 2] %}{{ loop.index }}{% endfor %}",
    ]
)
STOPS = st.sampled_from(["continue", "break"])


def written(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    chosen = st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, QUESTIONS, inner, inner)
    stopped = st.builds("{{% if {} %}}{{% {} %}}{{% endif %}}".format, QUESTIONS, STOPS)
    return st.one_of(chosen, stopped, st.builds("{}{}".format, inner, inner))


BODIES = st.recursive(
    st.one_of(
        st.builds("{{{{ {} }}}}".format, VALUES),
        st.builds("{{{{ '[' + {} + ']' }}}}".format, VALUES),
        st.builds("{{% set x = {} %}}".format, VALUES),
        CHANGES,
    ),
    written,
    max_leaves=5,
)
MADE = st.builds("{}{}{}{{% endfor %}}>{{{{ x }}}}".format, st.sampled_from(SETUP), HEADS, BODIES)


@settings(max_examples=40, deadline=None)
@given(MADE, chats())
def test_no_template_is_taken_for_harmless_that_is_not(source: str, messages: list[Message]) -> None:
    assert same(messages, ChatTemplate(source))


# ── what is known ───────────────────────────────────────────────────────────────────────────────────────


class Watched(ChatTemplate):
    """Counts the messages that it is given to render."""

    def __init__(self, source: str, **more: Any) -> None:
        super().__init__(source, **more)
        self.counts: list[int] = []  # in each rendering

    @property
    def rendered(self) -> int:
        return sum(self.counts)

    def render(self, messages: Sequence[dict[str, Any]], **more: Any) -> str:
        self.counts.append(len(messages))
        return super().render(messages, **more)


def talk(count: int) -> list[Message]:
    said = [Message(role=("user", "assistant")[n % 2], text=f"m{n}") for n in range(count)]
    return [Message(role="system", text="Be kind."), *said]


@pytest.mark.parametrize(
    "name", ["plain", "alternates", "ends", "chatml_default_system", "brackets_and_ids", "no_system"]
)
def test_a_few_messages_tell_what_stands_around_many(name: str) -> None:
    template = Watched(TEMPLATES[name])
    assert same(talk(301), ChatTemplate(TEMPLATES[name]))
    assert frame(talk(301), template, False) is not None
    assert template.rendered < 12


@pytest.mark.parametrize("name", ["tool_steps", "macros_and_namespaces", "roles_alternate"])
def test_where_places_matter_all_is_rendered_once(name: str) -> None:
    template = Watched(TEMPLATES[name])
    render(talk(301), template)
    assert template.rendered == 302


@pytest.mark.parametrize(
    "body",
    [
        "{{ m.content | upper }}",
        "{{ m.content.split('x')[-1] }}",
        "{{ m.content[1:] }}",
        "{{ m.content | tojson }}",
        "{{ m | tojson }}",
        "{% if 'x' in m.content %}x{% endif %}{{ m.content }}",
        "{% if m.content == 'x' %}x{% endif %}{{ m.content }}",
        "{% for letter in m.content %}{{ letter }}{% endfor %}",
        "{% for key in m %}{{ m[key] }}{% endfor %}",
        "{{ (m.role | e) + m.content }}",
        "{{ m.values() | join }}",
        "{{ [m.content] | join }}",
        "{% set ns = namespace(said=m.content) %}{{ ns.said }}",
        "{% macro say(text) %}{{ text }}{% endmacro %}{{ say(m.content) }}",
        "{{ loop.changed(m.content) }}{{ m.content }}",
        "{{ messages | map(attribute='content') | join }}",
        "{% filter upper %}{{ m.content }}{% endfilter %}",
        "{% set said %}{{ m.content }}{% endset %}{{ said | upper }}",
    ],
)
def test_a_look_into_a_text_is_found(body: str) -> None:
    for count in (14, 40):
        assert frame(talk(count), ChatTemplate(LOOP.replace("BODY", body)), False) is None


@pytest.mark.parametrize(
    ("before", "body"),
    [
        ("", "{{ loop.index }}"),
        ("", "{{ loop.index0 % 3 }}"),
        ("", "{{ loop.revindex == 5 }}"),
        ("", "{{ messages | length }}"),
        ("", "{{ messages[loop.index0 - 1].role }}"),
        ("", "{% if not loop.first %}{{ loop.previtem.role }}{% endif %}"),
        ("", "{% for place in [loop.index] %}{{ place }}{% endfor %}"),
        ("", "{% for nobody in [] %}{% else %}{{ loop.index }}{% endfor %}"),
        ("", "{% if loop.index == 20 %}{% break %}{% endif %}"),
        ("{% set ns = namespace(n=0) %}", "{% set ns.n = ns.n + 1 %}{{ ns.n }}"),
        ("{% set seen = [] %}", "{{ seen.append(1) }}{{ seen | length }}"),
        ("{% set c = cycler('a', 'b', 'c') %}", "{{ c.next() }}"),
        ("{% set c = cycler('a', 'b', 'c') %}{% set box = namespace(keys=c.next) %}", "{{ box.keys() }}"),
        ("{% set c = cycler(1, 2, 3) %}{% macro count() %}{{ c.next() }}{% endmacro %}", "{{ count() }}"),
        ("{% set names = ['a'] | map('upper') %}", "{% if m.role == 'user' %}{{ names | join }}{% endif %}"),
    ],
)
def test_where_a_template_counts_every_message_is_rendered(before: str, body: str) -> None:
    source = before + LOOP.replace("BODY", "{{ m.content }}" + body)
    template = Watched(source)
    assert same(talk(40), ChatTemplate(source))
    assert frame(talk(40), template, False) is None
    render(talk(40), template)
    assert 41 in template.counts


def test_a_look_matters_only_where_it_is_come_to() -> None:
    source = LOOP.replace(
        "BODY", "{% if m.role == 'tool' %}{{ m.content | tojson }}{% endif %}{{ m.content }}"
    )
    template, tool = Watched(source), Message(role="tool", text="1")
    assert frame(talk(40), template, False) is not None
    assert template.rendered < 12
    assert frame([*talk(40), tool], template, False) is None
    assert same([*talk(40), tool], ChatTemplate(source))


def test_texts_that_would_be_stripped_are_rendered() -> None:
    reading = verbatim.reading(LOOP.replace("BODY", "{{ m.content | trim }}"))
    assert reading is not None
    assert reading.holds(["a b", "c"])
    assert not reading.holds(["a b", " c"])
    assert not reading.holds([""])


def test_a_broken_template_is_none_that_is_known() -> None:
    assert verbatim.reading("{% for %}") is None
