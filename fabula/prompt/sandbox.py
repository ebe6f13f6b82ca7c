"""The sandbox that chat templates run in. Knows no message and no model.

The dialect is the one that Hugging Face's tokenizers define: `trim_blocks` and `lstrip_blocks` on, loop
controls, `raise_exception`, `strftime_now`, and a `tojson` that does not escape HTML. Templates come with
downloaded models and are hostile input: no attribute leads out of the sandbox, and what a template may
repeat, iterate, print and do is bounded (see `budget`), by code that it calls itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import BuiltinMethodType, MethodType
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing

from fabula.prompt import filters, growth, work
from fabula.prompt.budget import (
    BUDGET,
    MAX_ITERATIONS,
    MAX_OUTPUT,
    TEXTS,
    Budget,
    TooMuch,
    countable,
    gathered,
    told,
)
from fabula.prompt.compiling import Generator
from fabula.prompt.placed import PARTING, Placed, joined, plain
from fabula.prompt.work import SHORT

MAX_OPERAND = 10_000_000  # characters or magnitude that `*`, `**` and `%` may produce
MAX_SUM = 1 << 60  # that need not be looked at
NUMBERS = {int}


class Looked(Exception):  # nothing went wrong
    """A template was about to look into a text. Only what `tracing` has put into it raises this."""


def _safe(example: object) -> frozenset[str]:
    """What Jinja lets a template have of such things, as it is."""
    found = ImmutableSandboxedEnvironment().getattr
    return frozenset(name for name in dir(example) if found(example, name) == getattr(example, name))


_BUILT_IN: tuple[object, ...] = ("", {}, [])
SAFE = {type(example): _safe(example) for example in _BUILT_IN}
"""Jinja's answers for what templates ask most: it takes much longer to find one."""
CALM = frozenset({LoopContext, Namespace})
"""Nothing changes them, and nothing of theirs is Python's own but what begins with `_`."""
OF_DICTS = frozenset(dir(dict))
METHODS, THEIRS = {BuiltinMethodType, MethodType}, {*SAFE, Placed}


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with the operators bounded that can blow a few characters up to gigabytes.

    What a template is given are copies, so it may change its lists, as some do.
    """

    code_generator_class = Generator
    intercepted_binops = frozenset(["+", "-", "*", "**", "%"])

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if type(obj) in CALM:
            return not attr.startswith("_")
        if attr in SAFE.get(type(obj), ()):
            return True
        changes_a_list = type(obj) is list and attr in ("append", "pop")
        return changes_a_list or super().is_safe_attribute(obj, attr, value)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """As jinja, which first looks for a method of a message's, and is wary of all that it finds."""
        kind = type(obj)
        if kind is dict and attribute not in OF_DICTS:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if attribute in SAFE.get(kind, ()):
            return getattr(obj, attribute)
        if kind is Placed:
            return getattr(obj, attribute) if attribute in PARTING else super().getattr(plain(obj), attribute)
        if kind in CALM and not attribute.startswith("_"):
            value = getattr(obj, attribute, missing)
            if value is missing:
                return self.undefined(obj=obj, name=attribute)
            if type(value) not in METHODS:
                return value
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """As jinja, which looks for a method where there is no such field."""
        try:
            return obj[argument]
        except (TypeError, LookupError):
            if type(obj) is dict and type(argument) is str and argument not in OF_DICTS:
                return self.undefined(obj=obj, name=argument)
            told(argument)  # it is in the message
            return super().getitem(plain(obj) if type(obj) is Placed else obj, argument)

    def call(self, context: Any, called: Any, /, *args: Any, **kwargs: Any) -> Any:
        """As jinja, which asks each thing that is called whether it wants to be told of the template."""
        owner: Any = getattr(called, "__self__", None)
        if type(owner) in TEXTS:
            if called.__name__ in RECKONED or (
                args and (type(args[0]) is not str or len(args[0]) > work.RUN)
            ):
                args = _reckoned(context, called, owner, args, kwargs)
            elif len(owner) > SHORT:  # the next step sees it
                context.parent[BUDGET].steps += len(owner) / work.SCANNED
        elif type(called) is Macro:
            args = (context.eval_ctx, *args)
        elif type(called) not in METHODS or type(owner) not in THEIRS:
            if isinstance(owner, str):
                args = _reckoned(context, called, owner, args, kwargs)
            _reckon_format(context, called, args, kwargs)
            return super().call(context, called, *args, **kwargs)
        elif type(owner) is list:
            _reckon_list(context, called, args)
        kwargs.pop("_loop_vars", None)
        kwargs.pop("_block_vars", None)
        found = called(*args, **kwargs)
        if type(found) is list and len(found) > work.RUN:
            context.parent[BUDGET].step(len(found))
        return found

    def looked(self) -> None:
        raise Looked

    def join(self, context: Any, parts: tuple[Any, ...]) -> str:
        return self._together(context, [told(part) for part in parts])

    def add(self, context: Any, parts: tuple[Any, ...]) -> Any:
        if {*map(type, parts)} <= TEXTS:  # nearly always
            return self._together(context, parts)
        if {*map(type, parts)} == NUMBERS:
            total = sum(parts)
            return total if -MAX_SUM < total < MAX_SUM else countable(total)
        return functools.reduce(lambda left, right: self.call_binop(context, "+", left, right), parts)

    def told(self, context: Any) -> tuple[Callable[..., Any], ...]:
        """What a template's code calls (see `compiling`); the first joins what macros and blocks give."""
        budget: Budget = context.parent[BUDGET]
        joins = functools.partial(self._together, context)
        return joins, told, budget.step, budget.counted, budget.within, budget.weighed, budget.sliced

    def _together(self, context: Any, texts: Sequence[str]) -> str:
        context.parent[BUDGET].spend(sum(map(len, texts)))
        return joined(texts)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "%":
            if isinstance(left, str):
                context.parent[BUDGET].spend(growth.percents(left, right))
            return left % right
        if operator == "+" and hasattr(left, "__len__") and hasattr(right, "__len__"):
            context.parent[BUDGET].spend(len(left) + len(right))
        if operator == "*" and (hasattr(left, "__len__") or hasattr(right, "__len__")):
            context.parent[BUDGET].spend(_size(left) * _size(right))
        if operator == "*" and _size(left) * _size(right) > MAX_OPERAND:
            raise TooMuch("reasons.template_text")
        if operator == "**" and (_size(left) > 1000 or _size(right) > 64):
            raise TooMuch("reasons.template_number")
        return countable(super().call_binop(context, operator, left, right))


GROWING = growth.METHODS.keys()
RECKONED = GROWING | work.BACKWARDS


def _reckoned(
    context: Any, called: Any, text: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...]:
    """What a method of a text is given, which may have been gone through once; what it takes is spent."""
    name, args, budget = called.__name__, tuple(map(gathered, args)), context.parent[BUDGET]
    budget.step(work.asking(text, name, args))
    if name in GROWING:
        budget.spend(growth.METHODS[name](text, *args, **kwargs))
    return args


def _reckon_list(context: Any, called: Any, args: tuple[Any, ...]) -> None:
    compares = called.__name__ in ("index", "count", "remove")
    each = 1 + sum(map(work.comparing, args)) if compares else 1 / work.SCANNED
    context.parent[BUDGET].step((1 + len(called.__self__)) * each)


def _reckon_format(context: Any, called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """`text.format` is Jinja's own by now, around Python's. Bytes are no text: nothing reckons them."""
    if isinstance(getattr(called, "__self__", None), bytes) or getattr(called, "__name__", "") == "to_bytes":
        raise TooMuch("reasons.template_bytes")
    text = getattr(getattr(called, "__wrapped__", None), "__self__", None)
    if isinstance(text, str):
        context.parent[BUDGET].spend(growth.braces(text, *args, **kwargs))


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}`, which marks what an assistant says, is its content."""

    tags = {"generation"}  # noqa: RUF012  # as jinja declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _size(value: Any) -> float:
    """Length of what can be repeated, magnitude of a number."""
    return len(value) if hasattr(value, "__len__") else abs(value)


def _refuse(message: Any) -> str:
    raise jinja2.TemplateRuntimeError(told(message))


def bounded_range() -> Callable[..., range]:
    left = MAX_ITERATIONS

    def bounded(*arguments: int) -> range:
        nonlocal left
        numbers = range(*arguments)
        left -= len(numbers)
        if left < 0:
            raise TooMuch("reasons.template_work")
        return numbers

    return bounded


def environment() -> _Sandbox:
    made = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation])
    made.filters["safe"] = str  # a prompt is no HTML: what is joined to "safe" text stays as it is
    filters.put(made)
    made.finalize = told
    del made.globals["lipsum"]  # writes any number of words
    made.globals["raise_exception"] = _refuse
    return made


def bounded_join(parts: Any) -> str:
    pieces: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > MAX_OUTPUT:
            raise TooMuch("reasons.template_text")
        pieces.append(part)
    return joined(pieces)
