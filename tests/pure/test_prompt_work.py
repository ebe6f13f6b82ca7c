"""A template that does more than a prompt can need is stopped, however it goes about it; no honest one is."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from fabula.core.errors import TemplateRefused
from fabula.core.texts import phrase
from fabula.prompt import growth, sandbox, work
from fabula.prompt.budget import BUDGET, Budget
from fabula.prompt.filters import tojson
from fabula.prompt.sandbox import environment
from fabula.prompt.template import ChatTemplate

CORPUS = Path(__file__).parent / "template_corpus"
HELLO = [{"role": "user", "content": "Hello"}]
FEW = 400_000  # steps: what is stopped is stopped soon

LISTS = "{% set s = [0] * 1000 %}"
DEEP = (
    "{% set n = namespace(a=[1], b=[1], c=(1, 2)) %}"
    "{% for i in range(40) %}{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}{% endfor %}"
)
LONG = "{% set t = 'x' * 4000000 %}"
COUNT = "{% for i in range(9999) %}"
WORK = {
    "a count": "{% for i in range(10 ** 9) %}{% endfor %}",
    "counts in counts": "{% for a in range(990) %}{% for b in range(900) %}{% for c in 'abc' * 9 %}"
    "{% endfor %}{% endfor %}{% endfor %}",
    "loops in loops": LISTS + "{% for a in s %}{% for b in s %}{% endfor %}{% endfor %}",
    "a loop with conditions": LISTS + "{% for a in s %}{% for b in s if b %}{% endfor %}{% endfor %}",
    "a list that grows": "{% set l = [1] %}{% for i in l %}{% set _ = l.append(i) %}{% endfor %}",
    "a macro that calls itself twice": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}"
    "{% endmacro %}{{ f(60) }}",
    "macros that call each other": "{% macro f(n) %}{% if n %}{{ g(n - 1) }}{{ g(n - 1) }}{% endif %}"
    "{% endmacro %}{% macro g(n) %}{{ f(n) }}{% endmacro %}{{ f(60) }}",
    "callers": "{% macro f(n) %}{{ caller() }}{{ caller() }}{% endmacro %}{% macro g(n) %}{% if n %}"
    "{% call f(n) %}{{ g(n - 1) }}{% endcall %}{% endif %}{% endmacro %}{{ g(60) }}",
    "blocks": "{% set n = namespace(d=0) %}{% block a %}{% set n.d = n.d + 1 %}{% if n.d < 40 %}"
    "{{ self.a() }}{{ self.a() }}{% endif %}{% set n.d = n.d - 1 %}{% endblock %}",
    "a recursive loop": "{% for x in [1, 2] recursive %}{% if loop.depth < 40 %}{{ loop([1, 2]) }}"
    "{% endif %}{% endfor %}",
    "a chain of filters": LISTS + COUNT + "{{ (s * 9)|map('string')|map('upper')|select('ne', '2')"
    "|reject('eq', '3')|list|length }}{% endfor %}",
    "chains within chains": LISTS + "{% for a in s|map('abs') %}{% for b in s|select('eq', 0) %}"
    "{{ s|map('abs')|list|length }}{% endfor %}{% endfor %}",
    "what is looked for in a list": LISTS + "{% for a in s %}{{ 1 in s }}{% endfor %}",
    "what is looked for by a test": LISTS + "{{ s|select('in', s)|list }}",
    "a place in a list": LISTS + "{% for a in s %}{{ s.count(1) }}{% endfor %}",
    "what is looked for in a text": LONG + COUNT + "{{ 'y' in t }}{% endfor %}",
    "a text that is counted": LONG + COUNT + "{{ t.count('y') }}{% endfor %}",
    "a text that is trimmed": LONG + COUNT + "{% set u = t|trim %}{% endfor %}",
    "a text that is cut": LONG + COUNT + "{% set u = t[1:] %}{% endfor %}",
    "a text that is compared": LONG + "{% set u = t + 'y' %}{% set w = t + 'z' %}" + COUNT + "{{ u == w }}"
    "{% endfor %}",
    "a text from its end": LONG + "{{ t.rfind('y' ~ t[2000000:]) }}",
    "beginnings": "{{ 'a'.startswith(('b',) * 9000000) }}",
    "deep lists that are compared": DEEP + "{{ n.a == n.b }}",
    "deep lists in a list": DEEP + "{{ n.a in [n.b] }}",
    "deep lists in order": DEEP + "{{ [n.a, n.b]|sort|length }}",
    "a deep list's place": DEEP + "{{ [].index(n.a) }}",
    "deep tuples for a key": "{% set n = namespace(c=(1, 2)) %}{% for i in range(40) %}"
    "{% set n.c = (n.c, n.c) %}{% endfor %}{{ {n.c: 1}|length }}",
}
TEXT = {
    "a long text": "{{ 'x' * 10 ** 9 }}",
    "a pattern of brackets": "{{ ('%(' * 200000) % 3 }}",
    "a deep list for a key": DEEP + "{{ {}[n.a].b }}",
    "a deep list that is told": DEEP + "{{ raise_exception(n.a) }}",
    "a deep list in small letters": DEEP + "{{ n.a is lower }}",
    "a sum of lists": "{{ ([[1] * 1000000] * 300)|sum(start=[])|length }}",
}
NUMBER = {
    "a number that doubles": LISTS + "{% set n = namespace(a=1) %}{% for i in s %}{% for j in s %}"
    "{% set n.a = n.a - (0 - n.a) %}{% endfor %}{% endfor %}",
    "a number of many letters": "{{ ('f' * 9000000)|int(base=16) // 3 }}",
    "a sum that doubles": "{% set n = namespace(a=1) %}{% for i in range(9000) %}"
    "{% set n.a = [n.a, n.a]|sum %}{% endfor %}",
}
BYTES = {
    "bytes": "{{ 'x'.encode().ljust(2000000000) }}",
    "bytes of a number": "{{ (5).to_bytes(2000000000, 'big') }}",
}
DEPTH = {
    "a macro that calls itself": "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    "a recursive loop without an end": "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "loops within loops": "{% for i in [1] %}" * 25 + "{% endfor %}" * 25,
    "conditions within conditions": "{% if 1 %}" * 110 + "{% endif %}" * 110,
    "brackets within brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
}
REFUSED = {"work": WORK, "text": TEXT, "number": NUMBER, "bytes": BYTES, "depth": DEPTH}
CASES = [(key, name) for key, cases in REFUSED.items() for name in cases]


@pytest.mark.parametrize(("key", "name"), CASES, ids=[name for _, name in CASES])
def test_what_no_prompt_needs_is_refused_with_a_sentence(
    key: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MAX_STEPS", FEW)
    with pytest.raises(TemplateRefused) as refused:
        ChatTemplate(REFUSED[key][name]).render(HELLO, add_generation_prompt=True)
    assert refused.value.reason == phrase(f"reasons.template_{key}")


def test_what_goes_on_for_minutes_is_refused_by_what_is_really_allowed() -> None:
    with pytest.raises(TemplateRefused) as refused:
        ChatTemplate(LISTS + "{% for a in s * 900 %}{% for b in s %}{% endfor %}{% endfor %}").render(
            HELLO, add_generation_prompt=True
        )
    assert refused.value.reason == phrase("reasons.template_work")


# ── what published templates do ─────────────────────────────────────────────────────────────────────────

PUBLISHED = sorted(CORPUS.glob("*.jinja"))
MANY = 20_000
TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Looks.",
        "parameters": {
            "type": "object",
            "properties": {"where": {"type": "string", "description": "x"}},
            "required": ["where"],
        },
    },
}
CALL = {
    "id": "abcdefghi",
    "type": "function",
    "function": {"name": "look", "arguments": {"where": ["霧", 1]}},
}


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_the_longest_chats_take_a_small_part_of_what_is_allowed(path: Path) -> None:
    budget, template = Budget(), ChatTemplate(path.read_text(encoding="utf-8"))
    said = {"role": "assistant", "content": "<think>\nso\n</think>\n\n" + "word " * 50}
    with contextlib.suppress(TemplateRefused):  # for what else it wants
        template.render([*HELLO, said] * (MANY // 2), add_generation_prompt=True, budget=budget)
    assert 0 < budget.steps < work.MAX_STEPS / 8


def plain() -> jinja2.Environment:
    """Jinja's own, with what templates are promised, and nothing counted."""
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, sandbox._Generation]
    )
    ours = environment()
    made.filters.update({"tojson": tojson, "safe": str})
    made.globals["raise_exception"] = ours.globals["raise_exception"]
    made.is_safe_attribute = ours.is_safe_attribute  # type: ignore[method-assign]
    return made


@functools.cache
def compiled(path: Path) -> list[jinja2.Template]:
    source = path.read_text(encoding="utf-8")
    return [environment().from_string(source), plain().from_string(source)]


TEXTS = st.sampled_from(["", " a b ", "<think>x</think> y", "a\n\nb" * 200, "霧 " + "w " * 900])
CALLS = st.lists(st.just(CALL), max_size=3)


@st.composite
def chats(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 3 * work.RUN))):
        row = {"role": ("user", "assistant")[number % 2], "content": draw(TEXTS) if number < 9 else "said"}
        if number % 2 and number < 9:
            row |= draw(st.fixed_dictionaries({}, optional={"tool_calls": CALLS, "reasoning_content": TEXTS}))
        rows.append(row)
    if rows and draw(st.booleans()):
        rows[0]["role"] = draw(st.sampled_from(["system", "tool", "user"]))
    return rows


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
@given(chat=chats(), tools=st.sampled_from([None, [TOOL]]), asks=st.booleans())
def test_published_templates_write_what_they_write_in_jinja(
    path: Path, chat: list[dict[str, Any]], tools: Any, asks: bool
) -> None:
    results = []
    for template in compiled(path):
        given = {
            "bos_token": "<s>",
            "eos_token": "</s>",
            "range": range,
            "strftime_now": str,
            BUDGET: Budget(),
        }
        given |= {"tools": tools} if tools else {}
        try:
            text = template.render(messages=chat, add_generation_prompt=asks, **given)
        except (jinja2.TemplateError, TypeError, ValueError, LookupError) as reason:
            text = f"{type(reason).__name__}: {reason}"
        results.append(text)
    assert results[0] == results[1]


# ── what is counted ─────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 3 * work.RUN), st.integers(0, 3 * work.RUN))
def test_each_time_round_is_paid_for_once_also_for_what_is_added_meanwhile(first: int, more: int) -> None:
    paid: list[float] = []
    things = [*range(first)]
    left = more
    for _ in work.Runs(things, 2, paid.append):
        if left:
            things.append(0)
            left -= 1
    assert sum(paid) == 2 * len(things)


@given(st.text("%( )sd0.*-", max_size=40))
def test_a_pattern_gives_no_more_than_is_reckoned(text: str) -> None:
    reckoned = growth.percents(text, (1, 2))
    with contextlib.suppress(TypeError, ValueError, KeyError):
        assert reckoned >= len(text % (1, 2))
