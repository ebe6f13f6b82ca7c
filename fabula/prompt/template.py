"""Render a model's own Jinja chat template, in a sandbox. Knows nothing of tokens or of what is cut.

The dialect is the one that Hugging Face's tokenizers define: `trim_blocks` and `lstrip_blocks` on, loop
controls, `raise_exception`, `strftime_now`, and a `tojson` that does not escape HTML. Templates come with
downloaded models and are hostile input: no attribute leads out of the sandbox, and what a template may
repeat, iterate and print is bounded.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from fabula.core.errors import TemplateRefused
from fabula.core.messages import Tool

MAX_OPERAND = 10_000_000  # characters or magnitude that `*`, `**` and `%` may produce
MAX_ITERATIONS = 1_000_000  # items of range() in one rendering
MAX_OUTPUT = 64_000_000  # characters of one rendered prompt
PLAIN = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML, for models whose file carries no template (llama.cpp falls back to the same)."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with the operators bounded that can blow a few characters up to gigabytes."""

    intercepted_binops = frozenset(["*", "**", "%"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "*" and _size(left) * _size(right) > MAX_OPERAND:
            raise jinja2.TemplateRuntimeError("a repetition in the template is too long")
        if operator == "**" and (_size(left) > 1000 or _size(right) > 64):
            raise jinja2.TemplateRuntimeError("a power in the template is too large")
        if operator == "%" and isinstance(left, str) and len(left) > 1000:
            raise jinja2.TemplateRuntimeError("a format in the template is too long")
        return super().call_binop(context, operator, left, right)


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}`, which marks what an assistant says, is its content."""

    tags = frozenset(["generation"])

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _size(value: Any) -> float:
    """Length of what can be repeated, magnitude of a number."""
    return len(value) if hasattr(value, "__len__") else abs(value)


def _refuse(message: str) -> str:
    raise jinja2.TemplateRuntimeError(message)


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **kinds: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **kinds)


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
    `suffix` follows the generation prompt.
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
        suffix: str = "",
    ):
        self.source = source or PLAIN
        self._bos, self._eos, self._now = bos, eos, now
        self._suffix = suffix
        self._given = {**(variables or {}), **({"tools": list(tools)} if tools else {})}

    def knows(self, variable: str) -> bool:
        return variable in names(self.source)

    def render(self, messages: Sequence[dict[str, Any]], *, add_generation_prompt: bool) -> str:
        """The prompt text for messages of `{role, content, name?, tool_calls?, …}`.

        Arguments of tool calls are objects; a template that wants them as text gets them as text. Raises
        TemplateRefused with the template's own reason ("roles must alternate") or the sandbox's.
        """
        if any(message.get("tool_calls") for message in messages) and _wants_text(self.source):
            messages = [_with_text_arguments(message) for message in messages]
        return self._render(messages, add_generation_prompt) + (self._suffix if add_generation_prompt else "")

    def _render(self, messages: Sequence[dict[str, Any]], add_generation_prompt: bool) -> str:
        try:
            parts = _compile(self.source).generate(
                **self._given,
                messages=[dict(message) for message in messages],
                add_generation_prompt=add_generation_prompt,
                bos_token=self._bos,
                eos_token=self._eos,
                range=_bounded_range(),
                strftime_now=self._strftime,
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
            raise TemplateRefused(reason="the template calls itself too deeply") from reason

    def _strftime(self, style: str) -> str:
        return self._now.strftime(style) if self._now else ""


PROBE = {"role": "user", "content": "Hello"}
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
def _wants_text(source: str) -> bool:
    """Whether a template takes the arguments of a call as JSON text: it fails on an object, or prints one as
    Python would."""
    calls = [
        {
            "id": "probe0001",
            "type": "function",
            "function": {"name": "probe_tool", "arguments": {"probe_key": "x"}},
        }
    ]
    asked = [PROBE, {"role": "assistant", "content": "", "tool_calls": calls}]
    template = ChatTemplate(source, tools=[PROBE_TOOL])
    try:
        shown = template._render(asked, False)
    except TemplateRefused:
        shown = "{'probe_key'"
    if "{'probe_key'" not in shown:
        return False
    try:
        return "probe_key" in template._render([_with_text_arguments(message) for message in asked], False)
    except TemplateRefused:
        return False


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
