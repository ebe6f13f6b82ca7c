"""Core deltas as KoboldCpp's answers and events. Knows nothing of how requests are parsed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fabula.core.errors import FabulaError
from fabula.core.stream import Choice, Delta, Finished, Queued, Token
from fabula.server.answering import Written
from fabula.server.honesty import honesty
from fabula.server.kobold import errors
from fabula.server.sse import PING

OUT_OF_TOKENS, END_OF_TEXT, STOP_STRING, NOT_KNOWN = 0, 1, 2, -1
"""KoboldCpp's numbers for why an answer ended."""


def event(data: Mapping[str, Any]) -> bytes:
    return f"event: message\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def finish_reason(end: Finished | None) -> str:
    return "length" if end and end.reason == "length" else "stop"


def stop_reason(end: Finished | None) -> int:
    if end is None or end.reason not in ("length", "stop"):
        return NOT_KNOWN
    if end.reason == "length":
        return OUT_OF_TOKENS
    return STOP_STRING if end.stop_string else END_OF_TEXT


class Voice:
    """One answer, whole or as events. Without `trims_stop`, a stop string stands at the end of the text."""

    media_type = "text/event-stream"
    ping = PING

    def __init__(self, *, trims_stop: bool, wants_logprobs: bool, language: str) -> None:
        self._trims_stop, self._wants_logprobs, self._language = trims_stop, wants_logprobs, language

    def whole(self, written: Sequence[Written]) -> dict[str, Any]:
        ends = [one.end for one in written if one.end]
        return {"results": [self._result(one) for one in written], "fabula": honesty(ends, self._language)}

    def opening(self) -> Iterable[bytes]:
        return ()

    def piece(self, index: int, delta: Delta) -> bytes:
        if isinstance(delta, Token):
            return event({"token": delta.text, "finish_reason": None}) if delta.text else b""
        if isinstance(delta, Queued):
            return f": queued {delta.position}\n\n".encode()
        if isinstance(delta, Finished):
            last = {"token": self._tail(delta), "finish_reason": finish_reason(delta)}
            return event(last | {"fabula": honesty([delta], self._language)})
        return b""

    def closing(self) -> Iterable[bytes]:
        return ()

    def failed(self, failure: FabulaError) -> bytes:
        return event({"token": "", "finish_reason": "error"} | errors.body(failure, self._language))

    def end(self) -> bytes:
        return b""

    def _result(self, written: Written) -> dict[str, Any]:
        end = written.end
        return {
            "text": written.text + self._tail(end),
            "finish_reason": finish_reason(end),
            "logprobs": logprobs(written.tokens) if self._wants_logprobs else None,
            "prompt_tokens": end.prompt_tokens if end else 0,
            "completion_tokens": end.completion_tokens if end else 0,
        }

    def _tail(self, end: Finished | None) -> str:
        return "" if self._trims_stop or end is None else end.stop_string


def logprobs(tokens: Iterable[Token]) -> dict[str, Any] | None:
    """Both shapes that KoboldCpp's readers know; None where none were asked for."""
    chosen = [(token.chosen, token.likeliest) for token in tokens if token.chosen is not None]
    if not chosen:
        return None
    content = [_row(choice) | {"top_logprobs": [_row(one) for one in best]} for choice, best in chosen]
    return {
        "content": content,
        "tokens": [choice.text for choice, _ in chosen],
        "token_logprobs": [choice.logprob for choice, _ in chosen],
        "top_logprobs": [{one.text: one.logprob for one in best} for _, best in chosen],
    }


def _row(choice: Choice) -> dict[str, Any]:
    row = {"token": choice.text, "id": choice.id, "logprob": choice.logprob}
    return row | {"bytes": list(choice.bytes or choice.text.encode())}
