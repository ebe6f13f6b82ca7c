"""The items of an input as messages. Knows nothing of sampling and nothing of how answers look.

Source: OpenAI's API reference (responses). Reasoning, text and calls that follow each other are one reply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.messages import Message, ToolCall
from fabula.core.texts import phrase
from fabula.server.bodies import get, plain
from fabula.server.openai.parse import ROLES, content

KINDS = ("message", "function_call", "function_call_output", "reasoning")


@dataclass(slots=True)
class _Reply:
    """A reply of the model as it is put together from its items."""

    text: str = ""
    images: tuple[bytes, ...] = ()
    reasoning: str = ""
    calls: list[ToolCall] = field(default_factory=list)

    @property
    def speaks(self) -> bool:
        return bool(self.text or self.calls)


def messages(instructions: str, given: Any) -> tuple[Message, ...]:
    """The conversation of a text or a list of items. Raises BadParameter."""
    start = [Message(role="system", text=plain(instructions, "instructions"))] if instructions else []
    if isinstance(given, str):
        return (*start, Message(role="user", text=plain(given, "input")))
    if not isinstance(given, list) or not given:
        raise BadParameter("input", f"{given!r}"[:80], phrase("expected.input_items"))
    reader = _Reader(start)
    for place, item in enumerate(given):
        reader.take(item, f"input[{place}]")
    return reader.finished()


class _Reader:
    def __init__(self, start: list[Message]) -> None:
        self._read = start
        self._reply: _Reply | None = None
        self._ways: dict[str, Callable[[dict[str, Any], str], None]] = {
            "message": self._message,
            "function_call": self._call,
            "function_call_output": self._answer,
            "reasoning": self._reasoning,
        }

    def take(self, item: Any, where: str) -> None:
        if not isinstance(item, dict):
            raise BadParameter(where, f"{item!r}"[:80], phrase("expected.object"))
        kind = item.get("type") or ("item_reference" if "role" not in item else "message")
        if kind == "item_reference":
            raise BadParameter(where, f"{item.get('id')}"[:80], phrase("expected.whole_conversation"))
        if kind not in KINDS:
            names = ", ".join(KINDS)
            raise BadParameter(f"{where}.type", f"{kind}"[:80], phrase("expected.one_of", names=names))
        self._ways[kind](item, where)

    def finished(self) -> tuple[Message, ...]:
        self._end_reply()
        return tuple(self._read)

    def _message(self, item: dict[str, Any], where: str) -> None:
        role = item.get("role")
        if not isinstance(role, str) or role not in ROLES or role == "tool":
            names = ", ".join(name for name in ROLES if name != "tool")
            raise BadParameter(f"{where}.role", f"{role}"[:80], phrase("expected.one_of", names=names))
        text, images = content(item.get("content"), f"{where}.content")
        if role == "assistant":
            reply = self._open_reply(new=True)
            reply.text, reply.images = text, images
        else:
            self._end_reply()
            self._read.append(Message(role=ROLES[role], text=text, images=images))

    def _call(self, item: dict[str, Any], where: str) -> None:
        name, arguments = get(item, "name", str, ""), get(item, "arguments", str, "{}")
        if not name:
            raise BadParameter(where, f"{item!r}"[:80], phrase("expected.tool_calls"))
        id = get(item, "call_id", str, "") or get(item, "id", str, "")
        self._open_reply(new=False).calls.append(ToolCall(id, name, arguments or "{}"))

    def _answer(self, item: dict[str, Any], where: str) -> None:
        self._end_reply()
        text, images = content(item.get("output"), f"{where}.output")
        id = get(item, "call_id", str, "")
        self._read.append(Message(role="tool", text=text, images=images, tool_call_id=id))

    def _reasoning(self, item: dict[str, Any], where: str) -> None:
        rows = get(item, "content", list, []) or get(item, "summary", list, [])
        texts = [get(row, "text", str, "") for row in rows if isinstance(row, dict)]
        self._open_reply(new=True).reasoning += plain("\n\n".join(texts), where)

    def _open_reply(self, *, new: bool) -> _Reply:
        """`new`: what comes begins another reply where this one has spoken already."""
        if new and self._reply and self._reply.speaks:
            self._end_reply()
        self._reply = self._reply or _Reply()
        return self._reply

    def _end_reply(self) -> None:
        if self._reply is None:
            return
        made, self._reply = self._reply, None
        self._read.append(
            Message(
                role="assistant",
                text=made.text,
                images=made.images,
                reasoning=made.reasoning,
                tool_calls=tuple(made.calls),
            )
        )
