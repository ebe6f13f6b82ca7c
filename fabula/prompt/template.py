"""Render a model's own Jinja chat template, in a sandbox. Knows nothing of tokens or of what is cut.

What a template wants to be told is found by asking it: whether it takes tools, a system prompt, the arguments
of a call as text, what is said in parts.
"""

from __future__ import annotations

import copy
import datetime
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from jinja2 import nodes

from fabula.core.errors import TemplateRefused
from fabula.core.messages import Tool
from fabula.core.texts import phrase
from fabula.prompt.budget import BUDGET, TEXTS, Budget, TooMuch
from fabula.prompt.filters import tojson
from fabula.prompt.placed import joined
from fabula.prompt.sandbox import bounded_join, bounded_range, environment

PLAIN = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML, for models whose file carries no template (llama.cpp falls back to the same)."""


DATES = {"date_string": "%d %b %Y", "datetime": "%b %d %Y"}
"""In the shape that is expected under each name."""


@functools.lru_cache(maxsize=64)
def _compile(source: str) -> jinja2.Template:
    made = environment().from_string(source)
    made.globals = dict(
        made.globals
    )  # each rendering copies them, which takes Jinja's chain of two far longer
    return made


@functools.lru_cache(maxsize=64)
def names(source: str) -> frozenset[str]:
    """The variables that a template speaks of; none for a broken one."""
    try:
        return frozenset(node.name for node in environment().parse(source).find_all(nodes.Name))
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

    def render(
        self,
        messages: Sequence[dict[str, Any]],
        *,
        add_generation_prompt: bool,
        code: jinja2.Template | None = None,
        budget: Budget | None = None,
    ) -> str:
        """The prompt text for messages of `{role, content, name?, tool_calls?, …}`.

        Arguments of tool calls are objects; a template that wants them as text gets them as text. Where it
        knows no system prompt, that stands at the beginning of what the person says first. Raises
        TemplateRefused with the template's own reason ("roles must alternate") or the sandbox's. `code` is
        rendered in place of the template, which it is with marks in it (see `verbatim`); `budget` is told
        what was built.
        """
        if messages and messages[0]["role"] == "system" and _refuses_system(self.source):
            messages = _with_system_in_front(messages)
        if any(message.get("tool_calls") for message in messages) and _wants_text(self.source):
            messages = [_with_text_arguments(message) for message in messages]
        text = self._render(messages, add_generation_prompt, code, budget)
        return joined((text, self._suffix)) if add_generation_prompt and self._suffix else text

    def _render(
        self,
        messages: Sequence[dict[str, Any]],
        add_generation_prompt: bool,
        code: jinja2.Template | None = None,
        budget: Budget | None = None,
    ) -> str:
        copied = _in_parts if _wants_parts(self.source) else _copied
        return self._made([copied(message) for message in messages], add_generation_prompt, code, budget)

    def _made(
        self,
        messages: list[dict[str, Any]],
        add_generation_prompt: bool,
        code: jinja2.Template | None = None,
        budget: Budget | None = None,
    ) -> str:
        """Of messages as they are, which the template may change."""
        try:
            parts = (code or _compile(self.source)).generate(
                **(copy.deepcopy(self._given) if self._given else {}),
                **self._dates(),
                messages=messages,
                add_generation_prompt=add_generation_prompt,
                bos_token=self._bos,
                eos_token=self._eos,
                range=bounded_range(),
                strftime_now=self._strftime,
                **{BUDGET: budget or Budget()},
            )
            return bounded_join(parts)
        except TooMuch as reason:
            raise TemplateRefused(reason=phrase(reason.key)) from reason
        except (
            jinja2.TemplateError,
            TypeError,
            ValueError,
            LookupError,
            ArithmeticError,
            AttributeError,
        ) as reason:
            raise TemplateRefused(reason=f"{reason}".rstrip(".") or type(reason).__name__) from reason
        except (
            RecursionError,
            SyntaxError,
        ) as reason:  # Python's: blocks in blocks
            raise TemplateRefused(reason=phrase("reasons.template_depth")) from reason
        except MemoryError as reason:
            raise TemplateRefused(reason=phrase("reasons.template_text")) from reason

    def _dates(self) -> dict[str, str]:
        """Two more names under which some templates look for the date."""
        styles = DATES.items() if self._now else ()
        return {name: self._strftime(style) for name, style in styles if self.knows(name)}

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
    first = {**others[0], "content": joined((system["content"], "\n", others[0]["content"]))}
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


@functools.lru_cache(maxsize=64)
def _wants_parts(source: str) -> bool:
    """Whether a template takes what is said as a list of parts, as those of models that see do: of a text it
    shows nothing, or fails on it."""
    said: dict[str, Any] = {"role": "user", "content": "probe text"}

    def shows(message: dict[str, Any]) -> bool:
        try:
            return "probe text" in ChatTemplate(source)._made([message], True)
        except TemplateRefused:
            return False

    return not shows(_copied(said)) and shows(_in_parts(said))


def _in_parts(message: dict[str, Any]) -> dict[str, Any]:
    return {**_copied(message), "content": [{"type": "text", "text": message["content"]}]}


def _copied(message: dict[str, Any]) -> dict[str, Any]:
    """Texts cannot be changed and are most of a conversation: they need no copy."""
    if {*map(type, message.values())} <= TEXTS:
        return message.copy()
    return {
        name: value if isinstance(value, str) else copy.deepcopy(value) for name, value in message.items()
    }


def _with_text_arguments(message: dict[str, Any]) -> dict[str, Any]:
    if not message.get("tool_calls"):
        return message
    calls = [
        {**call, "function": {**call["function"], "arguments": tojson(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}
