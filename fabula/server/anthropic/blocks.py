"""Anthropic's content blocks as messages. Knows nothing of sampling and nothing of how answers look.

Source: Anthropic's API reference (messages). One of its messages may hold the answers of several tools and a
person's words; here each is a message of its own, in their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.messages import ROLES, Message, Role, ToolCall
from fabula.core.texts import phrase
from fabula.server.bodies import get, image_in, image_of, joined, plain

SEEN = ("text", "image", "document", "search_result", "thinking", "tool_use", "tool_result")


@dataclass(slots=True)
class History:
    """Messages, and what of them no prompt can hold."""

    messages: list[Message] = field(default_factory=list)
    ignored: dict[str, None] = field(default_factory=dict)  # in the order of their first appearance

    def ignore(self, name: str) -> None:
        self.ignored[name] = None


def history(system: Any, rows: Any) -> History:
    """Raises BadParameter."""
    if not isinstance(rows, list) or not rows:
        raise BadParameter("messages", f"{rows!r}"[:80], phrase("expected.messages"))
    found = History()
    if system:
        text, _ = _joined(system, "system", found)
        found.messages.append(Message(role="system", text=text))
    for number, row in enumerate(rows):
        found.messages += _messages(row, f"messages[{number}]", found)
    return found


def _messages(row: Any, where: str, found: History) -> Iterator[Message]:
    if not isinstance(row, dict):
        raise BadParameter(where, f"{row!r}"[:80], phrase("expected.message"))
    role = row.get("role")
    if role not in ROLES:
        raise BadParameter(f"{where}.role", f"{role}", phrase("expected.one_of", names=", ".join(ROLES)))
    blocks = _blocks(row.get("content"), f"{where}.content")
    if role == "assistant":
        yield _reply(blocks, f"{where}.content", found)
        return
    yield from _said(role, blocks, f"{where}.content", found)


def _blocks(content: Any, where: str) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise BadParameter(where, f"{content!r}"[:80], phrase("expected.blocks"))
    return content


def _said(role: Role, blocks: list[dict[str, Any]], where: str, found: History) -> Iterator[Message]:
    """What a person or the operator says, and tools answer."""
    parts: list[str | bytes] = []
    for number, block in enumerate(blocks):
        here = f"{where}[{number}]"
        if block.get("type") != "tool_result":
            parts += _parts(block, here, found)
            continue
        if parts:
            yield _spoken(role, parts, where)
            parts = []
        yield _answer(block, here, found)
    if parts or not blocks:
        yield _spoken(role, parts, where)


def _spoken(role: Role, parts: list[str | bytes], where: str) -> Message:
    text, images = joined(parts, where)
    return Message(role=role, text=text, images=images)


def _answer(block: dict[str, Any], where: str, found: History) -> Message:
    if get(block, "is_error", bool, False):
        found.ignore("messages.tool_result.is_error")
    text, images = _joined(block.get("content") or "", f"{where}.content", found)
    return Message(role="tool", text=text, images=images, tool_call_id=get(block, "tool_use_id", str, ""))


def _reply(blocks: list[dict[str, Any]], where: str, found: History) -> Message:
    """What the model wrote before: its reasoning, its text, its calls."""
    parts: list[str | bytes] = []
    reasoning, calls = "", []
    for number, block in enumerate(blocks):
        here = f"{where}[{number}]"
        match block.get("type"):
            case "thinking":
                reasoning += plain(get(block, "thinking", str, ""), here)
            case "redacted_thinking":
                found.ignore("messages.redacted_thinking")
            case "tool_use":
                calls.append(_call(block, here))
            case _:
                parts += _parts(block, here, found)
    text, images = joined(parts, where)
    return Message(role="assistant", text=text, images=images, reasoning=reasoning, tool_calls=tuple(calls))


def _call(block: dict[str, Any], where: str) -> ToolCall:
    name, given = get(block, "name", str, ""), block.get("input", {})
    if not name or not isinstance(given, dict):
        raise BadParameter(where, f"{block!r}"[:80], phrase("expected.tool_use"))
    return ToolCall(get(block, "id", str, ""), name, json.dumps(given, ensure_ascii=False))


# ── texts and images ────────────────────────────────────────────────────────────────────────────────


def _joined(content: Any, where: str, found: History) -> tuple[str, tuple[bytes, ...]]:
    """Text or blocks of it as one text."""
    blocks = _blocks(content, where)
    return joined(
        [part for number, block in enumerate(blocks) for part in _parts(block, f"{where}[{number}]", found)],
        where,
    )


def _parts(block: dict[str, Any], where: str, found: History) -> list[str | bytes]:
    match block.get("type"):
        case "text":
            return [_text(block, "text", where)]
        case "image":
            return [_image(block.get("source"), f"{where}.source")]
        case "document":
            return _document(block, where, found)
        case "search_result":
            titles = _lines(block, ("title", "source"), where)
            return [*titles, *_inner(block.get("content"), f"{where}.content", found)]
    raise BadParameter(
        f"{where}.type", f"{block.get('type')}"[:80], phrase("expected.one_of", names=", ".join(SEEN))
    )


def _text(block: dict[str, Any], name: str, where: str) -> str:
    text = block.get(name)
    if not isinstance(text, str):
        raise BadParameter(f"{where}.{name}", f"{text!r}"[:80], phrase("expected.text"))
    return plain(text, f"{where}.{name}")


def _inner(content: Any, where: str, found: History) -> list[str | bytes]:
    blocks = enumerate(_blocks(content, where))
    return [part for number, block in blocks for part in _parts(block, f"{where}[{number}]", found)]


def _image(source: Any, where: str) -> bytes:
    """The file in a block; addresses are refused, as everywhere."""
    source = source if isinstance(source, dict) else {}
    if source.get("type") == "base64":
        return image_of(source.get("data"), f"{where}.data")
    return image_in(source.get("url"), f"{where}.url")


def _lines(block: dict[str, Any], names: tuple[str, ...], where: str) -> list[str]:
    return [plain(text, where) for name in names if (text := get(block, name, str, ""))]


def _document(block: dict[str, Any], where: str, found: History) -> list[str | bytes]:
    """A document that is text already, under its title; nothing here reads PDF."""
    titles = _lines(block, ("title", "context"), where)
    source = get(block, "source", dict, {})
    match source.get("type"):
        case "text":
            return [*titles, _text(source, "data", f"{where}.source")]
        case "content":
            return [*titles, *_inner(source.get("content"), f"{where}.source.content", found)]
    raise BadParameter(
        f"{where}.source.type", f"{source.get('type')}"[:80], phrase("expected.one_of", names="text, content")
    )
