"""How each dialect says one and the same request over plain HTTP, and where the text of its answer is.

Knows no client and no test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

Json = dict[str, Any]
MODEL = "smollm2"

OPENAI = {"repetition_window": "repeat_last_n"}
TEXTGEN = {"max_tokens": "max_new_tokens", "repetition_window": "repetition_penalty_range"}
KOBOLD = {
    "max_tokens": "max_length",
    "repetition_penalty": "rep_pen",
    "repetition_window": "rep_pen_range",
    "typical_p": "typical",
    "seed": "sampler_seed",
    "dry_window": "dry_penalty_last_n",
    "stop": "stop_sequence",
}
OLLAMA = {
    "max_tokens": "num_predict",
    "repetition_penalty": "repeat_penalty",
    "repetition_window": "repeat_last_n",
}
LLAMACPP = {
    "max_tokens": "n_predict",
    "repetition_penalty": "repeat_penalty",
    "repetition_window": "repeat_last_n",
    "dry_window": "dry_penalty_last_n",
}
ANTHROPIC = {"stop": "stop_sequences"}


@dataclass(frozen=True)
class Dialect:
    """One route. `body` makes it of a prompt or of messages, and of the sampling in its own words."""

    name: str
    path: str
    body: Callable[[Any, Json], Json]
    text: Callable[[Json], str]
    piece: Callable[[Json], str]
    words: Mapping[str, str]
    stream_path: str = ""
    headers: Mapping[str, str] | None = None
    streams_only: bool = False

    def __str__(self) -> str:
        return self.name

    def asked(self, given: Any, sampling: Json, **more: Any) -> Json:
        return (
            self.body(given, {self.words.get(name, name): value for name, value in sampling.items()}) | more
        )

    def post(self, address: str, body: Json, *, stream: bool = False) -> httpx.Response:
        path = self.stream_path if stream and self.stream_path else self.path
        if not self.stream_path and not self.streams_only:
            body = body | {"stream": stream}
        return httpx.post(address + path, json=body, headers=dict(self.headers or {}), timeout=60)

    def write(self, address: str, given: Any, sampling: Json, *, stream: bool = False) -> str:
        answer = self.post(address, self.asked(given, sampling), stream=stream)
        assert answer.status_code == 200, answer.text
        if stream or self.streams_only:
            return "".join(self.piece(row) for row in rows(answer.text))
        return self.text(answer.json())

    def facts(self, answer: httpx.Response) -> Json:
        """What the answer says of itself, wherever the dialect has room for it; of a stream, at its end."""
        is_whole = answer.headers["content-type"].startswith("application/json")
        told = [answer.json()] if is_whole else list(rows(answer.text))
        inner = [row.get("response") for row in told]  # of the event that holds a whole response
        found = [row.get("fabula") for row in (*told, *inner) if isinstance(row, dict)]
        return dict([facts for facts in found if facts][-1])


def rows(text: str) -> Iterator[Json]:
    """The JSON objects of a stream, be they events or lines."""
    for line in text.splitlines():
        found = line.removeprefix("data: ")
        if found.startswith("{"):
            yield json.loads(found)


def _prompted(name: str = "prompt") -> Callable[[Any, Json], Json]:
    return lambda prompt, sampling: {"model": MODEL, name: prompt, **sampling}


def _said(messages: Any, sampling: Json) -> Json:
    return {"model": MODEL, "messages": messages, **sampling}


def _native(given: Any, sampling: Json) -> Json:
    if isinstance(given, str):
        return {"model": MODEL, "prompt": given, "sampling": sampling}
    said = [{"role": row["role"], "text": row["content"]} for row in given]
    return {"model": MODEL, "messages": said, "sampling": sampling}


def _native_piece(row: Json) -> str:
    return str(row.get("text", "")) if "model" not in row else ""


NATIVE = Dialect(
    "native", "/api/fabula/v1/generate", _native, lambda row: "", _native_piece, {}, streams_only=True
)

RAW = (
    Dialect(
        "openai",
        "/v1/completions",
        _prompted(),
        lambda row: str(row["choices"][0]["text"]),
        lambda row: "".join(choice["text"] for choice in row["choices"]),
        OPENAI,
    ),
    Dialect(
        "textgen",
        "/v1/completions",
        _prompted(),
        lambda row: str(row["choices"][0]["text"]),
        lambda row: "".join(choice["text"] for choice in row["choices"]),
        TEXTGEN,
    ),
    Dialect(
        "ollama",
        "/api/generate",
        lambda prompt, sampling: {"model": MODEL, "prompt": prompt, "raw": True, "options": sampling},
        lambda row: str(row["response"]),
        lambda row: str(row["response"]),
        OLLAMA,
    ),
    Dialect(
        "kobold",
        "/api/v1/generate",
        lambda prompt, sampling: {"prompt": prompt, **sampling},  # it names no model
        lambda row: str(row["results"][0]["text"]),
        lambda row: str(row["token"]),
        KOBOLD,
        stream_path="/api/extra/generate/stream",
    ),
    Dialect(
        "llamacpp",
        "/completion",
        _prompted(),
        lambda row: str(row["content"]),
        lambda row: str(row["content"]),
        LLAMACPP,
    ),
)
"""Those that take a text as it is."""


def _anthropic_piece(row: Json) -> str:
    return str(row.get("delta", {}).get("text", ""))


CHATS = (
    Dialect(
        "openai",
        "/v1/chat/completions",
        _said,
        lambda row: str(row["choices"][0]["message"]["content"]),
        lambda row: "".join(choice["delta"].get("content") or "" for choice in row["choices"]),
        OPENAI,
    ),
    Dialect(
        "responses",
        "/v1/responses",
        lambda messages, sampling: {"model": MODEL, "input": messages, **sampling},
        lambda row: str(row["output"][0]["content"][0]["text"]),
        lambda row: str(row["delta"]) if row["type"] == "response.output_text.delta" else "",
        {"max_tokens": "max_output_tokens"},
    ),
    Dialect(
        "anthropic",
        "/v1/messages",
        _said,
        lambda row: str(row["content"][0]["text"]),
        _anthropic_piece,
        ANTHROPIC,
        headers={"anthropic-version": "2026-10-21"},
    ),
    Dialect(
        "ollama",
        "/api/chat",
        lambda messages, sampling: {"model": MODEL, "messages": messages, "options": sampling},
        lambda row: str(row["message"]["content"]),
        lambda row: str(row["message"]["content"]),
        OLLAMA,
    ),
)
"""Those that take messages."""
