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
from collections.abc import Callable, Sequence
from typing import Any

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from fabula.core.errors import TemplateRefused

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


@functools.lru_cache(maxsize=64)
def _compile(source: str) -> jinja2.Template:
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _refuse
    return environment.from_string(source)


class ChatTemplate:
    """One model's template with its special tokens. `now` is the time that `strftime_now` tells."""

    def __init__(self, source: str, *, bos: str = "", eos: str = "", now: datetime.datetime | None = None):
        self.source = source or PLAIN
        self._bos, self._eos, self._now = bos, eos, now

    def render(self, messages: Sequence[dict[str, Any]], *, add_generation_prompt: bool) -> str:
        """The prompt text for messages of `{role, content, name?}`.

        Raises TemplateRefused with the template's own reason ("roles must alternate") or the sandbox's.
        """
        try:
            parts = _compile(self.source).generate(
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


def _bounded_join(parts: Any) -> str:
    pieces: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > MAX_OUTPUT:
            raise jinja2.TemplateRuntimeError("the rendered prompt is too long")
        pieces.append(part)
    return "".join(pieces)
