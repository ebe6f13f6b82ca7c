"""Core deltas as the objects and events of llama.cpp's /completion. Knows nothing of how requests are parsed.

The constant part of an event is rendered once per stream: on this path every token pays for each operation.
Source: the README of llama.cpp's server, and the answers of the engine in use.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

from fabula.core.errors import FabulaError
from fabula.core.stream import Choice, Delta, Finished, Prefill, Queued, Token
from fabula.server.answering import Written
from fabula.server.honesty import honesty
from fabula.server.llamacpp import errors
from fabula.server.llamacpp.names import settings
from fabula.server.llamacpp.parse import Given, Wish
from fabula.server.sse import PING

ANY_SLOT = -1  # which of the engine's slots wrote it is nobody's business


def data(body: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


class Said:
    """The answers to the prompts of one request, whole or in events."""

    media_type = "text/event-stream"
    ping = PING

    def __init__(self, wish: Wish, model: str, language: str = "en") -> None:
        self._wish, self._model, self._language = wish, model, language
        self._running = [_Running() for _ in wish.given]
        self._plain = wish.writes and not wish.with_timings and wish.sampling.logprobs is None

    def whole(self, written: Sequence[Written]) -> Any:
        """One object, or a list of them for several prompts."""
        rows = [self._last(index, one) for index, one in enumerate(written)]
        return rows if len(rows) > 1 else rows[0]

    def opening(self) -> Iterable[bytes]:
        return ()

    def piece(self, index: int, delta: Delta) -> bytes:
        if isinstance(delta, Token):
            return self._token(index, delta)
        if isinstance(delta, Finished):
            running = self._running[index]
            return data(self._final(index, delta, "", (), running.has_line, running.written))
        if isinstance(delta, Prefill):
            return self._progress(index, delta)
        return f": queued {delta.position}\n\n".encode() if isinstance(delta, Queued) else b""

    def closing(self) -> Iterable[bytes]:
        return ()

    def failed(self, failure: FabulaError) -> bytes:
        return data(errors.body(failure, self._language))

    def end(self) -> bytes:
        return b""

    # ── events ──────────────────────────────────────────────────────────────────────────────────────

    def _token(self, index: int, token: Token) -> bytes:
        running = self._running[index]
        running.follow(token)
        if not self._wish.writes or not (token.text or token.ids):
            return b""
        head = f'{{"index":{index},"content":{encode_basestring(token.text)},"tokens":{list(token.ids)},'
        counts = f'"tokens_predicted":{running.written},"tokens_evaluated":{running.read}'
        more = "" if self._plain else self._beside(running, token)
        return f'data: {head}"stop":false,"id_slot":{ANY_SLOT},{counts}{more}}}\n\n'.encode()

    def _beside(self, running: _Running, token: Token) -> str:
        parts = ""
        if token.chosen is not None:
            parts += f',"completion_probabilities":{json.dumps(probabilities([token]), ensure_ascii=False)}'
        return parts + (f',"timings":{json.dumps(running.timings())}' if self._wish.with_timings else "")

    def _progress(self, index: int, delta: Prefill) -> bytes:
        running = self._running[index]
        running.reading(delta)
        if not self._wish.with_progress:
            return b""
        progress = {"total": delta.total, "cache": delta.reused, "processed": delta.processed}
        body = {"index": index, "content": "", "tokens": [], "stop": False, "id_slot": ANY_SLOT}
        counts = {"tokens_predicted": 0, "tokens_evaluated": delta.total}
        return data(body | counts | {"prompt_progress": progress | {"time_ms": running.reading_ms()}})

    # ── the last of it ──────────────────────────────────────────────────────────────────────────────

    def _last(self, index: int, written: Written) -> dict[str, Any]:
        assert written.end, "a stream that did not fail has an end"
        has_line, count = "\n" in written.text, sum(len(token.ids) for token in written.tokens)
        if not self._wish.writes:
            return self._final(index, written.end, "", (), has_line, count)
        return self._final(index, written.end, written.text, written.tokens, has_line, count)

    def _final(
        self,
        index: int,
        end: Finished,
        text: str,
        tokens: Sequence[Token],
        has_line: bool,
        count: int,
    ) -> dict[str, Any]:
        wish = self._wish
        written = (end.completion_tokens or count) if wish.writes else 0
        body = {
            "index": index,
            "content": text,
            "tokens": [id for token in tokens for id in token.ids] if wish.with_tokens else [],
            "id_slot": ANY_SLOT,
            "stop": True,
            "model": self._model,
            "tokens_predicted": written,
            "tokens_evaluated": end.prompt_tokens,
            "generation_settings": settings(end.effective or {}, stream=wish.stream),
            "prompt": _shown(wish.given[index]),
            "has_new_line": has_line,
            "truncated": False,  # a prompt that is too long is refused, with the numbers
            "stop_type": stop_type(end),
            "stopping_word": end.stop_string,
            "tokens_cached": max(end.prompt_tokens + written - 1, 0),
            "timings": timings(end),
            "fabula": honesty([end], self._language),
        }
        if wish.sampling.logprobs is not None and tokens:
            body["completion_probabilities"] = probabilities(tokens)
        return chosen(body, wish.fields) if wish.fields else body


class _Running:
    """What is known of one answer while it is written."""

    def __init__(self) -> None:
        self.read = self.written = self._reused = 0
        self.has_line = False
        self._began = time.perf_counter()
        self._first = 0.0

    def reading(self, delta: Prefill) -> None:
        self.read, self._reused = delta.total, delta.reused

    def reading_ms(self) -> float:
        return round((time.perf_counter() - self._began) * 1000, 3)

    def follow(self, token: Token) -> None:
        self._first = self._first or time.perf_counter()
        self.written += len(token.ids) or 1
        self.has_line = self.has_line or "\n" in token.text

    def timings(self) -> dict[str, Any]:
        """By our own clock; those of the last event are the engine's."""
        now = time.perf_counter()
        prompt_ms, predicted_ms = (self._first - self._began) * 1000, (now - self._first) * 1000
        return _timings(self._reused, self.read - self._reused, prompt_ms, self.written, predicted_ms)


def timings(end: Finished) -> dict[str, Any]:
    told = _timings(
        end.reused_tokens, end.processed_tokens, end.prompt_ms, end.completion_tokens, end.predicted_ms
    )
    if end.guessed_tokens:
        told |= {"draft_n": end.guessed_tokens, "draft_n_accepted": end.guessed_right}
    return told


def _timings(reused: int, read: int, read_ms: float, written: int, written_ms: float) -> dict[str, Any]:
    return {
        "cache_n": reused,
        "prompt_n": read,
        "prompt_ms": read_ms,
        "prompt_per_token_ms": read_ms / read if read else 0.0,
        "prompt_per_second": read / read_ms * 1000 if read_ms else 0.0,
        "predicted_n": written,
        "predicted_ms": written_ms,
        "predicted_per_token_ms": written_ms / written if written else 0.0,
        "predicted_per_second": written / written_ms * 1000 if written_ms else 0.0,
    }


def stop_type(end: Finished) -> str:
    if end.reason == "length":
        return "limit"
    if end.stop_string:
        return "word"
    return "eos" if end.reason in ("stop", "tool_calls") else "none"


def probabilities(tokens: Iterable[Token]) -> list[dict[str, Any]]:
    return [
        _row(token.chosen) | {"top_logprobs": [_row(choice) for choice in token.likeliest]}
        for token in tokens
        if token.chosen is not None
    ]


def _row(choice: Choice) -> dict[str, Any]:
    """JSON has no infinity: what is impossible has null."""
    logprob = choice.logprob if math.isfinite(choice.logprob) else None
    told = {"id": choice.id, "token": choice.text, "bytes": list(choice.bytes or choice.text.encode())}
    return told | {"logprob": logprob}


def _shown(given: Given) -> Any:
    """As it was asked: ids stay ids."""
    return given.asked


def chosen(body: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """`response_fields`: those of the body, "a/b" for the one inside the other; unknown ones are left out."""
    found: dict[str, Any] = {}
    for path in fields:
        value: Any = body
        for name in path.split("/"):
            value = value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT
        if value is not _ABSENT:
            found[path] = value
    return found


_ABSENT = object()
