"""What is said in a conversation. Knows nothing of trees, templates or engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")
IMAGE = "\ue0f0image\ue0f1"
"""Stands in a text where an image is; no keyboard and no model writes it."""

Tool = dict[str, Any]
"""A tool as OpenAI describes it: `{type: "function", function: {name, description, parameters}}`."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a model asked for; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as the prompt sees it.

    `token_ids` are the ids that a model sampled for `text`; they are sent instead of the text, so that
    re-tokenizing never breaks a cached prefix. They hold only for the tokenizer whose hash is `tokenizer`.
    `reasoning` is what the model thought before it answered, and `reasoning_ids` are the ids of all that it
    wrote before `text`, its tags too. A prompt holds them only where that is asked for.
    """

    role: Role | Literal["tool"]
    text: str
    name: str = ""
    id: str = ""
    token_ids: tuple[int, ...] = ()
    tokenizer: str = ""
    reasoning: str = ""
    reasoning_ids: tuple[int, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""  # of a tool's answer: the call that it answers
    images: tuple[bytes, ...] = ()  # files, one for each IMAGE in `text`
    before: tuple[str | tuple[int, ...], ...] = ()  # what a prompt has in front of the text, as it is
