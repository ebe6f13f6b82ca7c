"""Messages as llama.cpp's /apply-template takes them. Knows no template.

They are OpenAI's messages; an image is named in the text by the marker of /props.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from fabula.core.errors import BadParameter
from fabula.core.messages import IMAGE, Message, Role, Tool, ToolCall
from fabula.core.texts import phrase
from fabula.server.bodies import get, joined, plain
from fabula.server.llamacpp.parse import MARKER

ROLES: dict[str, Role | Literal["tool"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}


def messages(body: dict[str, Any]) -> tuple[Message, ...]:
    """Raises BadParameter."""
    rows = get(body, "messages", list, None)
    if not rows:
        raise BadParameter("messages", f"{rows}", phrase("expected.messages"))
    return tuple(_message(row, f"messages[{index}]") for index, row in enumerate(rows))


def tools(body: dict[str, Any]) -> tuple[Tool, ...]:
    rows = get(body, "tools", list, [])
    if not all(isinstance(row, dict) and isinstance(row.get("function"), dict) for row in rows):
        raise BadParameter("tools", f"{rows!r}"[:80], phrase("expected.tools"))
    return tuple({"type": "function", "function": {"description": "", **row["function"]}} for row in rows)


def _message(row: Any, where: str) -> Message:
    if not isinstance(row, dict):
        raise BadParameter(where, f"{row!r}"[:80], phrase("expected.message"))
    role = row.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise BadParameter(f"{where}.role", f"{role}", phrase("expected.one_of", names=", ".join(ROLES)))
    return Message(
        role=ROLES[role],
        text=_text(row.get("content"), f"{where}.content"),
        name=get(row, "name", str, ""),
        reasoning=get(row, "reasoning_content", str, ""),
        tool_calls=tuple(_call(call, where) for call in get(row, "tool_calls", list, [])),
        tool_call_id=get(row, "tool_call_id", str, ""),
    )


def _text(content: Any, where: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise BadParameter(where, f"{content!r}"[:80], phrase("expected.content"))
    parts = [_part(part, f"{where}[{index}]") for index, part in enumerate(content)]
    return joined(parts, where)[0].replace(IMAGE, MARKER)


def _part(part: Any, where: str) -> str | bytes:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("image_url", "input_image"):
        return b""
    if kind != "text" or not isinstance(part.get("text"), str):
        raise BadParameter(f"{where}.type", f"{kind}", phrase("expected.part"))
    return plain(part["text"], where)


def _call(row: Any, where: str) -> ToolCall:
    function = row.get("function") if isinstance(row, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise BadParameter(f"{where}.tool_calls", f"{row!r}"[:80], phrase("expected.tool_calls"))
    arguments = function.get("arguments", "{}")
    said = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(f"{row.get('id') or ''}", function["name"], said or "{}")
