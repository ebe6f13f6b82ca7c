"""Ollama's messages, images, tools and tool calls as ours. Knows no route.

Its calls have no ids: a tool's answer belongs to the first call of that name which has none yet.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.messages import Message, Tool, ToolCall
from fabula.core.texts import phrase
from fabula.server.bodies import get, image_of, joined, plain

ROLES = ("system", "user", "assistant", "tool")
DATA = "data:image/"


def conversation(rows: Sequence[Any]) -> tuple[Message, ...]:
    """Raises BadParameter."""
    waiting: list[ToolCall] = []
    said = []
    for number, row in enumerate(rows):
        message = _message(row, f"messages[{number}]", waiting)
        waiting += message.tool_calls
        said.append(message)
    return tuple(said)


def _message(row: Any, where: str, waiting: list[ToolCall]) -> Message:
    if not isinstance(row, dict):
        raise BadParameter(where, f"{row!r}"[:80], phrase("expected.message"))
    role = row.get("role")
    if role not in ROLES:
        raise BadParameter(f"{where}.role", f"{role}"[:80], phrase("expected.one_of", names=", ".join(ROLES)))
    pictures = get(row, "images", list, [])
    text, files = with_images(get(row, "content", str, ""), pictures, f"{where}.images")
    name = get(row, "tool_name", str, "") or get(row, "name", str, "")
    told = get(row, "tool_call_id", str, "")
    return Message(
        role=role,
        text=text,
        images=files,
        name=name,
        reasoning=get(row, "thinking", str, ""),
        tool_calls=_calls(row, where, len(waiting)),
        tool_call_id=told or (_answered(name, waiting) if role == "tool" else ""),
    )


def with_images(text: str, pictures: Sequence[Any], where: str) -> tuple[str, tuple[bytes, ...]]:
    """The text behind its images. Raises BadParameter."""
    files = [_image(coded, f"{where}[{number}]") for number, coded in enumerate(pictures)]
    return joined([*files, plain(text, where)], where)


def _image(coded: Any, where: str) -> bytes:
    """Base64, alone or in a data: address; never fetched."""
    if isinstance(coded, str) and coded.startswith(DATA):
        coded = coded.partition(",")[2]
    return image_of(coded, where)


def _calls(row: dict[str, Any], where: str, known: int) -> tuple[ToolCall, ...]:
    calls = get(row, "tool_calls", list, [])
    return tuple(
        _call(call, f"{where}.tool_calls[{number}]", known + number) for number, call in enumerate(calls)
    )


def _call(call: Any, where: str, number: int) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if (
        not isinstance(function, dict)
        or not isinstance(function.get("name"), str)
        or not isinstance(arguments, dict | str | None)
    ):
        raise BadParameter(where, f"{call!r}"[:80], phrase("expected.tool_calls"))
    said = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    return ToolCall(f"{call.get('id') or f'call{number:05}'}", function["name"], said or "{}")


def _answered(name: str, waiting: list[ToolCall]) -> str:
    """The id of the call that a tool's answer belongs to, which then waits no more."""
    for call in waiting:
        if not name or call.name == name:
            waiting.remove(call)
            return call.id
    return ""


# ── tools ───────────────────────────────────────────────────────────────────────────────────────────


def tools(value: Any) -> dict[str, Any]:
    """The fields of a turn request that they ask for; an empty list is none. Raises BadParameter."""
    if not value:
        return {}
    if not isinstance(value, list):
        raise BadParameter("tools", f"{value!r}"[:80], phrase("expected.tools"))
    return {"tools": tuple(_tool(row, f"tools[{number}]") for number, row in enumerate(value))}


def _tool(row: Any, where: str) -> Tool:
    function = row.get("function") if isinstance(row, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name.strip():
        raise BadParameter(where, f"{row!r}"[:80], phrase("expected.tools"))
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise BadParameter(f"{where}.function.parameters", f"{parameters!r}"[:80], phrase("expected.object"))
    said = {key: value for key, value in function.items() if value is not None}
    return {"type": "function", "function": {"description": "", **said}}
