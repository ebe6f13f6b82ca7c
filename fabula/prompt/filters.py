"""The filters and tests that templates have: Jinja's, which tell first how much they would build and do."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import jinja2

from fabula.prompt import growth, work
from fabula.prompt.budget import BUDGET, MAX_BITS, MAX_ITERATIONS, TEXTS, TooMuch, countable, gathered, told

UNBOUNDED = "\ue000"  # begins what no template can spell
COMPARISONS = ("eq", "==", "equalto", "ne", "!=", "lt", "<", "lessthan", "le", "<=", "gt", ">", "greaterthan")


def put(made: jinja2.Environment) -> None:
    """In the place of Jinja's own."""
    made.filters["tojson"] = tojson
    filters: dict[str, Any] = made.filters
    tests: dict[str, Any] = made.tests
    for name, reckon in growth.FILTERS.items():
        filters[UNBOUNDED + name] = filters[name]
        filters[name] = _bounded(name, reckon)
    for name, each in growth.GOING.items():
        filters[UNBOUNDED + name] = filters[name]
        filters[name] = _going(name, each)
    filters["int"] = _whole
    for name in (*COMPARISONS, "ge", ">="):
        tests[name] = _reckoning(tests[name], lambda one, other: work.comparing(other))
    for name in ("lower", "upper"):
        tests[name] = _reckoning(tests[name], lambda thing: len(told(thing)) / work.SCANNED)
    tests["in"] = _reckoning(tests["in"], work.seeking)


def _bounded(name: str, reckon: Callable[..., float]) -> Callable[..., Any]:
    """A filter that is asked first how much it would make."""
    scanned = 1 if name in growth.SLOW else work.SCANNED

    @jinja2.pass_context
    def bounded(context: Any, thing: Any, *args: Any, **kwargs: Any) -> Any:
        if type(thing) in TEXTS:
            if name in growth.SLOW or len(thing) > work.SHORT:
                context.parent[BUDGET].step(len(thing) / scanned)
        else:
            thing = gathered(thing)
        if reckon is not growth.size or type(thing) not in TEXTS:
            asked = told(thing) if name in growth.OF_TEXTS else thing
            context.parent[BUDGET].spend(reckon(asked, *args, **kwargs))
        return context.environment.call_filter(UNBOUNDED + name, thing, args, kwargs, context)

    return bounded


def _going(name: str, each: float) -> Callable[..., Any]:
    """A filter that goes through things."""

    @jinja2.pass_context
    def going(context: Any, things: Any, *args: Any, **kwargs: Any) -> Any:
        budget = context.parent[BUDGET]
        steps = each + sum(map(work.comparing, (*args, *kwargs.values())))
        if name in growth.COMPARING:
            things = gathered(things)
            budget.step(growth.size(things) / work.SCANNED)
        if isinstance(things, Iterator):
            things = budget.counted(things, steps)
        elif hasattr(things, "__len__"):
            budget.step(len(things) * steps)
        if name == "sum":
            things = list(itertools.islice(things, MAX_ITERATIONS + 1))
            budget.spend(growth.summed(things))
        return countable(context.environment.call_filter(UNBOUNDED + name, things, args, kwargs, context))

    return going


def _reckoning(test: Callable[..., Any], reckon: Callable[..., float]) -> Callable[..., bool]:
    """A test that compares what it is given."""

    @jinja2.pass_context
    def reckoning(context: Any, *asked: Any) -> Any:
        context.parent[BUDGET].step(reckon(*asked))
        return test(*asked)

    return reckoning


def _whole(thing: Any, default: Any = 0, base: Any = 10) -> Any:
    """`int`, which makes numbers of any length of texts in some bases."""
    if isinstance(thing, str) and len(thing) > MAX_BITS:
        raise TooMuch("reasons.template_number")
    return jinja2.filters.FILTERS["int"](thing, default, base)


def tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **kinds: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, default=_listed, **kinds)


def _listed(value: Any) -> list[Any]:
    """What filters like `selectattr` give is no list yet."""
    if isinstance(value, Iterator):
        return list(itertools.islice(value, MAX_ITERATIONS))
    raise TypeError(f"{type(value).__name__} is no JSON")
