"""Core deltas as Ollama's objects, one per line. Knows nothing of how requests are parsed.

The constant parts of a line are rendered once per answer: every token pays for each operation.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from json.encoder import encode_basestring
from typing import Any, Protocol

from fabula.core.errors import FabulaError
from fabula.core.stream import (
    Choice,
    Delta,
    Finished,
    FinishReason,
    Loading,
    Prepared,
    Thought,
    Token,
    ToolCallPart,
)
from fabula.server.answering import Written
from fabula.server.honesty import honesty
from fabula.server.ollama import errors
from fabula.server.ollama.times import nanoseconds, now
from fabula.server.stopping import Turn

MEDIA_TYPE = "application/x-ndjson"
DONE: dict[FinishReason, str] = {"length": "length"}  # everything else is "stop" in this dialect
Json = dict[str, Any]


def line(row: Json) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"


class Shape(Protocol):
    """Where a route puts what was written."""

    has_context: bool

    def text_parts(self) -> tuple[str, str]:
        """JSON before and after the text of a token."""

    def of(self, text: str = "", thinking: str = "", calls: Sequence[Json] = ()) -> Json: ...


class ChatShape:
    has_context = False

    def text_parts(self) -> tuple[str, str]:
        return '"message":{"role":"assistant","content":', "}"

    def of(self, text: str = "", thinking: str = "", calls: Sequence[Json] = ()) -> Json:
        message: Json = {"role": "assistant", "content": text}
        message |= {"thinking": thinking} if thinking else {}
        message |= {"tool_calls": list(calls)} if calls else {}
        return {"message": message}


class TextShape:
    has_context = True

    def text_parts(self) -> tuple[str, str]:
        return '"response":', ""

    def of(self, text: str = "", thinking: str = "", calls: Sequence[Json] = ()) -> Json:
        row: Json = {"response": text}
        row |= {"thinking": thinking} if thinking else {}
        return row | ({"tool_calls": list(calls)} if calls else {})


def call(part: ToolCallPart) -> Json:
    """Arguments are an object here."""
    try:
        arguments = json.loads(part.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        arguments = {"arguments": part.arguments}
    function = {"index": part.index, "name": part.name, "arguments": arguments}
    return {"id": part.id, "function": function}


def logprobs(tokens: Iterable[Token]) -> list[Json]:
    return [
        _row(token.chosen) | {"top_logprobs": [_row(choice) for choice in token.likeliest]}
        for token in tokens
        if token.chosen is not None
    ]


def _row(choice: Choice) -> Json:
    told = {"token": choice.text, "logprob": choice.logprob}
    return told | {"bytes": list(choice.bytes or choice.text.encode(errors="replace"))}


class Lines:
    """One answer as it is said: whole, or in lines. `model` is called as the client called it."""

    media_type = MEDIA_TYPE
    ping = b""  # this dialect has no word for nothing: an empty line breaks its clients

    def __init__(self, shape: Shape, model: str, language: str, *, wants_logprobs: bool = False) -> None:
        self._shape, self._model, self._language = shape, model, language
        self._wants_logprobs = wants_logprobs
        self._began = time.perf_counter()
        self._load_ms = 0.0
        self._prompt_ids: tuple[int, ...] = ()
        self._ids: list[int] = []
        self._calls = Written()  # those that are not told yet
        before, self._after = shape.text_parts()
        self._head = f'{{"model":{json.dumps(model, ensure_ascii=False)},"created_at":"'
        self._middle = f'",{before}'
        self._tail = f'{self._after},"done":false}}\n'

    async def noting(self, turn: Turn) -> AsyncGenerator[Delta, None]:
        """The same turn; how long its model was loaded and which ids it has are remembered for the end."""
        loading = 0.0
        async with aclosing(turn) as deltas:
            async for delta in deltas:
                if isinstance(delta, Loading):
                    loading = loading or time.perf_counter()
                elif isinstance(delta, Prepared):
                    self._load_ms = (time.perf_counter() - loading) * 1000 if loading else 0.0
                    self._prompt_ids = delta.prompt_ids
                elif isinstance(delta, Token | Thought):
                    self._ids += delta.ids
                yield delta

    # ── whole ───────────────────────────────────────────────────────────────────────────────────────

    def whole(self, written: Sequence[Written]) -> Json:
        (only,) = written
        calls = [call(part) for part in only.calls]
        row = self._row(self._shape.of(only.text, only.reasoning, calls))
        if self._wants_logprobs:
            row["logprobs"] = logprobs(only.tokens)
        return row | self._end(only.end) if only.end else row

    # ── in lines ────────────────────────────────────────────────────────────────────────────────────

    def opening(self) -> Iterable[bytes]:
        return ()

    def piece(self, index: int, delta: Delta) -> bytes:
        if isinstance(delta, Token):
            return self._token(delta)
        if isinstance(delta, Thought):
            return self._open(self._shape.of(thinking=delta.text)) if delta.text else b""
        if isinstance(delta, ToolCallPart):
            told = self._told_calls() if delta.name else b""
            self._gather(delta)
            return told
        if isinstance(delta, Finished):
            return self._told_calls() + line(self._row(self._shape.of()) | self._end(delta))
        return b""

    def closing(self) -> Iterable[bytes]:
        return ()

    def failed(self, failure: FabulaError) -> bytes:
        return line(errors.body(failure, self._language))

    def end(self) -> bytes:
        return b""

    def _token(self, token: Token) -> bytes:
        if self._wants_logprobs and token.chosen is not None:
            return self._open(self._shape.of(token.text) | {"logprobs": logprobs([token])})
        if not token.text:
            return b""
        text = encode_basestring(token.text)
        return f"{self._head}{now()}{self._middle}{text}{self._tail}".encode(errors="backslashreplace")

    def _gather(self, part: ToolCallPart) -> None:
        """A call is told when it is whole."""
        self._calls.take(part if part.name else _first(part))

    def _told_calls(self) -> bytes:
        calls, self._calls = self._calls.calls, Written()
        return b"".join(self._open(self._shape.of(calls=[call(part)])) for part in calls)

    def _open(self, part: Json) -> bytes:
        return line(self._row(part))

    def _row(self, part: Json) -> Json:
        return {"model": self._model, "created_at": now(), **part, "done": False}

    def _end(self, end: Finished) -> Json:
        ids = (
            {"context": [*self._prompt_ids, *self._ids]}
            if self._prompt_ids and self._shape.has_context
            else {}
        )
        return {
            "done": True,
            "done_reason": DONE.get(end.reason, "stop"),
            **ids,
            "total_duration": nanoseconds((time.perf_counter() - self._began) * 1000),
            "load_duration": nanoseconds(self._load_ms),
            "prompt_eval_count": end.prompt_tokens,
            "prompt_eval_duration": nanoseconds(end.prompt_ms),
            "eval_count": end.completion_tokens,
            "eval_duration": nanoseconds(end.predicted_ms),
            "fabula": honesty([end], self._language),
        }


def _first(part: ToolCallPart) -> ToolCallPart:
    """Only one call is gathered at a time."""
    return ToolCallPart(0, part.id, part.name, part.arguments)
