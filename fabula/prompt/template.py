"""Render a model's own Jinja chat template, in a sandbox. Knows nothing of tokens or of what is cut.

The dialect is the one that Hugging Face's tokenizers define: `trim_blocks` and `lstrip_blocks` on, loop
controls, `raise_exception`, `strftime_now`, and a `tojson` that does not escape HTML. Templates come with
downloaded models and are hostile input: no attribute leads out of the sandbox, and what a template may
repeat, iterate and print is bounded.
"""

from __future__ import annotations

import copy
import datetime
import functools
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from fabula.core.errors import TemplateRefused
from fabula.core.messages import Tool
from fabula.core.texts import phrase

MAX_OPERAND = 10_000_000  # characters or magnitude that `*`, `**` and `%` may produce
MAX_ITERATIONS = 1_000_000  # items of range() in one rendering
MAX_OUTPUT = 64_000_000  # characters of one rendered prompt
MAX_BUILT = 1_000_000_000  # characters and items that `+`, `*` and `~` may join in one rendering
_TEXTS = {str}
BUDGET = "\ue000budget"  # no template can spell this name
PLAIN = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML, for models whose file carries no template (llama.cpp falls back to the same)."""


class _Generator(CodeGenerator):
    """Jinja's, except that `~` goes through the sandbox like the operators, and `a + b + c` goes once."""

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


class _Budget:
    """What one rendering may still build, in characters and items."""

    def __init__(self) -> None:
        self._left: float = MAX_BUILT

    def spend(self, size: float) -> None:
        self._left -= size
        if self._left < 0 or size > MAX_OUTPUT:
            raise jinja2.TemplateRuntimeError("the template builds too much text")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with the operators bounded that can blow a few characters up to gigabytes.

    What a template is given are copies, so it may change its lists, as some do.
    """

    code_generator_class = _Generator
    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        changes_a_list = type(obj) is list and attr in ("append", "pop")
        return changes_a_list or super().is_safe_attribute(obj, attr, value)

    def join(self, context: Any, parts: tuple[Any, ...]) -> str:
        pieces = [str(part) for part in parts]
        context.parent[BUDGET].spend(sum(map(len, pieces)))
        return "".join(pieces)

    def add(self, context: Any, parts: tuple[Any, ...]) -> Any:
        if {*map(type, parts)} == _TEXTS:  # nearly always
            context.parent[BUDGET].spend(sum(map(len, parts)))
            return "".join(parts)
        return functools.reduce(lambda left, right: self.call_binop(context, "+", left, right), parts)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and hasattr(left, "__len__") and hasattr(right, "__len__"):
            context.parent[BUDGET].spend(len(left) + len(right))
        if operator == "*" and (hasattr(left, "__len__") or hasattr(right, "__len__")):
            context.parent[BUDGET].spend(_size(left) * _size(right))
        if operator == "*" and _size(left) * _size(right) > MAX_OPERAND:
            raise jinja2.TemplateRuntimeError("a repetition in the template is too long")
        if operator == "**" and (_size(left) > 1000 or _size(right) > 64):
            raise jinja2.TemplateRuntimeError("a power in the template is too large")
        if operator == "%" and isinstance(left, str) and len(left) > 1000:
            raise jinja2.TemplateRuntimeError("a format in the template is too long")
        return super().call_binop(context, operator, left, right)


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


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **kinds: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, default=_listed, **kinds)


def _listed(value: Any) -> list[Any]:
    """What filters like `selectattr` give is no list yet."""
    if isinstance(value, Iterator):
        return list(itertools.islice(value, MAX_ITERATIONS))
    raise TypeError(f"{type(value).__name__} is no JSON")


def _bounded_range() -> Callable[..., range]:
    left = MAX_ITERATIONS

    def bounded(*arguments: int) -> range:
        nonlocal left
        numbers = range(*arguments)
        left -= len(numbers)
        if left < 0:
            raise jinja2.TemplateRuntimeError("the template counts too far")
        return numbers

    return bounded


def _environment() -> _Sandbox:
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation])
    environment.filters["tojson"] = _tojson
    environment.filters["safe"] = str  # a prompt is no HTML: what is joined to "safe" text stays as it is
    environment.globals["raise_exception"] = _refuse
    return environment


@functools.lru_cache(maxsize=64)
def _compile(source: str) -> jinja2.Template:
    return _environment().from_string(source)


@functools.lru_cache(maxsize=64)
def names(source: str) -> frozenset[str]:
    """The variables that a template speaks of; none for a broken one."""
    try:
        return frozenset(node.name for node in _environment().parse(source).find_all(nodes.Name))
    except (jinja2.TemplateError, RecursionError):
        return frozenset()


class ChatTemplate:
    """One model's template with its special tokens, and what every rendering of it is given.

    `now` is the time that `strftime_now` tells; `tools` and `variables` are for templates that know them.
    """

    def __init__(
        self,
        source: str,
        *,
        bos: str = "",
        eos: str = "",
        now: datetime.datetime | None = None,
        tools: Sequence[Tool] = (),
        variables: Mapping[str, Any] | None = None,
    ):
        self.source = source or PLAIN
        self._bos, self._eos, self._now = bos, eos, now
        self._suffix = ""
        self._given = {**(variables or {}), **({"tools": list(tools)} if tools else {})}

    def ending(self, suffix: str) -> ChatTemplate:
        """The same, with `suffix` after the generation prompt."""
        other = copy.copy(self)
        other._suffix = suffix
        return other

    def knows(self, variable: str) -> bool:
        return variable in names(self.source)

    @property
    def specials(self) -> tuple[str, str]:
        """The tokens that begin and end a text."""
        return self._bos, self._eos

    def render(self, messages: Sequence[dict[str, Any]], *, add_generation_prompt: bool) -> str:
        """The prompt text for messages of `{role, content, name?, tool_calls?, …}`.

        Arguments of tool calls are objects; a template that wants them as text gets them as text. Where it
        knows no system prompt, that stands at the beginning of what the person says first. Raises
        TemplateRefused with the template's own reason ("roles must alternate") or the sandbox's.
        """
        if messages and messages[0]["role"] == "system" and _refuses_system(self.source):
            messages = _with_system_in_front(messages)
        if any(message.get("tool_calls") for message in messages) and _wants_text(self.source):
            messages = [_with_text_arguments(message) for message in messages]
        return self._render(messages, add_generation_prompt) + (self._suffix if add_generation_prompt else "")

    def _render(self, messages: Sequence[dict[str, Any]], add_generation_prompt: bool) -> str:
        try:
            parts = _compile(self.source).generate(
                **copy.deepcopy(self._given),
                **self._dates(),
                messages=[_copied(message) for message in messages],
                add_generation_prompt=add_generation_prompt,
                bos_token=self._bos,
                eos_token=self._eos,
                range=_bounded_range(),
                strftime_now=self._strftime,
                **{BUDGET: _Budget()},
            )
            return _bounded_join(parts)
        except (
            jinja2.TemplateError,
            TypeError,
            ValueError,
            LookupError,
            ArithmeticError,
            AttributeError,
        ) as reason:
            raise TemplateRefused(reason=str(reason) or type(reason).__name__) from reason
        except RecursionError as reason:
            raise TemplateRefused(reason=phrase("reasons.template_depth")) from reason

    def _dates(self) -> dict[str, str]:
        """Two more names under which templates look for the date, in the shape that each expects."""
        if not self._now:
            return {}
        return {"date_string": self._strftime("%d %b %Y"), "datetime": self._strftime("%b %d %Y")}

    def _strftime(self, style: str) -> str:
        return self._now.strftime(style) if self._now else ""


PROBE: dict[str, Any] = {"role": "user", "content": "Hello"}
PROBE_TOOL: Tool = {
    "type": "function",
    "function": {
        "name": "probe_tool",
        "description": "A probe.",
        "parameters": {
            "type": "object",
            "properties": {"probe_key": {"type": "string", "description": "A probe."}},
            "required": ["probe_key"],
        },
    },
}


@functools.lru_cache(maxsize=64)
def takes_tools(source: str) -> bool:
    """Whether a template shows tools to the model: a prompt with a tool has its name in it."""
    try:
        shown = ChatTemplate(source, tools=[PROBE_TOOL]).render([PROBE], add_generation_prompt=True)
    except TemplateRefused:
        return False
    return "probe_tool" in shown


@functools.lru_cache(maxsize=64)
def _refuses_system(source: str) -> bool:
    """Whether a template takes a conversation, but not with a system prompt."""
    template = ChatTemplate(source)
    try:
        template._render([PROBE], True)
    except TemplateRefused:
        return False
    try:
        return "Be kind" not in template._render([{"role": "system", "content": "Be kind"}, PROBE], True)
    except TemplateRefused:
        return True


def _with_system_in_front(messages: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    system, *others = messages
    if not others or others[0]["role"] != "user":
        return messages
    first = {**others[0], "content": f"{system['content']}\n{others[0]['content']}"}
    return [first, *others[1:]]


@functools.lru_cache(maxsize=64)
def _wants_text(source: str) -> bool:
    """Whether a template takes the arguments of a call as JSON text: it fails on an object, or prints one as
    Python would."""
    calls = [
        {
            "id": "probe0001",
            "type": "function",
            "function": {"name": "probe_tool", "arguments": {"probe_argument": "x"}},
        }
    ]
    asked: list[dict[str, Any]] = [PROBE, {"role": "assistant", "content": "", "tool_calls": calls}]
    template = ChatTemplate(source, tools=[PROBE_TOOL])
    try:
        shown = template._render(asked, False)
    except TemplateRefused:
        shown = "{'probe_argument'"
    if "{'probe_argument'" not in shown:
        return False
    try:
        return "probe_argument" in template._render(
            [_with_text_arguments(message) for message in asked], False
        )
    except TemplateRefused:
        return False


def _copied(message: dict[str, Any]) -> dict[str, Any]:
    """Texts cannot be changed and are most of a conversation: they need no copy."""
    if {*map(type, message.values())} == _TEXTS:
        return message.copy()
    return {
        name: value if isinstance(value, str) else copy.deepcopy(value) for name, value in message.items()
    }


def _with_text_arguments(message: dict[str, Any]) -> dict[str, Any]:
    if not message.get("tool_calls"):
        return message
    calls = [
        {**call, "function": {**call["function"], "arguments": _tojson(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}


def _bounded_join(parts: Any) -> str:
    pieces: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > MAX_OUTPUT:
            raise jinja2.TemplateRuntimeError("the rendered prompt is too long")
        pieces.append(part)
    return "".join(pieces)
