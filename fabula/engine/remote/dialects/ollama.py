"""Ollama's dialect. Knows no connection.

Source: Ollama's docs/api.md (tags, show, ps, chat, generate). What is too long would be cut there without a
word; `truncate: false` and `shift: false` make it an error.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

from fabula.core.errors import EngineRefused
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.stream import Choice, Delta, Thought, Token, ToolCallPart
from fabula.core.worker import Prompt
from fabula.engine.remote import numbers
from fabula.engine.remote.dialects import images
from fabula.engine.remote.dialects.dialect import Asked, Dialect, Offered, as_object, text_of, there
from fabula.engine.remote.events import Lines
from fabula.engine.remote.reading import Reader

NAMES = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "repetition_penalty": "repeat_penalty",
    "repetition_window": "repeat_last_n",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
}
HONOURED = frozenset(NAMES) | {
    *("max_tokens", "stop", "json_schema", "logprobs", "think", "think_effort", "keep_reasoning")
}
ABILITIES = {"vision": "images", "tools": "tools", "thinking": "thinking"}
UNKNOWN_ID = -1


class Ollama(Dialect):
    kind = "ollama"
    label = "Ollama"

    async def offers(self) -> list[Offered]:
        listed = await self.server.get(f"{self.server.place.base}/api/tags")
        return [_listed(row) for row in listed.get("models", [])]

    async def look(self, id: str) -> Offered | None:
        """The context is the one that it is loaded with, or will be, where that is told."""
        found = await super().look(id)
        if found is None:
            return None
        shown = await self.server.post(f"{self.server.place.base}/api/show", {"model": id})
        running = await self.server.find(f"{self.server.place.base}/api/ps") or {}
        described = _described(found, shown, running.get("models", []))
        if self.wanted_context:
            return dataclasses.replace(described, context=self.wanted_context)
        return described

    def sees(self, model: LocalModel) -> bool:
        return "images" in there(model).abilities

    def honoured(self, model: LocalModel) -> frozenset[str]:
        thinks = "thinking" in there(model).abilities
        return HONOURED if thinks else HONOURED - {"think", "think_effort"}

    async def ask(
        self, model: LocalModel, prompt: Prompt, sampling: Sampling, used: Mapping[str, Any]
    ) -> Asked:
        base = self.server.place.base
        body: dict[str, Any] = {
            "model": there(model).model,
            "stream": True,
            "truncate": False,
            "shift": False,
            "options": _options(sampling, used) | self._context(),
        }
        if sampling.json_schema:
            body["format"] = json.loads(sampling.json_schema)
        if sampling.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": sampling.logprobs}
        if prompt.conversation is None:
            return Asked(f"{base}/api/generate", body | {"prompt": text_of(prompt), "raw": True})
        if "thinking" in there(model).abilities and (sampling.think_effort or sampling.think is not None):
            body["think"] = sampling.think_effort or sampling.think
        talk = prompt.conversation
        body["messages"] = [_row(message) for message in talk.messages]
        if talk.tools and talk.tool_choice != "none":
            body["tools"] = list(talk.tools)
        return Asked(f"{base}/api/chat", body)

    def _context(self) -> dict[str, int]:
        return {"num_ctx": self.wanted_context} if self.wanted_context else {}

    def unheeded(self, model: LocalModel, conversation: Any) -> tuple[str, ...]:
        forced = conversation.tools and (conversation.tool_choice == "required" or conversation.only_tool)
        names = [f"chat_template_kwargs.{name}" for name in conversation.variables]
        return (*(["tool_choice"] if forced else []), *names)

    def reader(self, model: LocalModel, prompt: Prompt, sampling: Sampling) -> Reader:
        return OllamaReader(model.name, self.server.name, sampling.logprobs)


def _options(sampling: Sampling, used: Mapping[str, Any]) -> dict[str, Any]:
    options = numbers.named(used, NAMES)
    if sampling.max_tokens is not None:
        options["num_predict"] = sampling.max_tokens
    if stops := [stop for stop in sampling.stop if stop]:
        options["stop"] = stops
    return options


def _row(message: Message) -> dict[str, Any]:
    row: dict[str, Any] = {"role": message.role, "content": images.without(message)}
    if message.reasoning:
        row["thinking"] = message.reasoning
    if message.images:
        row["images"] = [images.coded(image) for image in message.images]
    if message.tool_calls:
        row["tool_calls"] = [
            {"function": {"name": call.name, "arguments": as_object(call.arguments)}}
            for call in message.tool_calls
        ]
    if message.role == "tool" and message.name:
        row["tool_name"] = message.name
    return row


def _listed(row: dict[str, Any]) -> Offered:
    details = row.get("details") or {}
    return Offered(
        id=row.get("model") or row["name"],
        size=row.get("size") or 0,
        quantization=details.get("quantization_level") or "",
        architecture=details.get("family") or "",
        abilities=_abilities(row),
    )


def _abilities(row: dict[str, Any]) -> tuple[str, ...]:
    told = row.get("capabilities") or []
    return tuple(ours for theirs, ours in ABILITIES.items() if theirs in told)


def _described(found: Offered, shown: dict[str, Any], running: list[dict[str, Any]]) -> Offered:
    facts = shown.get("model_info") or {}
    architecture = facts.get("general.architecture") or found.architecture
    loaded = [
        row.get("context_length") or 0 for row in running if found.id in (row.get("model"), row.get("name"))
    ]
    return Offered(
        id=found.id,
        size=found.size,
        quantization=found.quantization,
        architecture=architecture,
        weights=facts.get("general.parameter_count") or 0,
        context=(loaded or [0])[0] or _told_context(shown) or 0,
        abilities=_abilities(shown) or found.abilities,
        vocabulary=0,
    )


def _told_context(shown: dict[str, Any]) -> int:
    """`num_ctx` of the model's own parameters; what it was trained for says nothing of how it is loaded."""
    for line in (shown.get("parameters") or "").splitlines():
        name, _, value = line.strip().partition(" ")
        if name == "num_ctx" and value.strip().isdigit():
            return int(value)
    return 0


class OllamaReader(Reader):
    """One object per line; the one that says `done` is the end."""

    def __init__(self, name: str, server: str, logprobs: int | None = None) -> None:
        super().__init__(name, server, framing=Lines)
        self._logprobs, self._calls = logprobs, 0

    def read(self, row: dict[str, Any]) -> Iterable[Delta]:
        if error := row.get("error"):
            raise EngineRefused(self.name, f"{error}")
        message = row.get("message") or {}
        if thought := message.get("thinking") or row.get("thinking"):
            yield Thought(thought)
        for call in message.get("tool_calls") or []:
            yield self._call(call)
        yield from self._text(message.get("content") or row.get("response") or "", row.get("logprobs"))
        if row.get("done"):
            self._end(row)

    def _call(self, call: dict[str, Any]) -> ToolCallPart:
        function, number = call["function"], self._calls
        self._calls += 1
        arguments = json.dumps(function.get("arguments") or {}, ensure_ascii=False)
        return ToolCallPart(number, call.get("id") or f"call_{number}", function["name"], arguments)

    def _text(self, text: str, logprobs: Any) -> Iterable[Delta]:
        if self._logprobs is not None and logprobs:
            for entry in logprobs:
                tops = tuple(_choice(other) for other in entry.get("top_logprobs") or [])
                yield Token(entry["token"], (), _choice(entry), tops[: self._logprobs])
        elif text:
            yield Token(text)

    def _end(self, row: dict[str, Any]) -> None:
        told = self.told
        self.complete = True
        told.reason = (
            "tool_calls" if self._calls else "length" if row.get("done_reason") == "length" else "stop"
        )
        told.prompt, told.written = row.get("prompt_eval_count") or 0, row.get("eval_count") or 0
        if "prompt_eval_duration" in row:
            told.prompt_ms = row["prompt_eval_duration"] / 1e6  # nanoseconds
        if "eval_duration" in row:
            told.predicted_ms = row["eval_duration"] / 1e6


def _choice(entry: dict[str, Any]) -> Choice:
    text = entry["token"]
    return Choice(UNKNOWN_ID, text, float(entry["logprob"]), tuple(entry.get("bytes") or text.encode()))
