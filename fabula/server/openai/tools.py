"""OpenAI's tools, tool calls and think control as parts of a turn request. Knows nothing of how answers look.

Source: OpenAI's API reference, and the fields that llama.cpp, vLLM and their clients added to it.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from fabula.core.errors import BadParameter
from fabula.core.messages import Tool, ToolCall
from fabula.core.texts import phrase
from fabula.engine.parsing.families import KEEPS

HANDLED = frozenset(
    {
        *("tools", "tool_choice", "parallel_tool_calls"),
        *("reasoning_effort", "reasoning_format", "chat_template_kwargs", "enable_thinking"),
        *("thinking_budget_tokens", "reasoning_budget_tokens", "thinking_token_budget"),
    }
)
BUDGETS = ("thinking_budget_tokens", "reasoning_budget_tokens", "thinking_token_budget")
UNPARSED = "none"
PARSED = ("auto", "deepseek", "deepseek-legacy", "")
"""llama.cpp's names for "take the reasoning out of the text"."""


def asked(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a turn request that a body asks for. Raises BadParameter."""
    tools = _tools(body.get("tools"))
    choice, only = _choice(body.get("tool_choice"), tools)
    style = _plain(body, "reasoning_format", str, "", "text")
    return {
        "tools": tools,
        "tool_choice": choice,
        "only_tool": only,
        "several_calls": _plain(body, "parallel_tool_calls", bool, True, "bool"),
        "reasoning_format": "" if style in PARSED else style,
        "variables": {
            name: value for name, value in _variables(body).items() if name not in ("enable_thinking",)
        },
    }


def thinking(body: dict[str, Any]) -> dict[str, Any]:
    """The same wishes under our own names of the sampling, for what the body does not say in them."""
    variables = _variables(body)
    wishes: dict[str, Any] = {
        "think": body.get("enable_thinking", variables.get("enable_thinking")),
        "think_effort": body.get("reasoning_effort"),
        "keep_reasoning": any(variables.get(name) is kept for name, kept in KEEPS.items()) or None,
        "think_budget": next((body[name] for name in BUDGETS if body.get(name) is not None), None),
    }
    if wishes["think_effort"] == "none":
        wishes |= {"think_effort": None, "think": False}
    if isinstance(wishes["think_budget"], int) and wishes["think_budget"] < 0:  # −1: no limit
        wishes["think_budget"] = None
    return {name: value for name, value in wishes.items() if value is not None and body.get(name) is None}


def calls(value: Any, where: str) -> tuple[ToolCall, ...]:
    """The tool calls of an assistant's message in the history."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadParameter(where, f"{value!r}"[:80], phrase("expected.tool_calls"))
    return tuple(_call(row, f"{where}[{number}]") for number, row in enumerate(value))


def _call(row: Any, where: str) -> ToolCall:
    function = row.get("function") if isinstance(row, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise BadParameter(where, f"{row!r}"[:80], phrase("expected.tool_calls"))
    arguments = function.get("arguments", "{}")
    said = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(f"{row.get('id') or ''}", function["name"], said or "{}")


def _tools(value: Any) -> tuple[Tool, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadParameter("tools", f"{value!r}"[:80], phrase("expected.tools"))
    return tuple(_tool(row, f"tools[{number}]") for number, row in enumerate(value))


def _tool(row: Any, where: str) -> Tool:
    function = row.get("function") if isinstance(row, dict) else None
    is_one = isinstance(function, dict) and row.get("type", "function") == "function"
    if not isinstance(function, dict) or not is_one or not _is_name(function.get("name")):
        raise BadParameter(where, f"{row!r}"[:80], phrase("expected.tools"))
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise BadParameter(f"{where}.function.parameters", f"{parameters!r}"[:80], phrase("expected.object"))
    return {"type": "function", "function": {"description": "", **function}}


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name.strip())


Choice = Literal["auto", "none", "required"]


def _choice(value: Any, tools: tuple[Tool, ...]) -> tuple[Choice, str]:
    """Whether tools may, must or must not be called, and the only one that may be."""
    if value is None or value == "auto":
        return "auto", ""
    if value == "none":
        return "none", ""
    if value != "required" and not (isinstance(value, dict) and isinstance(value.get("function"), dict)):
        raise BadParameter("tool_choice", f"{value!r}"[:80], phrase("expected.tool_choice"))
    if not tools:
        raise BadParameter("tool_choice", f"{value!r}"[:80], phrase("expected.tools_given"))
    name = "" if value == "required" else value["function"].get("name")
    if value != "required" and name not in [tool["function"]["name"] for tool in tools]:
        raise BadParameter("tool_choice", f"{name}"[:80], phrase("expected.tool_choice"))
    return "required", name


def _variables(body: dict[str, Any]) -> dict[str, Any]:
    return dict(_plain(body, "chat_template_kwargs", dict, {}, "object"))


def _plain(body: dict[str, Any], name: str, kind: type, default: Any, expected: str) -> Any:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise BadParameter(name, f"{value!r}"[:80], phrase(f"expected.{expected}"))
    return value
