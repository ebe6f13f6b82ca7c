"""Core deltas as OpenAI's objects and chunks. Knows nothing of how requests are parsed.

The constant part of a chunk is rendered once per stream: on this path every token pays for each operation.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

from fabula.core.errors import FabulaError
from fabula.core.stream import Choice, Delta, Finished, FinishReason, Queued, Thought, Token, ToolCallPart
from fabula.server.answering import Written
from fabula.server.honesty import honesty
from fabula.server.openai import errors
from fabula.server.sse import PING, encode

DONE = b"data: [DONE]\n\n"
FINISH: dict[FinishReason, str] = {
    "length": "length",
    "tool_calls": "tool_calls",
}  # everything else is "stop" in this dialect


def data(body: Mapping[str, Any]) -> bytes:
    return f"data: {encode(body)}\n\n".encode()


def queued(place: Queued) -> bytes:
    """A comment line, which clients skip; it also keeps the connection alive."""
    return f": queued {place.position}\n\n".encode()


def usage(ends: Iterable[Finished], prompts: int = 1) -> dict[str, Any]:
    """Token counts of choices in the order of their index, the same number of them for each prompt.

    A prompt that was read for several choices counts once, as OpenAI bills it; cached is what was there
    before the first of them was written.
    """
    ends = list(ends)
    each = max(1, len(ends) // prompts)
    groups = [ends[first : first + each] for first in range(0, len(ends), each)]
    prompt = sum(group[0].prompt_tokens for group in groups)
    written = sum(end.completion_tokens for end in ends)
    cached = sum(min(end.reused_tokens for end in group) for group in groups)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": sum(end.reasoning_tokens for end in ends)},
    }


def finish_reason(end: Finished | None) -> str:
    return FINISH.get(end.reason, "stop") if end else "stop"


class ChatShape:
    """Chat completions: messages and deltas."""

    object = "chat.completion"
    id_prefix = "chatcmpl-"
    chunk_object = "chat.completion.chunk"

    def opening(self) -> dict[str, Any] | None:
        return {"delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}

    def chunk_parts(self, index: int) -> tuple[str, str]:
        """JSON before and after the text of a token's choice."""
        return f'{{"index":{index},"delta":{{"content":', '},"logprobs":null,"finish_reason":null}'

    def token_choice(self, token: Token, start: int) -> dict[str, Any]:
        return {
            "delta": {"content": token.text},
            "logprobs": self.logprobs([token]),
            "finish_reason": None,
        }

    def closing(self, finish_reason: str) -> dict[str, Any]:
        return {"delta": {}, "logprobs": None, "finish_reason": finish_reason}

    def whole(self, written: Written, echo: str, wants_logprobs: bool) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": echo + written.text, "refusal": None}
        if written.reasoning:
            message["reasoning_content"] = written.reasoning
        if written.calls:
            message["content"] = message["content"] or None
            message["tool_calls"] = [_call(part) for part in written.calls]
        return {
            "message": message,
            "logprobs": self.logprobs(written.tokens) if wants_logprobs else None,
            "finish_reason": finish_reason(written.end),
        }

    def logprobs(self, tokens: Iterable[Token]) -> dict[str, Any]:
        rows = [
            _row(token.chosen) | {"top_logprobs": [_row(choice) for choice in token.likeliest]}
            for token in tokens
            if token.chosen is not None
        ]
        return {"content": rows, "refusal": None}


def beside(piece: Delta) -> dict[str, Any] | None:
    """A chunk's choice for reasoning and tool calls, which stand beside the answer; None for all else.

    Reasoning has the name that DeepSeek and llama.cpp gave it. The first piece of a call has its id and name,
    the others text to append to its arguments.
    """
    if isinstance(piece, ToolCallPart):
        call = _call(piece) if piece.name else {"function": {"arguments": piece.arguments}}
        delta: dict[str, Any] = {"tool_calls": [{"index": piece.index, **call}]}
    elif isinstance(piece, Thought) and piece.text:
        delta = {"reasoning_content": piece.text}
    else:
        return None
    return {"delta": delta, "logprobs": None, "finish_reason": None}


def _call(part: ToolCallPart) -> dict[str, Any]:
    function = {"name": part.name, "arguments": part.arguments}
    return {"id": part.id, "type": "function", "function": function}


class TextShape:
    """Completions: plain text."""

    object = chunk_object = "text_completion"
    id_prefix = "cmpl-"

    def opening(self) -> dict[str, Any] | None:
        return None

    def chunk_parts(self, index: int) -> tuple[str, str]:
        return f'{{"index":{index},"text":', ',"logprobs":null,"finish_reason":null}'

    def token_choice(self, token: Token, start: int) -> dict[str, Any]:
        return {"text": token.text, "logprobs": self.logprobs([token], start), "finish_reason": None}

    def closing(self, finish_reason: str) -> dict[str, Any]:
        return {"text": "", "logprobs": None, "finish_reason": finish_reason}

    def whole(self, written: Written, echo: str, wants_logprobs: bool) -> dict[str, Any]:
        return {
            "text": echo + written.text,
            "logprobs": self.logprobs(written.tokens, len(echo)) if wants_logprobs else None,
            "finish_reason": finish_reason(written.end),
        }

    def logprobs(self, tokens: Iterable[Token], start: int = 0) -> dict[str, Any]:
        """`start` is the number of characters before the first of them."""
        chosen = [(token.chosen, token.likeliest) for token in tokens if token.chosen is not None]
        offsets = [start]
        for choice, _ in chosen:
            offsets.append(offsets[-1] + len(choice.text))
        return {
            "tokens": [choice.text for choice, _ in chosen],
            "token_logprobs": [_known(choice.logprob) for choice, _ in chosen],
            "top_logprobs": [
                None if math.isnan(choice.logprob) else _by_text(likeliest) for choice, likeliest in chosen
            ],
            "text_offset": offsets[:-1],
        }


def _by_text(likeliest: Iterable[Choice]) -> dict[str, float]:
    """Parts of characters all have the same text: the likeliest of them stands for it."""
    told: dict[str, float] = {}
    for other in likeliest:
        told.setdefault(other.text, other.logprob)
    return told


def _known(logprob: float) -> float | None:
    """The first token of an echoed prompt has none, and JSON no infinity."""
    return logprob if math.isfinite(logprob) else None


def _row(choice: Choice) -> dict[str, Any]:
    return {
        "token": choice.text,
        "logprob": choice.logprob,
        "bytes": list(choice.bytes or choice.text.encode()),
    }


class Answer:
    """One answer's id, time and model, in either shape, for one prompt or several."""

    def __init__(self, shape: ChatShape | TextShape, model: str, prompts: int = 1, language: str = "en"):
        self.shape = shape
        self._prompts, self.language = prompts, language
        self.id = shape.id_prefix + uuid.uuid4().hex
        self._head = {
            "id": self.id,
            "object": shape.object,
            "created": int(time.time()),
            "model": model,
        }
        self._chunk_head = self._head | {"object": shape.chunk_object}
        self._prefix = f'data: {encode(self._chunk_head)[:-1]}, "choices":['

    def chunk(self, index: int, choice: dict[str, Any]) -> bytes:
        return data(self._chunk_head | {"choices": [{"index": index, **choice}]})

    def token_parts(self, index: int) -> tuple[str, str]:
        """A chunk of a token without log-probabilities: what stands before and after its text."""
        before, after = self.shape.chunk_parts(index)
        return f"{self._prefix}{before}", f"{after}]}}\n\n"

    def last_chunk(self, index: int, finish_reason: str, end: Finished) -> bytes:
        choice = {"index": index, **self.shape.closing(finish_reason)}
        return data(self._chunk_head | {"choices": [choice], "fabula": honesty([end], self.language)})

    def usage_chunk(self, ends: Iterable[Finished]) -> bytes:
        return data(self._chunk_head | {"choices": [], "usage": usage(ends, self._prompts)})

    def whole(
        self, choices: Sequence[Written], echoes: Sequence[str], wants_logprobs: bool
    ) -> dict[str, Any]:
        """The answer that is not streamed; `choices` in the order of their index."""
        ends = [written.end for written in choices if written.end]
        rows = [
            {"index": index, **self.shape.whole(written, echo, wants_logprobs)}
            for index, (written, echo) in enumerate(zip(choices, echoes, strict=True))
        ]
        counts = usage(ends, self._prompts)
        return self._head | {"choices": rows, "usage": counts, "fabula": honesty(ends, self.language)}


class Chunks:
    """One answer as it is said: whole, or in chunks. `echoes` stand before the text of each choice."""

    media_type = "text/event-stream"
    ping = PING

    def __init__(
        self, answer: Answer, echoes: Sequence[str], *, wants_logprobs: bool, with_usage: bool = False
    ) -> None:
        self._answer, self._echoes = answer, list(echoes)
        self._wants_logprobs, self._with_usage = wants_logprobs, with_usage
        self._parts = [answer.token_parts(index) for index in range(len(self._echoes))]
        self._offsets = [len(echo) for echo in self._echoes]
        self._ends: dict[int, Finished] = {}

    def whole(self, written: Sequence[Written]) -> dict[str, Any]:
        return self._answer.whole(written, self._echoes, self._wants_logprobs)

    def opening(self) -> Iterator[bytes]:
        for index, echo in enumerate(self._echoes):
            if opening := self._answer.shape.opening():
                yield self._answer.chunk(index, opening)
            if echo:
                yield self._text(index, echo)

    def piece(self, index: int, delta: Delta) -> bytes:
        if isinstance(delta, Token):
            return self._scored(index, delta) if self._wants_logprobs else self._text(index, delta.text)
        if isinstance(delta, Queued):
            return queued(delta)
        if isinstance(delta, Finished):
            self._ends[index] = delta
            return self._answer.last_chunk(index, finish_reason(delta), delta)
        choice = beside(delta)
        return self._answer.chunk(index, choice) if choice else b""

    def closing(self) -> Iterator[bytes]:
        if self._with_usage:
            yield self._answer.usage_chunk(self._ends[index] for index in sorted(self._ends))

    def failed(self, failure: FabulaError) -> bytes:
        return data(errors.body(failure, self._answer.language))

    def end(self) -> bytes:
        return DONE

    def _text(self, index: int, text: str) -> bytes:
        if not text:
            return b""
        before, after = self._parts[index]
        return f"{before}{encode_basestring(text)}{after}".encode()

    def _scored(self, index: int, token: Token) -> bytes:
        """With its log-probability, and so also where it has no text."""
        start = self._offsets[index]
        self._offsets[index] += len(token.text)
        return self._answer.chunk(index, self._answer.shape.token_choice(token, start))
