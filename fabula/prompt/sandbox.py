"""The sandbox that chat templates run in. Knows no message and no model.

The dialect is the one that Hugging Face's tokenizers define: `trim_blocks` and `lstrip_blocks` on, loop
controls, `raise_exception`, `strftime_now`, and a `tojson` that does not escape HTML. Templates come with
downloaded models and are hostile input: no attribute leads out of the sandbox, and what a template may
repeat, iterate and print is bounded.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from types import BuiltinMethodType, MethodType
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing

from fabula.prompt import growth
from fabula.prompt.placed import PARTING, Placed, joined, plain

MAX_OPERAND = 10_000_000  # characters or magnitude that `*`, `**` and `%` may produce
MAX_ITERATIONS = 1_000_000  # items of range() in one rendering
MAX_OUTPUT = 64_000_000  # characters of one rendered prompt
MAX_BUILT = 1_000_000_000  # characters and items that `+`, `*` and `~` may join in one rendering
TEXTS = {str, Placed}
NUMBERS = {int}
BUDGET = "\ue000budget"  # no template can spell this name
UNBOUNDED = "\ue000"  # nor any that begins so


class _Generator(CodeGenerator):
    """Jinja's, except that `~` goes through the sandbox like the operators, as does what macros give, and
    `a + b + c` goes once."""

    def write_commons(self) -> None:
        super().write_commons()
        self.writeline("concat = environment.joiner(context)")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802  # jinja's name
        self._call("join", node.nodes, frame)

    def visit_Add(self, node: nodes.BinExpr, frame: Frame) -> None:  # noqa: N802  # jinja's name
        self._call("add", _added(node), frame)

    def _call(self, name: str, parts: Sequence[nodes.Expr], frame: Frame) -> None:
        self.write(f"environment.{name}(context, (")
        for part in parts:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


def _added(node: nodes.Expr) -> list[nodes.Expr]:
    """The parts of a chain of `+`, from left to right."""
    parts: list[nodes.Expr] = []
    while isinstance(node, nodes.Add):
        parts.append(node.right)
        node = node.left
    return [node, *reversed(parts)]


class Budget:
    """What one rendering has built, in characters and items, and the largest of it: both are bounded."""

    def __init__(self) -> None:
        self.built: float = 0
        self.largest: float = 0

    def spend(self, size: float) -> None:
        self.built += size
        if size > self.largest:
            self.largest = size
        if self.built > MAX_BUILT or size > MAX_OUTPUT:
            raise jinja2.TemplateRuntimeError("the template builds too much text")


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

    code_generator_class = _Generator
    intercepted_binops = frozenset(["+", "*", "**", "%"])

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
            return super().getitem(plain(obj) if type(obj) is Placed else obj, argument)

    def call(self, context: Any, called: Any, /, *args: Any, **kwargs: Any) -> Any:
        """As jinja, which asks each thing that is called whether it wants to be told of the template."""
        owner = getattr(called, "__self__", None)
        if isinstance(owner, str) and called.__name__ in GROWING:
            args = _reckoned(context, called, args, kwargs)
        if type(called) is Macro:
            args = (context.eval_ctx, *args)
        elif type(called) not in METHODS or type(owner) not in THEIRS:
            _reckon_format(context, called, args, kwargs)
            return super().call(context, called, *args, **kwargs)
        kwargs.pop("_loop_vars", None)
        kwargs.pop("_block_vars", None)
        return called(*args, **kwargs)

    def looked(self) -> None:
        raise Looked

    def join(self, context: Any, parts: tuple[Any, ...]) -> str:
        return self._together(context, [_told(part) for part in parts])

    def add(self, context: Any, parts: tuple[Any, ...]) -> Any:
        if {*map(type, parts)} <= TEXTS:  # nearly always
            return self._together(context, parts)
        if {*map(type, parts)} == NUMBERS:
            return sum(parts)
        return functools.reduce(lambda left, right: self.call_binop(context, "+", left, right), parts)

    def joiner(self, context: Any) -> Callable[[Sequence[str]], str]:
        """For what macros and blocks give."""
        return functools.partial(self._together, context)

    def _together(self, context: Any, texts: Sequence[str]) -> str:
        context.parent[BUDGET].spend(sum(map(len, texts)))
        return joined(texts)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and hasattr(left, "__len__") and hasattr(right, "__len__"):
            context.parent[BUDGET].spend(len(left) + len(right))
        if operator == "*" and (hasattr(left, "__len__") or hasattr(right, "__len__")):
            context.parent[BUDGET].spend(_size(left) * _size(right))
        if operator == "*" and _size(left) * _size(right) > MAX_OPERAND:
            raise jinja2.TemplateRuntimeError("a repetition in the template is too long")
        if operator == "**" and (_size(left) > 1000 or _size(right) > 64):
            raise jinja2.TemplateRuntimeError("a power in the template is too large")
        if operator == "%" and isinstance(left, str):
            context.parent[BUDGET].spend(growth.percents(left, right))
        return super().call_binop(context, operator, left, right)


GROWING = growth.METHODS.keys()
LISTS = (list, tuple, dict, set, frozenset)


def _reckoned(context: Any, called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """What a method of a text is given, which may have been gone through once; its size is spent."""
    args = tuple(map(_gathered, args))
    context.parent[BUDGET].spend(growth.METHODS[called.__name__](called.__self__, *args, **kwargs))
    return args


def _reckon_format(context: Any, called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """`text.format` is Jinja's own by now, around Python's."""
    text = getattr(getattr(called, "__wrapped__", None), "__self__", None)
    if isinstance(text, str):
        context.parent[BUDGET].spend(growth.braces(text, *args, **kwargs))


def _gathered(parts: Any) -> Any:
    return list(itertools.islice(parts, MAX_ITERATIONS + 1)) if isinstance(parts, Iterator) else parts


def _told(thing: Any) -> Any:
    """What a template writes; a list may hold one long text many times."""
    if type(thing) in TEXTS:
        return thing
    if isinstance(thing, LISTS) and growth.size(thing) > MAX_OUTPUT:
        raise jinja2.TemplateRuntimeError("the template builds too much text")
    return str(thing)


def _bounded(name: str, reckon: Callable[..., float]) -> Callable[..., Any]:
    """A filter that is asked first how much it would make."""

    @jinja2.pass_context
    def bounded(context: Any, thing: Any, *args: Any, **kwargs: Any) -> Any:
        thing = _gathered(thing)
        if reckon is not growth.size or type(thing) not in TEXTS:
            asked = _told(thing) if name in growth.OF_TEXTS else thing
            context.parent[BUDGET].spend(reckon(asked, *args, **kwargs))
        return context.environment.call_filter(UNBOUNDED + name, thing, args, kwargs, context)

    return bounded


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}`, which marks what an assistant says, is its content."""

    tags = {"generation"}  # noqa: RUF012  # as jinja declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _size(value: Any) -> float:
    """Length of what can be repeated, magnitude of a number."""
    return len(value) if hasattr(value, "__len__") else abs(value)


def _refuse(message: str) -> str:
    raise jinja2.TemplateRuntimeError(message)


def tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **kinds: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, default=_listed, **kinds)


def _listed(value: Any) -> list[Any]:
    """What filters like `selectattr` give is no list yet."""
    if isinstance(value, Iterator):
        return list(itertools.islice(value, MAX_ITERATIONS))
    raise TypeError(f"{type(value).__name__} is no JSON")


def bounded_range() -> Callable[..., range]:
    left = MAX_ITERATIONS

    def bounded(*arguments: int) -> range:
        nonlocal left
        numbers = range(*arguments)
        left -= len(numbers)
        if left < 0:
            raise jinja2.TemplateRuntimeError("the template counts too far")
        return numbers

    return bounded


def environment() -> _Sandbox:
    made = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation])
    made.filters["tojson"] = tojson
    made.filters["safe"] = str  # a prompt is no HTML: what is joined to "safe" text stays as it is
    for name, reckon in growth.FILTERS.items():
        made.filters[UNBOUNDED + name] = made.filters[name]
        made.filters[name] = _bounded(name, reckon)
    made.finalize = _told
    del made.globals["lipsum"]  # writes any number of words
    made.globals["raise_exception"] = _refuse
    return made


def bounded_join(parts: Any) -> str:
    pieces: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > MAX_OUTPUT:
            raise jinja2.TemplateRuntimeError("the rendered prompt is too long")
        pieces.append(part)
    return joined(pieces)
