"""Core deltas as OpenAI's response and its events. Knows nothing of how requests are parsed.

Source: OpenAI's API reference (responses, streaming events). The constant parts of the most frequent event
are rendered once for each item: on this path every token pays for each operation.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, Literal

from fabula.core.errors import FabulaError
from fabula.core.stream import Delta, Finished, Queued, Thought, Token, ToolCallPart
from fabula.server.answering import Written
from fabula.server.honesty import honesty
from fabula.server.openai.render import ChatShape, queued
from fabula.server.sse import PING

Kind = Literal["reasoning", "message", "function_call"]
Status = Literal["in_progress", "completed", "incomplete"]
PREFIX: dict[Kind, str] = {"reasoning": "rs_", "message": "msg_", "function_call": "fc_"}
TEXT: dict[Kind, str] = {
    "reasoning": "response.reasoning_text",
    "message": "response.output_text",
    "function_call": "response.function_call_arguments",
}


def usage(end: Finished) -> dict[str, Any]:
    return {
        "input_tokens": end.prompt_tokens,
        "input_tokens_details": {"cached_tokens": end.reused_tokens, "cache_write_tokens": 0},
        "output_tokens": end.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": end.reasoning_tokens},
        "total_tokens": end.prompt_tokens + end.completion_tokens,
    }


class Item:
    """One item of the output as it grows."""

    def __init__(self, kind: Kind, call: ToolCallPart | None = None) -> None:
        self.kind = kind
        self.id = PREFIX[kind] + uuid.uuid4().hex
        self._call = call
        self._pieces: list[str] = []
        self.logprobs: list[Any] = []

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def add(self, text: str, logprobs: Iterable[Any] = ()) -> None:
        self._pieces.append(text)
        self.logprobs += logprobs

    def part(self, *, full: bool) -> dict[str, Any]:
        text = self.text if full else ""
        if self.kind == "reasoning":
            return {"type": "reasoning_text", "text": text}
        logprobs = self.logprobs if full else []
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}

    def shown(self, status: Status) -> dict[str, Any]:
        head = {"id": self.id, "type": self.kind, "status": status}
        if self._call:
            return {
                **head,
                "call_id": self._call.id,
                "name": self._call.name,
                "arguments": "" if status == "in_progress" else self.text,
            }
        content = [] if status == "in_progress" else [self.part(full=True)]
        if self.kind == "reasoning":
            return {**head, "summary": [], "content": content}
        return {**head, "role": "assistant", "content": content}


class Events:
    """One answer as it is said: whole, or as events. `told` is what it repeats of its request."""

    media_type = "text/event-stream"
    ping = PING

    def __init__(
        self, model: str, told: Mapping[str, Any], *, wants_logprobs: bool = False, language: str = "en"
    ) -> None:
        self.id = f"resp_{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._model, self._told, self._language = model, dict(told), language
        self._wants_logprobs = wants_logprobs
        self._number = -1
        self._done: list[dict[str, Any]] = []
        self._item: Item | None = None
        self._parts = ("", "")
        self._end: Finished | None = None

    # ── whole ───────────────────────────────────────────────────────────────────────────────────────

    def whole(self, written: Sequence[Written]) -> dict[str, Any]:
        (one,) = written
        assert one.end
        self._end = one.end
        self._done = [item.shown(self._item_status) for item in self._items(one)]
        return self._response(self._status)

    def _items(self, written: Written) -> Iterator[Item]:
        if written.reasoning:
            yield _filled(Item("reasoning"), written.reasoning)
        if written.text or not written.calls:
            logprobs = [row for token in written.tokens for row in self._rows(token)]
            yield _filled(Item("message"), written.text, logprobs)
        for call in written.calls:
            yield _filled(Item("function_call", call), call.arguments)

    @property
    def _status(self) -> str:
        return "incomplete" if self._end and self._end.reason == "length" else "completed"

    @property
    def _item_status(self) -> Status:
        return "incomplete" if self._status == "incomplete" else "completed"

    def _response(self, status: str, error: Mapping[str, Any] | None = None) -> dict[str, Any]:
        is_cut = status == "incomplete"
        answer = {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "background": False,
            "error": error,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "model": self._model,
            "output": list(self._done),
            **self._told,
            "usage": usage(self._end) if self._end else None,
        }
        if status == "completed":
            answer["completed_at"] = int(time.time())
        return answer | ({"fabula": honesty([self._end], self._language)} if self._end else {})

    # ── streamed ────────────────────────────────────────────────────────────────────────────────────

    def opening(self) -> Iterator[bytes]:
        for name in ("response.created", "response.in_progress"):
            yield self._event(name, response=self._response("in_progress"))

    def piece(self, index: int, delta: Delta) -> bytes:
        if isinstance(delta, Token):
            return self._token(delta)
        if isinstance(delta, Thought):
            return self._said("reasoning", delta.text) if delta.text else b""
        if isinstance(delta, ToolCallPart):
            return self._called(delta)
        if isinstance(delta, Queued):
            return queued(delta)
        if isinstance(delta, Finished):
            self._end = delta
        return b""

    def closing(self) -> Iterator[bytes]:
        if not self._has_spoken:
            yield self._opened(Item("message"))
        yield self._closed(self._item_status)
        yield self._event(f"response.{self._status}", response=self._response(self._status))

    def failed(self, failure: FabulaError) -> bytes:
        """What was written so far stands in the response that failed."""
        closed = self._closed("incomplete")
        error = {
            "code": "server_error" if failure.status >= 500 else "invalid_prompt",
            "message": failure.sentence(self._language),
        }
        told = self._response("failed", error) | {"fabula": {"code": failure.code, "fields": failure.fields}}
        return closed + self._event("response.failed", response=told)

    def end(self) -> bytes:
        return b""

    @property
    def _has_spoken(self) -> bool:
        kinds = [item["type"] for item in self._done] + ([self._item.kind] if self._item else [])
        return any(kind != "reasoning" for kind in kinds)

    def _token(self, token: Token) -> bytes:
        if not self._wants_logprobs:
            return self._said("message", token.text) if token.text else b""
        opening = b"" if self._is_open("message") else self._opened(Item("message"))
        assert self._item
        rows = self._rows(token)
        self._item.add(token.text, rows)
        place = self._place(self._item)
        return opening + self._event(f"{TEXT['message']}.delta", **place, delta=token.text, logprobs=rows)

    def _rows(self, token: Token) -> list[dict[str, Any]]:
        if not self._wants_logprobs:
            return []
        rows: list[dict[str, Any]] = ChatShape().logprobs([token])["content"]
        return rows

    def _called(self, part: ToolCallPart) -> bytes:
        opening = self._opened(Item("function_call", part)) if part.name else b""
        return opening + (self._said("function_call", part.arguments) if part.arguments else b"")

    def _is_open(self, kind: Kind) -> bool:
        return self._item is not None and self._item.kind == kind

    def _said(self, kind: Kind, text: str) -> bytes:
        opening = b"" if self._is_open(kind) else self._opened(Item(kind))
        assert self._item
        self._item.add(text)
        self._number += 1
        before, after = self._parts
        return opening + f"{before}{self._number}{after}{encode_basestring(text)}}}\n\n".encode()

    def _opened(self, item: Item) -> bytes:
        """A new item, behind the end of the one before."""
        said = self._closed("completed")
        self._item, place = item, self._place(item)
        name = f"{TEXT[item.kind]}.delta"
        head = json.dumps({"type": name, **place} | ({"logprobs": []} if item.kind == "message" else {}))
        self._parts = (f'event: {name}\ndata: {head[:-1]}, "sequence_number":', ',"delta":')
        said += self._event(
            "response.output_item.added", output_index=len(self._done), item=item.shown("in_progress")
        )
        if item.kind != "function_call":
            said += self._event("response.content_part.added", **place, part=item.part(full=False))
        return said

    def _closed(self, status: Status) -> bytes:
        item = self._item
        if item is None:
            return b""
        place, text = self._place(item), item.text
        if item.kind == "function_call":
            said = self._event(f"{TEXT[item.kind]}.done", **place, arguments=text)
        else:
            more = {"logprobs": item.logprobs} if item.kind == "message" else {}
            said = self._event(f"{TEXT[item.kind]}.done", **place, text=text, **more)
            said += self._event("response.content_part.done", **place, part=item.part(full=True))
        shown = item.shown(status)
        said += self._event("response.output_item.done", output_index=len(self._done), item=shown)
        self._done.append(shown)
        self._item = None
        return said

    def _place(self, item: Item) -> dict[str, Any]:
        place = {"item_id": item.id, "output_index": len(self._done)}
        return place if item.kind == "function_call" else place | {"content_index": 0}

    def _event(self, name: str, **data: Any) -> bytes:
        self._number += 1
        body = {"type": name, "sequence_number": self._number, **data}
        return f"event: {name}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def _filled(item: Item, text: str, logprobs: Iterable[Any] = ()) -> Item:
    item.add(text, logprobs)
    return item
