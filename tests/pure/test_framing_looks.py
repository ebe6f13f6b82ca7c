"""Templates that look into texts: one rendering tells the prompt and what of it is not the texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabula.core.errors import TemplateRefused
from fabula.core.messages import Message
from fabula.prompt.assemble import assemble, render, rows
from fabula.prompt.placed import glue, joined, placed, plain, spans
from fabula.prompt.plan import PromptPlan
from fabula.prompt.template import PLAIN, ChatTemplate
from tests.pure.test_framing import CORPUS, LOOP, Watched, plainly, talk

SAID = "message['content']"
THINKS = (
    "{%- macro shown(said) -%}{%- if said is string -%}{{- said -}}{%- endif -%}{%- endmacro -%}"
    "{%- set ns = namespace(last=-1, found=false) -%}{%- for m in messages[::-1] -%}"
    "{%- if not ns.found and m.role == 'user' and not (m.content.startswith('<tool_response>')"
    " and m.content.endswith('</tool_response>')) -%}"
    "{%- set ns.found = true -%}{%- set ns.last = messages | length - 1 - loop.index0 -%}{%- endif -%}"
    "{%- endfor -%}{%- for m in messages -%}{%- set said = shown(m.content) | trim -%}"
    "{%- if m.role == 'assistant' -%}{%- set thought = '' -%}{%- if '</think>' in said -%}"
    "{%- set thought = said.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') -%}"
    "{%- set said = said.split('</think>')[-1].lstrip('\n') -%}{%- endif -%}"
    "{{- '<a>' -}}{%- if loop.index0 > ns.last -%}{{- '<think>' + thought + '</think>' -}}{%- endif -%}"
    "{{- said ~ '</a>' -}}{%- else -%}{{- '<' + m.role + '>' + said + '\n' -}}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}<a>{%- endif -%}"
)
SYSTEM_LAST = (
    "{%- if messages[0].role == 'system' -%}{%- set system = messages[0].content -%}"
    "{%- set told = messages[1:] -%}{%- else -%}{%- set told = messages -%}{%- endif -%}"
    "{%- for m in told -%}{%- if loop.last and system is defined -%}"
    "[I]{{ system + '\n\n' + m.content }}[/I]{%- elif m.role == 'user' -%}[I]{{ m.content }}[/I]"
    "{%- else -%}{{ ' ' + m.content | trim + eos_token }}{%- endif -%}{%- endfor -%}"
)
LOOKS = {
    "thinks": THINKS,
    "system last": SYSTEM_LAST,
    "splits": PLAIN.replace(SAID, SAID + ".split('</think>')[-1]"),
    "splits once": PLAIN.replace(SAID, SAID + ".split('</think>', 1)[0].strip()"),
    "splits from the right": PLAIN.replace(SAID, SAID + ".rsplit('a', maxsplit=1) | last"),
    "splits at blanks": PLAIN.replace(SAID, SAID + ".split() | join(' ')"),
    "partitions": PLAIN.replace(SAID, SAID + ".partition('</think>')[2]"),
    "partitions from the right": PLAIN.replace(SAID, "(" + SAID + ".rpartition('<'))[0]"),
    "replaces": PLAIN.replace(SAID, SAID + ".replace('/no_think', '').rstrip()"),
    "replaces by a filter": PLAIN.replace(SAID, "(" + SAID + " | replace('a', 'b'))"),
    "cuts": PLAIN.replace(SAID, "(" + SAID + "[1:] if " + SAID + "[0] == 'a' else " + SAID + "[:-1])"),
    "takes every second": PLAIN.replace(SAID, SAID + "[::2]"),
    "writes JSON": PLAIN.replace(SAID, "(" + SAID + " | tojson)"),
    "asks how long": PLAIN.replace(SAID, "(" + SAID + " ~ " + SAID + " | length)"),
    "asks what it is": PLAIN.replace(SAID, "(" + SAID + " if " + SAID + " is string else 'x')"),
    "compares": PLAIN.replace(SAID, "('' if " + SAID + " == 'a' else " + SAID + ")"),
    "tells by a block": LOOP.replace("BODY", "{% set said %}: {{ m.content }}{% endset %}{{ said | trim }}"),
    "tells letters": LOOP.replace("BODY", "{% for letter in m.content %}{{ letter }}{% endfor %}"),
    "tells twice": LOOP.replace("BODY", "{{ m.content | trim }}-{{ m.content }}"),
    "gathers": "{% set ns = namespace(x='') %}{% for m in messages %}{% set ns.x = ns.x + m.content %}"
    "{% endfor %}{{ ns.x.strip() }}",
    "has its way with words": LOOP.replace(
        "BODY", "{{ m.content.title() | center(9) | e }}{{ m.content.spots }}"
    ),
    "formats": LOOP.replace("BODY", "{{ '%s' % m.content }}{{ m.content.format(m.role) }}"),
    "refuses some": LOOP.replace(
        "BODY", "{% if '<&>' in m.content %}{{ raise_exception('so') }}{% endif %}{{ m.content }}"
    ),
    "refuses all": LOOP.replace("BODY", "{{ 1 + m.content }}"),
} | {file.stem: file.read_text(encoding="utf-8") for file in sorted(CORPUS.glob("*.jinja"))}

TEXTS = st.one_of(
    st.sampled_from(
        [
            "Well.",
            "a",
            "",
            " b ",
            "\n",
            "<&>",
            "{0}",
            "\ue000\ue002",
            "<think>\nHm.\n</think>\n\nYes.",
            "</think>",
            "a</think>b</think> c",
            "<tool_response>x</tool_response>",
            " Be kind. /no_think",
        ]
    ),
    st.text(),
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


class Counts(dict[str, int]):
    """Four characters are a token."""

    def __missing__(self, text: str) -> int:
        return len(text) // 4

    def __contains__(self, text: object) -> bool:
        return True


@st.composite
def chats(draw: st.DrawFn) -> list[Message]:
    """Of any kind, or such as most templates take."""
    said = draw(st.lists(MESSAGES, min_size=1, max_size=12))
    if draw(st.booleans()):
        return said
    first = [replace(one, role="system") for one in said[:1] if draw(st.booleans())]
    return first + [
        replace(one, role=("user", "assistant")[place % 2]) for place, one in enumerate(said[len(first) :])
    ]


def told(work: Callable[..., Any], *given: Any, **more: Any) -> Any:
    try:
        return work(*given, **more)
    except TemplateRefused as refusal:
        return str(refusal)


def laid(messages: list[Message], template: ChatTemplate, continues: bool) -> Any:
    plan = assemble(messages, template, Counts(), context=10**9, reply_room=0, continues=continues)
    assert isinstance(plan, PromptPlan)
    return plan.pieces


@settings(max_examples=15, deadline=None)
@given(chats(), st.booleans())
@pytest.mark.parametrize("name", LOOKS)
def test_what_is_laid_out_is_what_is_rendered(name: str, messages: list[Message], continues: bool) -> None:
    template = ChatTemplate(LOOKS[name], bos="<s>", eos="</s>").ending("!")
    expected = told(plainly, messages, template, continues)
    assert told(laid, messages, template, continues) == expected
    assert told(render, messages, template, continues=continues) == expected


@settings(max_examples=15, deadline=None)
@given(chats())
@pytest.mark.parametrize("name", LOOKS)
def test_texts_that_know_their_places_are_rendered_as_others(name: str, messages: list[Message]) -> None:
    template = ChatTemplate(LOOKS[name], bos="<s>", eos="</s>")
    try:
        expected = template.render(rows(messages), add_generation_prompt=True)
    except TemplateRefused:
        return
    known = [{**row, "content": placed(row["content"], place)} for place, row in enumerate(rows(messages))]
    found = template.render(known, add_generation_prompt=True)
    assert plain(found) == expected
    holds(found, [one.text for one in messages])


def holds(text: str, said: list[str]) -> None:
    """Whether each place has a part of what was said there, in their order."""
    found = spans(text)
    assert found is not None
    assert found == sorted(found, key=lambda span: span[:2])
    for first, last, place in found:
        assert 0 <= first <= last <= len(text)
        assert plain(text)[first:last] in said[place]


@pytest.mark.parametrize(
    "name", ["thinks", "system last", "splits", "replaces", "tells by a block", "thinking"]
)
def test_a_template_that_looks_into_texts_is_rendered_once(name: str) -> None:
    template = Watched(LOOKS[name], eos="</s>")
    laid(talk(301), template, False)
    assert [count for count in template.counts if count > 12] == [302]


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("splits", "<think>Hm.</think>Yes.", ["<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"]),
        ("system last", "Yes.", ["[I]", "[/I]"]),
        ("writes JSON", "Yes.", ['<|im_start|>user\n"', '"<|im_end|>\n<|im_start|>assistant\n']),
    ],
)
def test_what_is_counted_beside_a_text_is_the_templates_own(
    name: str, said: str, expected: list[str]
) -> None:
    asked: set[str] = set()

    class Asked(Counts):
        def __missing__(self, text: str) -> int:
            asked.add(text)
            return super().__missing__(text)

        def get(self, text: str, default: Any = None) -> Any:
            return self[text]

    plan = assemble(
        [Message(role="user", text=said)], ChatTemplate(LOOKS[name]), Asked(), context=10**9, reply_room=0
    )
    assert isinstance(plan, PromptPlan)
    assert asked == {said, *expected}


# ── such texts themselves ───────────────────────────────────────────────────────────────────────────────

PIECES = st.lists(st.tuples(st.text(alphabet="ab <\n"), st.booleans()), min_size=1, max_size=6)
CUTS: list[Callable[[str], Any]] = [
    lambda text: text.strip(),
    lambda text: text.strip("a"),
    lambda text: text.lstrip(),
    lambda text: text.rstrip("\n "),
    lambda text: text.split("a"),
    lambda text: text.split(),
    lambda text: text.split("b", 1),
    lambda text: text.rsplit("b", maxsplit=1),
    lambda text: text.partition("<"),
    lambda text: text.rpartition("<"),
    lambda text: text.replace("a", "b"),
    lambda text: text.replace("x", "b"),
    lambda text: text[1:],
    lambda text: text[:-1],
    lambda text: text[1:-3],
    lambda text: text[::-1],
    lambda text: text[0:1],
    lambda text: text.upper(),
    lambda text: text + "a",
    lambda text: f"{text}",
]


@given(PIECES, st.lists(st.sampled_from(CUTS), max_size=4))
def test_what_is_made_of_a_text_is_what_is_made_of_any(
    pieces: list[tuple[str, bool]], cuts: list[Callable[[str], Any]]
) -> None:
    said = [text for text, _ in pieces]
    one = joined([placed(text, place) if known else text for place, (text, known) in enumerate(pieces)])
    other = "".join(said)
    assert one == other
    for cut in cuts:
        found, expected = cut(one), cut(other)
        assert found == expected
        if not isinstance(found, str):
            for part in found:
                holds(part, said)
            found, expected = ([*found] or [""])[-1], ([*expected] or [""])[-1]
        holds(found, said)
        one, other = found, expected


def stands(text: str, count: int) -> list[str | None] | None:
    return glue(text, plain(text), count)


def test_glue_is_what_stands_between() -> None:
    a, b, c = (placed(text, place) for place, text in enumerate(["one", "", "three"]))
    assert stands(joined(["<", a, "|", b, ">"]), 3) == ["<", "|", None, ">"]
    assert stands(joined([c, "|", a]), 3) == ["|", None, "", ""]
    assert stands(joined(["<", a[:1], "-", a[1:], ">"]), 1) == ["<", "->"]
    assert stands(joined([a, b, a]), 3) is None
    assert stands("plain", 1) == [None, "plain"]


def test_of_a_text_that_is_everywhere_the_places_are_not_known() -> None:
    text = placed("", 0)
    for _ in range(60):
        text = joined([text, text])
    wide = joined([joined([placed("", 0)] * 2000)] * 2000)
    for one in (text, wide):
        assert spans(one) is None
        assert stands(one, 1) is None
