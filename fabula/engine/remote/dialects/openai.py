"""OpenAI's dialect, as many servers speak it; how they differ is `flavours`. Knows no connection.

Source: OpenAI's API reference (chat completions, completions, models), and what servers send beside it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fabula.core.errors import EngineRefused, RemoteFiltered
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.stream import Choice, Delta, Finished, FinishReason, Thought, Token, ToolCallPart
from fabula.core.worker import Conversation, Prompt
from fabula.engine.remote import numbers
from fabula.engine.remote.dialects import images
from fabula.engine.remote.dialects.dialect import Asked, Dialect, Offered, text_of, there
from fabula.engine.remote.dialects.flavours import Flavour
from fabula.engine.remote.reading import Reader
from fabula.engine.remote.server import Refused, Server, words

UNKNOWN_ID = -1
REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")


class OpenAi(Dialect):
    def __init__(self, server: Server, flavour: Flavour) -> None:
        super().__init__(server)
        self.flavour = flavour
        self.kind, self.label = flavour.kind, flavour.label  # type: ignore[misc]  # one class for them all
        self.droppable = {theirs: ours for ours, theirs in flavour.names.items()} | {
            "logit_bias": "logit_bias",
            "logprobs": "logprobs",
            "top_logprobs": "logprobs",
            "stop": "stop",
            "response_format": "json_schema",
            "reasoning_effort": "think_effort",
        }

    @property
    def _api(self) -> str:
        return self.server.place.api

    # ── what it has ─────────────────────────────────────────────────────────────────────────────────

    async def offers(self) -> list[Offered]:
        listed = await self.server.get(f"{self._api}/models")
        rows = listed.get("data", []) if isinstance(listed, dict) else []
        more = await self._more()
        return [_offered(row | more.get(row["id"], {})) for row in rows if isinstance(row.get("id"), str)]

    async def _more(self) -> dict[str, dict[str, Any]]:
        """What LM Studio tells only in a list of its own."""
        if self.kind != "lmstudio":
            return {}
        listed = await self.server.find(f"{self.server.place.base}/api/v0/models") or {}
        return {row["id"]: row for row in listed.get("data", []) if row.get("type") in (None, "llm", "vlm")}

    def sees(self, model: LocalModel) -> bool:
        """Where a list of abilities is told, it is believed."""
        return not there(model).abilities or "images" in there(model).abilities

    def honoured(self, model: LocalModel) -> frozenset[str]:
        names, told = self.flavour.honoured, there(model).parameters
        if not told:
            return names
        theirs = {**self.flavour.names, **_SPECIAL_NAMES}
        return frozenset(name for name in names if name not in theirs or theirs[name] in told)

    def unheeded(self, model: LocalModel, conversation: Conversation) -> tuple[str, ...]:
        lost = ["continue"] if conversation.continues and self.flavour.prefill == "none" else []
        if conversation.variables and not self.flavour.variables:
            lost += [f"chat_template_kwargs.{name}" for name in conversation.variables]
        return tuple(lost)

    # ── how it is asked ─────────────────────────────────────────────────────────────────────────────

    async def ask(
        self, model: LocalModel, prompt: Prompt, sampling: Sampling, used: Mapping[str, Any]
    ) -> Asked:
        body: dict[str, Any] = {"model": there(model).model, "stream": True}
        body["stream_options"] = {"include_usage": True}
        body |= self._numbers(model, sampling, used)
        if prompt.conversation is None:
            logprobs = {} if sampling.logprobs is None else {"logprobs": sampling.logprobs}
            return Asked(f"{self._api}/completions", body | logprobs | {"prompt": _raw(prompt, self.kind)})
        honoured = self.honoured(model)
        if sampling.logprobs is not None and "logprobs" in honoured:
            body |= {"logprobs": True, "top_logprobs": sampling.logprobs}
        body |= self._thinking(sampling) | conversed(prompt.conversation)
        if prompt.conversation.variables and self.flavour.variables:
            body[self.flavour.variables] = body.get(self.flavour.variables, {}) | dict(
                prompt.conversation.variables
            )
        if prompt.conversation.continues and self.flavour.prefill == "flag":
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        if self.kind == "openrouter":
            body["usage"] = {"include": True}
        return Asked(f"{self._api}/chat/completions", body)

    def _numbers(self, model: LocalModel, sampling: Sampling, used: Mapping[str, Any]) -> dict[str, Any]:
        honoured, changed = self.honoured(model), sampling.changed()
        sent = {
            ours: theirs
            for ours, theirs in self.flavour.names.items()
            if ours in honoured and (ours in changed or ours not in self.flavour.asked_only)
        }
        body = numbers.named({name: _plain(value) for name, value in used.items()}, sent)
        if sampling.max_tokens is not None:
            body[self.flavour.limit] = sampling.max_tokens
        if stops := [stop for stop in sampling.stop if stop]:
            body["stop"] = stops
        if "logit_bias" in honoured and (bias := numbers.bias(sampling)):
            body["logit_bias"] = bias
        return body | self._form(sampling, honoured)

    def _form(self, sampling: Sampling, honoured: frozenset[str]) -> dict[str, Any]:
        if sampling.json_schema and "json_schema" in honoured:
            schema = {"name": "reply", "schema": json.loads(sampling.json_schema), "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        if self.flavour.kind != "vllm":
            return {}
        form = {"regex": sampling.regex, "grammar": sampling.grammar}
        asked = {name: value for name, value in form.items() if value}
        return {"structured_outputs": asked} if asked else {}

    def _thinking(self, sampling: Sampling) -> dict[str, Any]:
        think, effort, budget = sampling.think, sampling.think_effort, sampling.think_budget
        match self.flavour.thinks:
            case "effort":
                return {"reasoning_effort": effort} if effort else {}
            case "openrouter":
                asked = {"enabled": think, "effort": effort or None, "max_tokens": budget}
                said = {name: value for name, value in asked.items() if value is not None}
                return {"reasoning": said} if said else {}
            case "vllm":
                more: dict[str, Any] = {"reasoning_effort": effort} if effort else {}
                more |= {} if budget is None else {"thinking_token_budget": budget}
                switch = {} if think is None else {"chat_template_kwargs": {"enable_thinking": think}}
                return more | switch
            case "fabula":
                asked = {"think": think, "think_effort": effort or None, "think_budget": budget}
                return {name: value for name, value in asked.items() if value is not None}
        return {}

    def settled(self, used: dict[str, Any], finished: Finished) -> dict[str, Any]:
        return used | (finished.effective or {})

    # ── how it is read ──────────────────────────────────────────────────────────────────────────────

    def reader(self, model: LocalModel, prompt: Prompt, sampling: Sampling) -> Reader:
        return ChatReader(model.name, self.server.name, sampling.logprobs)

    # ── counting ────────────────────────────────────────────────────────────────────────────────────

    async def weigh(self, model: LocalModel, conversation: Conversation) -> int | None:
        rows = conversed(conversation)["messages"]
        base, id = self.server.place.base, there(model).model
        try:
            match self.flavour.counter:
                case "vllm":
                    told = await self.server.post(f"{base}/tokenize", {"model": id, "messages": rows})
                    return int(told["count"])
                case "tabby":
                    told = await self.server.post(f"{self._api}/token/encode", {"text": rows})
                    return int(told["length"])
                case "textgen":
                    text = "\n".join(images.without(message) for message in conversation.messages)
                    told = await self.server.post(f"{self._api}/internal/token-count", {"text": text})
                    return int(told["length"])
        except (Refused, KeyError, TypeError, ValueError):
            return None  # it has no such endpoint after all; it refuses by itself what is too long
        return None


class OpenAiWithTokens(OpenAi):
    """vLLM and Fabula, which tell tokens beside OpenAI's routes, each in its own way."""

    async def tokenized(self, prompt: Prompt) -> list[int]:
        text = text_of(prompt)
        asked = {"model": self._asked_model, **TOKENS[self.kind].asked(text, prompt.add_special)}
        told = await self.server.post(self.server.place.base + TOKENS[self.kind].tokenize, asked)
        return [int(id) for id in told["tokens"]]

    async def counted(self, texts: Sequence[str]) -> list[int]:
        prompts = (Prompt((text,), add_special=False) for text in texts)
        return [len(await self.tokenized(prompt)) if prompt.pieces[0] else 0 for prompt in prompts]

    async def spelled(self, ids: Sequence[int]) -> str:
        asked = {"model": self._asked_model, "tokens": list(ids)}
        told = await self.server.post(self.server.place.base + TOKENS[self.kind].detokenize, asked)
        return f"{told[TOKENS[self.kind].text]}"

    async def look(self, id: str) -> Offered | None:
        self._asked_model = id
        return await super().look(id)


@dataclass(frozen=True, slots=True)
class _Tokens:
    tokenize: str
    detokenize: str
    asked: Callable[[str, bool], dict[str, Any]]
    text: str  # the field of a spelled text


TOKENS = {
    "vllm": _Tokens(
        "/tokenize",
        "/detokenize",
        lambda text, special: {"prompt": text, "add_special_tokens": special},
        "prompt",
    ),
    "fabula": _Tokens(
        "/api/fabula/v1/tokenize",
        "/api/fabula/v1/detokenize",
        lambda text, special: {"text": text, "add_special": special},
        "text",
    ),
}

_SPECIAL_NAMES = {
    "max_tokens": "max_tokens",
    "stop": "stop",
    "logit_bias": "logit_bias",
    "banned_tokens": "logit_bias",
    "logprobs": "logprobs",
    "json_schema": "response_format",
    "think": "reasoning",
    "think_effort": "reasoning",
    "think_budget": "reasoning",
}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _raw(prompt: Prompt, kind: str) -> str | list[int]:
    """Ids are taken by servers that are known to."""
    if kind in ("vllm", "fabula") and len(prompt.pieces) == 1 and isinstance(prompt.pieces[0], tuple):
        return list(prompt.pieces[0])
    return text_of(prompt)


def _offered(row: dict[str, Any]) -> Offered:
    """From the fields that servers have beside OpenAI's four."""
    inputs = row.get("architecture", {}).get("input_modalities", []) if "architecture" in row else []
    supported = row.get("supported_parameters") or []
    abilities = [
        name for name, found in (("images", "image" in inputs), ("tools", "tools" in supported)) if found
    ]
    abilities += ["thinking"] if "reasoning" in supported else []
    if row.get("type") == "vlm":
        abilities.append("images")
    context = next((row[name] for name in _CONTEXTS if isinstance(row.get(name), int)), 0)
    limit = (row.get("top_provider") or {}).get("max_completion_tokens") or 0
    return Offered(
        id=row["id"],
        title=row.get("name") or "",
        context=context,
        reply_limit=limit,
        abilities=tuple(abilities),
        parameters=tuple(supported),
        quantization=row.get("quantization") or "",
    )


_CONTEXTS = (
    "loaded_context_length",
    "max_model_len",
    "context_length",
    "context_window",
    "max_context_length",
)


# ── messages ────────────────────────────────────────────────────────────────────────────────────────


def conversed(conversation: Conversation) -> dict[str, Any]:
    """The messages and tools of a body."""
    body: dict[str, Any] = {"messages": [_row(message) for message in conversation.messages]}
    if not conversation.tools or conversation.tool_choice == "none":
        return body
    choice: Any = conversation.tool_choice
    if conversation.only_tool:
        choice = {"type": "function", "function": {"name": conversation.only_tool}}
    body |= {"tools": list(conversation.tools), "tool_choice": choice}
    return body if conversation.several_calls else body | {"parallel_tool_calls": False}


def _row(message: Message) -> dict[str, Any]:
    row: dict[str, Any] = {"role": message.role, "content": _content(message)}
    if message.reasoning:
        row["reasoning_content"] = message.reasoning
    if message.tool_calls:
        row["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        row["tool_call_id"] = message.tool_call_id
    return row


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.text
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {
            "type": "image_url",
            "image_url": {"url": f"data:{images.kind_of(part)};base64,{images.coded(part)}"},
        }
        for part in images.parts(message)
    ]


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────


class ChatReader(Reader):
    """Chunks of chat completions, and of completions. One finish reason is an end marker as `[DONE]` is: some
    servers leave that out."""

    def __init__(self, name: str, server: str, logprobs: int | None = None) -> None:
        super().__init__(name, server)
        self._logprobs = logprobs

    def read(self, row: dict[str, Any]) -> Iterable[Delta]:
        if error := row.get("error"):
            raise EngineRefused(self.name, words(error) or f"{error}")
        if usage := row.get("usage"):
            self._count(usage)
        for choice in row.get("choices") or []:
            yield from self._choice(choice)
        self._beside(row.get("fabula"))

    def _choice(self, choice: dict[str, Any]) -> Iterable[Delta]:
        delta = choice.get("delta") or {}
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            yield Thought(thought)
        for call in delta.get("tool_calls") or []:
            function = call.get("function") or {}
            yield ToolCallPart(
                call.get("index", 0),
                call.get("id") or "",
                function.get("name") or "",
                function.get("arguments") or "",
            )
        yield from self._text(delta.get("content") or choice.get("text") or "", choice.get("logprobs"))
        if reason := choice.get("finish_reason"):
            self._end(reason, choice.get("stop_reason"))

    def _text(self, text: str, logprobs: Any) -> Iterable[Delta]:
        if self._logprobs is not None and isinstance(logprobs, dict):
            entries = logprobs.get("content") or _entries(logprobs)
            if entries:
                yield from (self._token(entry) for entry in entries)
                return
        if text:
            yield Token(text)

    def _token(self, entry: dict[str, Any]) -> Token:
        likeliest = tuple(_choice(other) for other in entry.get("top_logprobs") or [])
        return Token(entry["token"], (), _choice(entry), likeliest[: self._logprobs])

    def _end(self, reason: str, stop_reason: Any) -> None:
        if reason == "content_filter":
            raise RemoteFiltered(self.server, reason)
        self.complete = True
        self.told.reason = REASONS.get(reason, "stop")
        self.told.stop_string = stop_reason if isinstance(stop_reason, str) else ""

    def _count(self, usage: dict[str, Any]) -> None:
        told = self.told
        told.prompt = usage.get("prompt_tokens") or 0
        told.written = usage.get("completion_tokens") or 0
        told.reused = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", told.reused)
        told.reasoned = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
        cost = usage.get("cost")
        told.cost = float(cost) if isinstance(cost, int | float) else None

    def _beside(self, facts: Any) -> None:
        """What a studio of Fabula tells beside: what it really used."""
        if isinstance(facts, dict):
            self.told.effective = facts.get("effective")
            self.told.ignored = tuple(f"{name}" for name in facts.get("ignored") or ())


def _choice(entry: dict[str, Any]) -> Choice:
    logprob = entry.get("logprob")
    value = -math.inf if logprob is None else float(logprob)
    return Choice(UNKNOWN_ID, entry["token"], value, tuple(entry.get("bytes") or entry["token"].encode()))


def _entries(logprobs: dict[str, Any]) -> list[dict[str, Any]]:
    """The older shape, of completions: lists side by side."""
    tokens, values = logprobs.get("tokens") or [], logprobs.get("token_logprobs") or []
    tops = logprobs.get("top_logprobs") or [{}] * len(tokens)
    return [
        {
            "token": token,
            "logprob": value,
            "top_logprobs": [{"token": name, "logprob": amount} for name, amount in (top or {}).items()],
        }
        for token, value, top in zip(tokens, values, tops, strict=False)
    ]
