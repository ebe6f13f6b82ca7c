"""Anthropic's tools and the choice among them as parts of a turn request. Knows no message.

Source: Anthropic's API reference. Tools that its own servers run, or that its own models were trained with,
have a type with a date and no schema: they are listed as ignored.
"""

from __future__ import annotations

from typing import Any, Literal

from fabula.core.errors import BadParameter
from fabula.core.messages import Tool
from fabula.core.texts import phrase
from fabula.server.bodies import get

CHOICES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "any": "required",
    "tool": "required",
}


def asked(rows: list[Any], choice: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The fields of a turn request, and what is ignored. Raises BadParameter."""
    foreign = [row for row in rows if _is_foreign(row)]
    tools = tuple(_tool(row, f"tools[{place}]") for place, row in enumerate(rows) if not _is_foreign(row))
    way, only = _choice(choice, tools)
    parts = {
        "tools": tools,
        "tool_choice": way,
        "only_tool": only,
        "several_calls": not get(choice, "disable_parallel_tool_use", bool, False),
    }
    return parts, tuple(f"tools.{row['type']}" for row in foreign)


def _is_foreign(row: Any) -> bool:
    """A tool that only Anthropic's servers and models know."""
    return isinstance(row, dict) and isinstance(row.get("type"), str) and row["type"] != "custom"


def _tool(row: Any, where: str) -> Tool:
    if not isinstance(row, dict) or not isinstance(row.get("name"), str) or not row["name"].strip():
        raise BadParameter(where, f"{row!r}"[:80], phrase("expected.tools"))
    function = {
        "name": row["name"],
        "description": get(row, "description", str, ""),
        "parameters": get(row, "input_schema", dict, {}) or {"type": "object", "properties": {}},
    }
    return {"type": "function", "function": function}


def _choice(
    choice: dict[str, Any], tools: tuple[Tool, ...]
) -> tuple[Literal["auto", "none", "required"], str]:
    """Whether tools may, must or must not be called, and the only one that may be."""
    if not choice:
        return "auto", ""
    kind = choice.get("type")
    if not isinstance(kind, str) or kind not in CHOICES:
        raise BadParameter(
            "tool_choice.type", f"{kind}"[:80], phrase("expected.one_of", names=", ".join(CHOICES))
        )
    way = CHOICES[kind]
    if way == "required" and not tools:
        raise BadParameter("tool_choice.type", kind, phrase("expected.tools_given"))
    if kind != "tool":
        return way, ""
    names = [tool["function"]["name"] for tool in tools]
    if choice.get("name") not in names:
        expected = phrase("expected.one_of", names=", ".join(names))
        raise BadParameter("tool_choice.name", f"{choice.get('name')}"[:80], expected)
    return way, choice["name"]
