"""The prompt manager of chat completion as data: which prompts there are, and their order. Knows no chat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from fabula.core.messages import Role as MessageRole


class NamesIn(IntEnum):
    """How a chat tells who speaks: not at all, in groups only, in the message's field, in its text."""

    NOWHERE = -1
    GROUPS = 0
    FIELD = 1
    TEXT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Managed:
    """One prompt. A marker is filled by the story; `in_chat` prompts stand `depth` messages from the end."""

    id: str
    role: MessageRole = "system"
    text: str = ""
    is_system: bool = True  # one of the manager's own, not the person's
    in_chat: bool = False
    depth: int = 4
    order: int = 100  # among prompts of one depth: higher is higher up
    keeps_own: bool = False  # no card may replace it
    triggers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """`order` has the ids of the prompts with whether they are on. `each`, `name` and `whole` are the tokens
    that a message, a name and the beginning of the reply cost beside their texts."""

    prompts: Mapping[str, Managed] = field(default_factory=dict)
    order: Sequence[tuple[str, bool]] = ()
    names: int = NamesIn.GROUPS
    new_chat: str = ""
    new_group_chat: str = ""
    new_example: str = ""
    group_nudge: str = ""
    lore_format: str = "{0}"
    scenario_format: str = "{{scenario}}"
    personality_format: str = "{{personality}}"
    impersonation: str = ""
    continue_nudge: str = ""
    continues_by_prefill: bool = False
    replaces_empty: str = ""  # what the person says when the last message is not theirs
    squashes: bool = False
    each: int = 5
    name: int = 1
    whole: int = 3


def managed_of(row: Mapping[str, Any]) -> Managed:
    return Managed(
        id=row["identifier"],
        role=row.get("role") or "system",
        text=row.get("content") or "",
        is_system=row.get("system_prompt", False) is not False,
        in_chat=row.get("injection_position") == 1,
        depth=4 if row.get("injection_depth") is None else int(row["injection_depth"]),
        order=100 if row.get("injection_order") is None else int(row["injection_order"]),
        keeps_own=bool(row.get("forbid_overrides")),
        triggers=frozenset(row.get("injection_trigger") or ()),
    )


DEFAULT_ORDER = 100001
"""The id under which preset files keep the order that holds for every character."""

_NAMES = {
    "names_behavior": "names",
    "new_chat_prompt": "new_chat",
    "new_group_chat_prompt": "new_group_chat",
    "new_example_chat_prompt": "new_example",
    "group_nudge_prompt": "group_nudge",
    "wi_format": "lore_format",
    "scenario_format": "scenario_format",
    "personality_format": "personality_format",
    "impersonation_prompt": "impersonation",
    "continue_nudge_prompt": "continue_nudge",
    "continue_prefill": "continues_by_prefill",
    "send_if_empty": "replaces_empty",
    "squash_system_messages": "squashes",
}


def settings_of(row: Mapping[str, Any], *, order: int = DEFAULT_ORDER) -> ChatSettings:
    """From a chat-completion preset."""
    orders: dict[int, list[Any]] = {
        found["character_id"]: found["order"] for found in row.get("prompt_order") or ()
    }
    chosen = orders.get(order) or next(iter(orders.values()), [])
    return ChatSettings(
        prompts={found["identifier"]: managed_of(found) for found in row.get("prompts") or ()},
        order=tuple((entry["identifier"], bool(entry["enabled"])) for entry in chosen),
        **{ours: row[theirs] for theirs, ours in _NAMES.items() if theirs in row},
    )
