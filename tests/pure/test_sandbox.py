"""What a template finds in things is what Jinja's own sandbox lets it find there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from fabula.prompt.budget import BUDGET, Budget
from fabula.prompt.sandbox import environment


class Jinja(ImmutableSandboxedEnvironment):
    """But for the two methods of lists that published templates use."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        changes_a_list = type(obj) is list and attr in ("append", "pop")
        return changes_a_list or super().is_safe_attribute(obj, attr, value)


class Kept(dict[str, Any]):
    """Not a dict, as far as it is asked for its type."""

    own = "attribute"


def looped() -> LoopContext:
    loop = LoopContext(["a", "b"], jinja2.Undefined)
    next(loop)
    return loop


THINGS: list[Any] = [
    "a b",
    {"role": "user", "items": [1], "_own": 2, "__class__": 3, "get": 4},
    {},
    Kept(role="user", own="item"),
    ["b", "a"],
    ("b", "a"),
    {"a"},
    7,
    None,
    str,
    len,
    looped,
    (one for one in "ab"),
    Namespace(n=1, _n=2, format="%s"),
    looped(),
    jinja2.Undefined(name="nothing"),
]
OWN = {name for thing in THINGS for name in dir(thing)}
NAMES = sorted(OWN | {"role", "own", "n", "_n", "none", "", "é"})


def told(found: Any) -> tuple[str, Any]:
    """What can be compared: of methods their names, of what is not there why."""
    if isinstance(found, jinja2.Undefined):
        return "undefined", (found._undefined_message, found._undefined_exception)
    return type(found).__name__, getattr(found, "__name__", None) or repr(found)


def tried(work: Callable[..., Any], *given: Any, **more: Any) -> tuple[str, Any]:
    try:
        return told(work(*given, **more))
    except (jinja2.TemplateError, LookupError, TypeError, ValueError) as reason:
        return type(reason).__name__, str(reason)


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: type(thing).__name__)
def test_fields_and_methods_are_found_as_jinja_finds_them(thing: Any) -> None:
    ours, jinjas = environment(), Jinja()
    for name in NAMES:
        assert tried(ours.getattr, thing, name) == tried(jinjas.getattr, thing, name)
        assert tried(ours.getitem, thing, name) == tried(jinjas.getitem, thing, name)


@given(st.sampled_from(THINGS), st.one_of(st.integers(-3, 3), st.none(), st.just([]), st.just(("a",))))
def test_items_are_found_as_jinja_finds_them(thing: Any, place: Any) -> None:
    assert tried(environment().getitem, thing, place) == tried(Jinja().getitem, thing, place)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a,b,c'.split(',', maxsplit=1) }}",
        "{{ 'a'.join(['b', 'c']) }}{{ 'a'.join([1]) }}",
        "{{ 'x{}'.format(1) }}{{ 'x{0.__class__}'.format(1) }}",
        "{% for n in [1, 2] %}{% set m = n %}{{ {'a': m}.get('a') }}{{ [m].index(m) }}{% endfor %}",
        "{% macro twice(n) %}{{ n + n }}{% endmacro %}{% for n in [1, 'a'] %}{{ twice(n) }}{% endfor %}",
        "{% macro told(n, end='.') %}{{ caller(n) if caller else n }}{{ end }}{{ varargs }}{% endmacro %}"
        "{% for n in [1, 2] %}{% call(m) told(n, '!', 3) %}{{ m + n }}{% endcall %}{{ told(n) }}{% endfor %}",
        "{% macro told(n) %}{{ n }}{% endmacro %}{{ told(1, 2) }}",
        "{% macro told(n) %}{{ n.a.b }}{% endmacro %}{{ told({}) }}",
        "{% set ns = namespace(cut='a b'.split) %}{{ ns.cut() }}{{ ns.cut.__self__ }}",
        "{% for n in [1, 2] %}{{ loop.cycle('a', 'b') }}{{ loop.changed(n) }}{{ loop.none }}{% endfor %}",
        "{{ {'a': 1}.update({'b': 2}) }}",
        "{{ 'a'.split(1, 2, 3) }}",
        "{{ 'a'.nothing() }}",
        "{{ 1 + 2 + 3 }} {{ true + true }} {{ 1.5 + 2 + true }}",
    ],
)
def test_what_is_called_gives_what_it_gives_in_jinja(source: str) -> None:
    found = tried(environment().from_string(source).render, **{BUDGET: Budget()})
    assert found == tried(Jinja().from_string(source).render)
