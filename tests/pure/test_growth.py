"""What is reckoned of a text before it is made is never less than what it becomes."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.prompt import growth
from fabula.prompt.budget import BUDGET, Budget
from fabula.prompt.sandbox import environment

TEXT = st.text("ab\n\t <%{}", max_size=30)
NUMBER = st.integers(-5, 60)
THING = st.recursive(
    TEXT | NUMBER | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(thing=THING)
def test_the_size_of_anything(thing: Any):
    assert growth.size(thing) >= len(str(thing))


def test_what_holds_itself_has_no_size():
    many: list[Any] = []
    many += [many, many]
    assert growth.size(many) == float("inf")


@given(text=TEXT, other=TEXT, more=TEXT, number=NUMBER, parts=st.lists(TEXT, max_size=5))
def test_what_methods_give(text: str, other: str, more: str, number: int, parts: list[str]):
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("replace", (other, more)),
        ("replace", (other, more, number)),
        ("join", (parts,)),
        ("join", (other,)),
        ("translate", ({97: more},)),
        ("expandtabs", (number,)),
        *((name, (number,)) for name in ("ljust", "rjust", "center", "zfill")),
    ]
    assert {name for name, _ in calls} == growth.METHODS.keys()
    for name, args in calls:
        assert growth.METHODS[name](text, *args) >= len(getattr(text, name)(*args)), name


FILTERS: dict[str, tuple[dict[str, Any], ...]] = {
    "replace": ({"old": "a", "new": "bcd"}, {"old": "", "new": "bcd", "count": 3}, {"old": 1, "new": None}),
    "center": ({}, {"width": 9}),
    "indent": ({}, {"width": 2, "first": True, "blank": True}, {"width": "> "}),
    "wordwrap": ({}, {"width": 3}, {"width": 2, "wrapstring": "---"}),
    "format": ({},),
    "batch": ({"linecount": 7}, {"linecount": 7, "fill_with": " "}),
    "slice": ({"slices": 3}, {"slices": 3, "fill_with": " "}),
    "tojson": ({}, {"indent": 2}, {"indent": 3, "ensure_ascii": True}),
    "join": ({}, {"d": ", "}),
    "truncate": ({}, {"length": 5, "end": "…"}),
}
"""How each is asked; the others take nothing."""


@pytest.mark.parametrize("name", growth.FILTERS)
@given(thing=THING)
def test_filters_give_what_jinja_s_own_give(name: str, thing: Any):
    ours, own = environment(), environment()
    own.filters[name] = own.filters["\ue000" + name]
    own.finalize = None
    for asked in FILTERS.get(name, ({},)):
        told = ", ".join(f"{key}={value!r}" for key, value in asked.items())
        source = f"{{% set made = thing|{name}({told}) %}}{{{{ made|list if made is not string else made }}}}"
        results = []
        for rendered in (own, ours):
            try:
                results.append(rendered.from_string(source).render(thing=thing, **{BUDGET: Budget()}))
            except (TypeError, ValueError, AttributeError, jinja2.TemplateError) as reason:
                results.append(type(reason).__name__)
        assert results[0] == results[1]
