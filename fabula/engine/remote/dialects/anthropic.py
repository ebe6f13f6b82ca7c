"""Anthropic's dialect. Knows no connection.

Source: Anthropic's API reference (messages, streaming, count tokens, models, prompt caching, extended
thinking, adaptive thinking, capabilities of models). Its parameters are few, and newer models refuse more of
them: only what was changed is sent. Models that tell that they think adaptively refuse a budget of thoughts;
how much they think is said as an effort.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fabula.core.errors import EngineRefused, RemoteBusy, RemoteFiltered
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, FinishReason, Thought, Token, ToolCallPart
from fabula.core.worker import Conversation, Prompt
from fabula.engine.remote.dialects import images
from fabula.engine.remote.dialects.dialect import Asked, Dialect, Offered, as_object, conversation_of, there
from fabula.engine.remote.reading import Reader
from fabula.engine.remote.server import USUAL_WAIT_S, Refused

VERSION = "2023-06-01"
PAGE = 1000
REPLY = 4096  # tokens: the server insists on a limit
LEAST_THOUGHT = 1024  # tokens of reasoning that may be allowed at least
NAMES = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k"}
HONOURED = frozenset(NAMES) | {"max_tokens", "stop", "think", "think_budget", "keep_reasoning"}
ADAPTIVE = "adaptive"  # an ability: the model decides how much it thinks
EFFORTS = ("low", "medium", "high", "xhigh", "max")
HOTTEST = 1.0
REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
}


class Anthropic(Dialect):
    kind = "anthropic"
    label = "Anthropic"
    droppable: Mapping[str, str] = {theirs: ours for ours, theirs in NAMES.items()}

    @classmethod
    def headers(cls, key: str) -> dict[str, str]:
        return {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})

    async def offers(self) -> list[Offered]:
        listed = await self.server.get(f"{self.server.place.api}/models?limit={PAGE}")
        return [
            Offered(
                id=row["id"],
                title=row.get("display_name") or "",
                context=row.get("max_input_tokens") or 0,
                reply_limit=row.get("max_tokens") or 0,
                abilities=_abilities(row.get("capabilities") or {}),
            )
            for row in listed.get("data", [])
        ]

    def sees(self, model: LocalModel) -> bool:
        return "images" in there(model).abilities

    def honoured(self, model: LocalModel) -> frozenset[str]:
        return HONOURED - {"think_budget"} | {"think_effort"} if _is_adaptive(model) else HONOURED

    def effective(self, model: LocalModel, sampling: Sampling, seed: int) -> dict[str, Any]:
        used = super().effective(model, sampling, seed)
        changed, neutral = sampling.changed(), {"temperature": HOTTEST, "top_p": 1.0, "top_k": 0}
        used |= {
            name: value for name, value in neutral.items() if name not in changed or _thinks(model, sampling)
        }
        used["temperature"] = min(used["temperature"], HOTTEST)
        return used | {"max_tokens": sampling.max_tokens or there(model).reply_limit or REPLY}

    def ignored(self, model: LocalModel, sampling: Sampling) -> tuple[str, ...]:
        off = [name for name in NAMES if _thinks(model, sampling) and name in sampling.changed()]
        return (*super().ignored(model, sampling), *off)

    def unheeded(self, model: LocalModel, conversation: Conversation) -> tuple[str, ...]:
        return tuple(f"chat_template_kwargs.{name}" for name in conversation.variables)

    async def ask(
        self, model: LocalModel, prompt: Prompt, sampling: Sampling, used: Mapping[str, Any]
    ) -> Asked:
        talk = conversation_of(model, prompt)
        body: dict[str, Any] = {"model": there(model).model, "stream": True, "max_tokens": used["max_tokens"]}
        changed = sampling.changed()
        if _thinks(model, sampling):
            body |= _thinking(model, sampling, body["max_tokens"])
        else:
            body |= {theirs: used[ours] for ours, theirs in NAMES.items() if ours in changed}
        if stops := [stop for stop in sampling.stop if stop.strip()]:
            body["stop_sequences"] = stops
        body |= conversed(talk)
        _keep_prefix(body)
        return Asked(f"{self.server.place.api}/messages", body)

    def reader(self, model: LocalModel, prompt: Prompt, sampling: Sampling) -> Reader:
        return AnthropicReader(model.name, self.server.name)

    async def weigh(self, model: LocalModel, conversation: Conversation) -> int | None:
        body = {"model": there(model).model} | conversed(conversation)
        try:
            told = await self.server.post(f"{self.server.place.api}/messages/count_tokens", body)
            return int(told["input_tokens"])
        except (Refused, KeyError, TypeError, ValueError):
            return None


def _abilities(told: Mapping[str, Any]) -> tuple[str, ...]:
    """Of a model; older servers tell none, and then it has those that all had."""
    sees = (told.get("image_input") or {}).get("supported", True)
    types = (told.get("thinking") or {}).get("types") or {}
    adaptive = (types.get("adaptive") or {}).get("supported", False)
    return (*(["images"] if sees else []), "tools", *([ADAPTIVE] if adaptive else []))


def _is_adaptive(model: LocalModel) -> bool:
    return ADAPTIVE in there(model).abilities


def _thinks(model: LocalModel, sampling: Sampling) -> bool:
    if _is_adaptive(model):
        return sampling.think is True or (sampling.think is None and bool(sampling.think_effort))
    return sampling.think is True or bool(sampling.think_budget)


def _thinking(model: LocalModel, sampling: Sampling, most: int) -> dict[str, Any]:
    """Without being asked to, newer models leave their thoughts out."""
    if _is_adaptive(model):
        effort = (
            {"output_config": {"effort": sampling.think_effort}} if sampling.think_effort in EFFORTS else {}
        )
        return {"thinking": {"type": "adaptive", "display": "summarized"}} | effort
    budget = max(LEAST_THOUGHT, sampling.think_budget or LEAST_THOUGHT)
    room = {"max_tokens": max(most, budget + LEAST_THOUGHT)}
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} | room


def _keep_prefix(body: dict[str, Any]) -> None:
    """The server keeps what it has read up to the last message for the next turn."""
    content = body["messages"][-1]["content"] if body["messages"] else None
    if content and body["messages"][-1]["role"] == "user":
        content[-1]["cache_control"] = {"type": "ephemeral"}


def conversed(conversation: Conversation) -> dict[str, Any]:
    """System prompt, messages and tools of a body; messages of one role in a row become one."""
    system = [message.text for message in conversation.messages if message.role == "system"]
    rows: list[dict[str, Any]] = []
    for message in conversation.messages:
        if message.role == "system" or not (content := _content(message)):
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if rows and rows[-1]["role"] == role:
            rows[-1]["content"] += content
        else:
            rows.append({"role": role, "content": content})
    if conversation.continues and rows and rows[-1]["role"] == "assistant":
        last = rows[-1]["content"][-1]
        if last["type"] == "text":  # it refuses a reply to lengthen that ends in a space
            last["text"] = last["text"].rstrip()
    body: dict[str, Any] = {"messages": rows}
    if system:
        body["system"] = "\n\n".join(system)
    return body | _tools(conversation)


def _content(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.text}]
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {
            "type": "image",
            "source": {"type": "base64", "media_type": images.kind_of(part), "data": images.coded(part)},
        }
        for part in images.parts(message)
    ]
    return parts + [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": as_object(call.arguments)}
        for call in message.tool_calls
    ]


def _tools(conversation: Conversation) -> dict[str, Any]:
    if not conversation.tools or conversation.tool_choice == "none":
        return {}
    tools = [
        {
            "name": tool["function"]["name"],
            "description": tool["function"].get("description", ""),
            "input_schema": tool["function"].get("parameters") or {"type": "object"},
        }
        for tool in conversation.tools
    ]
    choice: dict[str, Any] = {"type": "any" if conversation.tool_choice == "required" else "auto"}
    if conversation.only_tool:
        choice = {"type": "tool", "name": conversation.only_tool}
    if not conversation.several_calls:
        choice["disable_parallel_tool_use"] = True
    return {"tools": tools, "tool_choice": choice}


class AnthropicReader(Reader):
    """Events that name themselves in `type`; `message_stop` is the end."""

    def __init__(self, name: str, server: str) -> None:
        super().__init__(name, server)
        self._calls: dict[int, int] = {}  # block → number of the call

    def read(self, row: dict[str, Any]) -> Iterable[Delta]:
        match row["type"]:
            case "message_start":
                self._count(row["message"].get("usage") or {})
            case "content_block_start":
                yield from self._begun(row["index"], row["content_block"])
            case "content_block_delta":
                yield from self._more(row["index"], row["delta"])
            case "message_delta":
                self._count(row.get("usage") or {})
                self._end(row.get("delta") or {})
            case "message_stop":
                self.complete = True
            case "error":
                self._fail(row["error"])

    def _begun(self, index: int, block: dict[str, Any]) -> Iterable[Delta]:
        if block["type"] == "tool_use":
            self._calls[index] = len(self._calls)
            yield ToolCallPart(self._calls[index], block["id"], block["name"])
        elif block["type"] == "text" and block.get("text"):
            yield Token(block["text"])

    def _more(self, index: int, delta: dict[str, Any]) -> Iterable[Delta]:
        match delta["type"]:
            case "text_delta":
                yield Token(delta["text"])
            case "thinking_delta":
                yield Thought(delta["thinking"])
            case "input_json_delta":
                yield ToolCallPart(self._calls[index], arguments=delta["partial_json"])

    def _count(self, usage: dict[str, Any]) -> None:
        told = self.told
        if "input_tokens" in usage:
            cached = usage.get("cache_read_input_tokens") or 0
            written = usage.get("cache_creation_input_tokens") or 0
            told.prompt, told.reused = usage["input_tokens"] + cached + written, cached
        told.written = usage.get("output_tokens", told.written)

    def _end(self, delta: dict[str, Any]) -> None:
        reason = delta.get("stop_reason")
        if reason == "refusal":
            raise RemoteFiltered(self.server, reason)
        self.told.reason = REASONS.get(reason or "", "stop")
        self.told.stop_string = delta.get("stop_sequence") or ""

    def _fail(self, error: dict[str, Any]) -> None:
        if error.get("type") == "overloaded_error":
            raise RemoteBusy(self.server, USUAL_WAIT_S)
        raise EngineRefused(self.name, f"{error.get('message', error)}")
