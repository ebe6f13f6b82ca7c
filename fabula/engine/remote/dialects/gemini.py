"""Gemini's dialect. Knows no connection.

Source: the Gemini API reference (models, streamGenerateContent, countTokens, thinking).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from fabula.core.errors import EngineRefused, RemoteFiltered
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, FinishReason, Thought, Token, ToolCallPart
from fabula.core.worker import Conversation, Prompt
from fabula.engine.remote import numbers
from fabula.engine.remote.dialects import images
from fabula.engine.remote.dialects.dialect import Asked, Dialect, Offered, as_object, conversation_of, there
from fabula.engine.remote.reading import Reader
from fabula.engine.remote.server import Refused, words

PAGE = 1000
NAMES = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "seed": "seed",
}
ASKED_ONLY = frozenset({"presence_penalty", "frequency_penalty", "top_k"})
HONOURED = frozenset(NAMES) | {
    *("max_tokens", "stop", "json_schema", "think", "think_budget", "keep_reasoning")
}
UNSIGNED = "skip_thought_signature_validator"
"""Stands for the signature of a call whose own one is not kept: models from 3 on refuse a call without."""
SIGNED_FROM = 3
HOTTEST = 2.0
LARGEST_SEED = 2**31 - 1  # its seed is a signed 32-bit number
REASONS: dict[str, FinishReason] = {"STOP": "stop", "MAX_TOKENS": "length"}
FILTERED = frozenset(
    {"SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"}
)


class Gemini(Dialect):
    kind = "gemini"
    label = "Gemini"
    droppable: Mapping[str, str] = {theirs: ours for ours, theirs in NAMES.items()}

    @classmethod
    def headers(cls, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key} if key else {}

    @property
    def _api(self) -> str:
        place = self.server.place
        return f"{place.base}/v1beta" if place.api == f"{place.base}/v1" else place.api

    async def offers(self) -> list[Offered]:
        listed = await self.server.get(f"{self._api}/models?pageSize={PAGE}")
        return [
            _offered(row)
            for row in listed.get("models", [])
            if "generateContent" in row.get("supportedGenerationMethods", ())
        ]

    def honoured(self, model: LocalModel) -> frozenset[str]:
        thinks = "thinking" in there(model).abilities
        return HONOURED if thinks else HONOURED - {"think", "think_budget"}

    def effective(self, model: LocalModel, sampling: Sampling, seed: int) -> dict[str, Any]:
        used = super().effective(model, sampling, seed)
        used["temperature"] = min(used["temperature"], HOTTEST)
        used["seed"] %= LARGEST_SEED
        return used

    def unheeded(self, model: LocalModel, conversation: Conversation) -> tuple[str, ...]:
        lost = ["continue"] if conversation.continues else []
        return (*lost, *(f"chat_template_kwargs.{name}" for name in conversation.variables))

    async def ask(
        self, model: LocalModel, prompt: Prompt, sampling: Sampling, used: Mapping[str, Any]
    ) -> Asked:
        talk, id = conversation_of(model, prompt), there(model).model
        body = conversed(talk, id) | {"generationConfig": self._config(model, sampling, used)}
        return Asked(f"{self._api}/models/{id}:streamGenerateContent?alt=sse", body)

    def _config(self, model: LocalModel, sampling: Sampling, used: Mapping[str, Any]) -> dict[str, Any]:
        changed = sampling.changed()
        sent = {name: NAMES[name] for name in NAMES if name in changed or name not in ASKED_ONLY}
        config = numbers.named(used, sent)
        if sampling.max_tokens is not None:
            config["maxOutputTokens"] = sampling.max_tokens
        if stops := [stop for stop in sampling.stop if stop]:
            config["stopSequences"] = stops
        if sampling.json_schema:
            schema = json.loads(sampling.json_schema)
            config |= {"responseMimeType": "application/json", "responseJsonSchema": schema}
        if "thinking" in there(model).abilities and (thinking := _thinking(sampling)):
            config["thinkingConfig"] = thinking
        return config

    def reader(self, model: LocalModel, prompt: Prompt, sampling: Sampling) -> Reader:
        return GeminiReader(model.name, self.server.name)

    async def weigh(self, model: LocalModel, conversation: Conversation) -> int | None:
        id = there(model).model
        request = {"generateContentRequest": {"model": f"models/{id}", **conversed(conversation, id)}}
        try:
            told = await self.server.post(f"{self._api}/models/{id}:countTokens", request)
            return int(told["totalTokens"])
        except (Refused, KeyError, TypeError, ValueError):
            return None


def _offered(row: dict[str, Any]) -> Offered:
    return Offered(
        id=row["name"].removeprefix("models/"),
        title=row.get("displayName") or "",
        context=row.get("inputTokenLimit") or 0,
        reply_limit=row.get("outputTokenLimit") or 0,
        abilities=("images", "tools", *(["thinking"] if row.get("thinking") else [])),
    )


def _thinking(sampling: Sampling) -> dict[str, Any]:
    """A budget of 0 is no thinking, −1 as much as the model likes."""
    if sampling.think is False or sampling.think_budget == 0:
        return {"thinkingBudget": 0}
    if sampling.think_budget:
        return {"thinkingBudget": sampling.think_budget, "includeThoughts": True}
    return {"thinkingBudget": -1, "includeThoughts": True} if sampling.think else {"includeThoughts": True}


def conversed(conversation: Conversation, id: str = "") -> dict[str, Any]:
    """`id` is the model's: newer ones want more."""
    system = [message.text for message in conversation.messages if message.role == "system"]
    names = {call.id: call.name for message in conversation.messages for call in message.tool_calls}
    contents: list[dict[str, Any]] = []
    for message in conversation.messages:
        if message.role == "system" or not (parts := _parts(message, names, signed=_is_signed(id))):
            continue
        role = "model" if message.role == "assistant" else "user"
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in system if text]}
    return body | _tools(conversation)


def _is_signed(id: str) -> bool:
    found = re.match(r"gemini-(\d+)", id)
    return bool(found) and int(found[1]) >= SIGNED_FROM  # type: ignore[index]


def _parts(message: Message, names: Mapping[str, str], *, signed: bool = False) -> list[dict[str, Any]]:
    if message.role == "tool":
        name = message.name or names.get(message.tool_call_id, "")
        return [{"functionResponse": {"name": name, "response": {"result": message.text}}}]
    parts: list[dict[str, Any]] = [
        {"text": part}
        if isinstance(part, str)
        else {"inlineData": {"mimeType": images.kind_of(part), "data": images.coded(part)}}
        for part in images.parts(message)
    ]
    more = {"thoughtSignature": UNSIGNED} if signed else {}
    return parts + [
        {"functionCall": {"name": call.name, "args": as_object(call.arguments)}} | more
        for call in message.tool_calls
    ]


def _tools(conversation: Conversation) -> dict[str, Any]:
    if not conversation.tools or conversation.tool_choice == "none":
        return {}
    declared = [
        {
            "name": tool["function"]["name"],
            "description": tool["function"].get("description", ""),
            "parametersJsonSchema": tool["function"].get("parameters") or {"type": "object"},
        }
        for tool in conversation.tools
    ]
    config: dict[str, Any] = {"mode": "ANY" if conversation.tool_choice == "required" else "AUTO"}
    if conversation.only_tool:
        config = {"mode": "ANY", "allowedFunctionNames": [conversation.only_tool]}
    return {"tools": [{"functionDeclarations": declared}], "toolConfig": {"functionCallingConfig": config}}


class GeminiReader(Reader):
    """Whole answers one after the other, each with what is new; one with a reason is the end."""

    def __init__(self, name: str, server: str) -> None:
        super().__init__(name, server)
        self._calls = 0

    def read(self, row: dict[str, Any]) -> Iterable[Delta]:
        if error := row.get("error"):
            raise EngineRefused(self.name, words(error) or f"{error}")
        if blocked := (row.get("promptFeedback") or {}).get("blockReason"):
            raise RemoteFiltered(self.server, blocked)
        if usage := row.get("usageMetadata"):
            self._count(usage)
        for candidate in row.get("candidates") or []:
            for part in (candidate.get("content") or {}).get("parts") or []:
                yield from self._part(part)
            if reason := candidate.get("finishReason"):
                self._end(reason)

    def _part(self, part: dict[str, Any]) -> Iterable[Delta]:
        if call := part.get("functionCall"):
            number = self._calls
            self._calls += 1
            arguments = json.dumps(call.get("args") or {}, ensure_ascii=False)
            yield ToolCallPart(number, call.get("id") or f"call_{number}", call["name"], arguments)
        elif text := part.get("text"):
            yield Thought(text) if part.get("thought") else Token(text)

    def _count(self, usage: dict[str, Any]) -> None:
        told = self.told
        told.prompt = usage.get("promptTokenCount", told.prompt)
        told.reused = usage.get("cachedContentTokenCount", told.reused)
        told.reasoned = usage.get("thoughtsTokenCount", told.reasoned)
        told.written = usage.get("candidatesTokenCount", 0) + told.reasoned

    def _end(self, reason: str) -> None:
        if reason in FILTERED:
            raise RemoteFiltered(self.server, reason)
        self.complete = True
        self.told.reason = "tool_calls" if self._calls else REASONS.get(reason, "stop")
