"""What a prompt is made of, and what was left out. Knows no template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from fabula.core.messages import Role, ToolCall
from fabula.core.worker import Pieces

CountTable = Mapping[str, int]
"""Tokens of each text, counted alone."""


class Spoken(Protocol):
    """What a prompt needs to know of a message: `core.messages.Message`, or what is cheaper to make."""

    @property
    def role(self) -> Role | Literal["tool"]: ...
    @property
    def text(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def token_ids(self) -> tuple[int, ...]: ...
    @property
    def tokenizer(self) -> str: ...
    @property
    def before(self) -> tuple[str | tuple[int, ...], ...]: ...
    @property
    def name(self) -> str: ...
    @property
    def reasoning(self) -> str: ...
    @property
    def tool_calls(self) -> tuple[ToolCall, ...]: ...
    @property
    def tool_call_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class NeedCounts:
    """The answer of `assemble` when texts have not been counted yet: count them and call again."""

    texts: tuple[str, ...]


class Segment(NamedTuple):
    """One part of the prompt with the template's text before it: its tokens, and whether it is in.

    A tuple, since a plan has one for each message: a frozen dataclass takes three times as long to make.

    `source` is a message's role, or what the part is ("description", "lore"); `label` names one of several,
    as an entry of a lorebook; `reason` says why it is where it is.
    """

    source: str
    message_id: str
    tokens: int
    included: bool = True
    label: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Break:
    """Where a prompt leaves the one before it, so that an engine has to read again.

    `part` is the first part that differs; `tokens` were known to the engine and are read again.
    """

    part: str
    reason: Literal["changed", "cut", "tail", "moves"]
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptPlan:
    """A prompt that is ready to be sent.

    `tokens` is the sum of the parts counted alone; `turn` tokenizes the whole and checks that.
    """

    pieces: Pieces
    segments: tuple[Segment, ...] = ()
    tokens: int = 0
    cut_messages: int = 0
    broke: Break | None = None
