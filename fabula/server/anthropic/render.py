"""Core deltas as Anthropic's messages and events. Knows nothing of how requests are parsed.

Source: Anthropic's API reference (messages, streaming). The constant parts of the most frequent event are
rendered once for each block: on this path every token pays for each operation.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, Literal

from fabula.core.errors import FabulaError
from fabula.core.stream import Delta, Finished, Prefill, Queued, Thought, Token, ToolCallPart
from fabula.server.answering import Written
from fabula.server.anthropic import errors
from fabula.server.honesty import honesty

Kind = Literal["thinking", "text", "tool_use"]
FIELDS: dict[Kind, tuple[str, str]] = {
    "thinking": ("thinking_delta", "thinking"),
    "text": ("text_delta", "text"),
    "tool_use": ("input_json_delta", "partial_json"),
}
"""The type of a block's deltas, and the field of their text."""


def event(name: str, **data: Any) -> bytes:
    body = json.dumps({"type": name, **data}, ensure_ascii=False)
    return f"event: {name}\ndata: {body}\n\n".encode()


PING = event("ping")


def usage(end: Finished) -> dict[str, Any]:
    """`input_tokens` are those that were read for this request; the others came from the cache."""
    return _read(end.prompt_tokens, end.reused_tokens) | {
        "output_tokens": end.completion_tokens,
        "output_tokens_details": {"thinking_tokens": end.reasoning_tokens},
    }


def _read(prompt: int, reused: int) -> dict[str, Any]:
    return {
        "input_tokens": prompt - reused,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": reused,
    }


def ending(end: Finished, limit: int | None) -> dict[str, Any]:
    """Why it ended, of `limit` tokens that were allowed: with fewer of them the context was full."""
    reason, stopped_by = "end_turn", None
    if end.reason == "tool_calls":
        reason = "tool_use"
    elif end.reason == "length":
        is_full = limit is not None and end.completion_tokens < limit
        reason = "model_context_window_exceeded" if is_full else "max_tokens"
    elif end.stop_string:
        reason, stopped_by = "stop_sequence", end.stop_string
    return {"stop_reason": reason, "stop_sequence": stopped_by}


class Events:
    """One answer as it is said: whole, or as events. A stream begins when the size of its prompt is known."""

    media_type = "text/event-stream"
    ping = PING

    def __init__(
        self, model: str, *, limit: int | None, shows_thinking: bool = True, language: str = "en"
    ) -> None:
        self._model, self._limit, self._language = model, limit, language
        self._shows_thinking = shows_thinking
        self._id = f"msg_{uuid.uuid4().hex}"
        self._has_begun = False
        self._block: Kind | None = None
        self._index = -1
        self._parts = ("", "")
        self._end: Finished | None = None

    # ── whole ───────────────────────────────────────────────────────────────────────────────────────

    def whole(self, written: Sequence[Written]) -> dict[str, Any]:
        (one,) = written
        assert one.end
        return self._message(
            self._content(one),
            usage=usage(one.end),
            **ending(one.end, self._limit),
            fabula=honesty([one.end], self._language),
        )

    def _content(self, written: Written) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = []
        if written.reasoning:
            content.append(_thinking(written.reasoning if self._shows_thinking else ""))
        if written.text:
            content.append({"type": "text", "text": written.text, "citations": None})
        return content + [_whole_call(part) for part in written.calls]

    def _message(self, content: list[dict[str, Any]], **rest: Any) -> dict[str, Any]:
        head = {"id": self._id, "type": "message", "role": "assistant", "model": self._model}
        return {**head, "content": content, **rest}

    # ── streamed ────────────────────────────────────────────────────────────────────────────────────

    def opening(self) -> Iterator[bytes]:
        """Nothing yet: the first event tells the size of the prompt."""
        yield from ()

    def piece(self, index: int, delta: Delta) -> bytes:
        if isinstance(delta, Token):
            return self._said("text", delta.text) if delta.text else b""
        if isinstance(delta, Queued):
            return PING
        if isinstance(delta, Prefill):
            return self._began(_read(delta.total, delta.reused)) or PING
        if isinstance(delta, Thought):
            return self._said("thinking", delta.text) if delta.text else b""
        if isinstance(delta, ToolCallPart):
            return self._called(delta)
        if isinstance(delta, Finished):
            self._end = delta
        return b""

    def closing(self) -> Iterator[bytes]:
        assert self._end
        yield self._began({}) + self._closed()
        yield event(
            "message_delta",
            delta=ending(self._end, self._limit),
            usage=usage(self._end),
            fabula=honesty([self._end], self._language),
        )
        yield event("message_stop")

    def failed(self, failure: FabulaError) -> bytes:
        body = errors.body(failure, self._language)
        return event("error", **{name: value for name, value in body.items() if name != "type"})

    def end(self) -> bytes:
        return b""

    def _began(self, read: Mapping[str, Any]) -> bytes:
        """The first event, if it was not sent yet."""
        if self._has_begun:
            return b""
        self._has_begun = True
        counts = _read(0, 0) | {"output_tokens": 0} | dict(read)
        return event(
            "message_start",
            message=self._message([], stop_reason=None, stop_sequence=None, usage=counts),
        )

    def _said(self, kind: Kind, text: str) -> bytes:
        opening = b"" if self._block == kind else self._opened(kind, _EMPTY[kind])
        if kind == "thinking" and not self._shows_thinking:
            return opening
        before, after = self._parts
        return opening + f"{before}{encode_basestring(text)}{after}".encode()

    def _called(self, part: ToolCallPart) -> bytes:
        opening = self._opened("tool_use", _call(part, {})) if part.name else b""
        return opening + (self._said("tool_use", part.arguments) if part.arguments else b"")

    def _opened(self, kind: Kind, block: Mapping[str, Any]) -> bytes:
        """A new block, behind the end of the one before."""
        head = self._began({}) + self._closed()
        self._block = kind
        self._index += 1
        type, field = FIELDS[kind]
        self._parts = (
            f'event: content_block_delta\ndata: {{"type":"content_block_delta","index":{self._index},'
            f'"delta":{{"type":"{type}","{field}":',
            "}}\n\n",
        )
        return head + event("content_block_start", index=self._index, content_block=dict(block))

    def _closed(self) -> bytes:
        if self._block is None:
            return b""
        signed = b""
        if self._block == "thinking":  # clients keep a block once it is signed; nothing here needs that
            delta = {"type": "signature_delta", "signature": ""}
            signed = event("content_block_delta", index=self._index, delta=delta)
        self._block = None
        return signed + event("content_block_stop", index=self._index)


def _thinking(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": ""}


def _call(part: ToolCallPart, given: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": part.id, "name": part.name, "input": given}


def _whole_call(part: ToolCallPart) -> dict[str, Any]:
    """Input that was cut off, or is no object, stands beside as the text that it is."""
    try:
        given = json.loads(part.arguments or "{}")
    except ValueError:
        given = None
    if isinstance(given, dict):
        return _call(part, given)
    return _call(part, {}) | {"partial_json": part.arguments}


_EMPTY: dict[Kind, dict[str, Any]] = {"thinking": _thinking(""), "text": {"type": "text", "text": ""}}
