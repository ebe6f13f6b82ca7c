"""Why an entry is in the prompt or is not. Knows no rule: `activate` tells what it did."""

from __future__ import annotations

from typing import Literal, NamedTuple

from fabula.prompt.lore.entry import Entry

Reason = Literal[
    # in
    "constant",
    "key",
    "sticky",
    "decorator",
    "external",
    "kept",
    # out
    "disabled",
    "trigger",
    "character",
    "tag",
    "delay",
    "cooldown",
    "waits_for_recursion",
    "deaf_to_recursion",
    "switched_off",
    "no_keys",
    "key_missing",
    "secondary_keys",
    "slow_key",
    "group",
    "probability",
    "budget",
    "empty",
    "not_reached",
    # out by a decorator of Character Card V3
    "too_early",
    "not_this_turn",
    "told_before",
    "other_greeting",
    "other_icon",
    "additional_keys",
    "excluded_key",
    "context_full",
]


class Verdict(NamedTuple):
    """What became of an entry in one turn. A tuple, since every turn makes one for each entry.

    `key` is the one that matched, `step` the pass (from 1) in which it was decided, `tokens` what its text
    costs where that was counted.
    """

    entry: Entry
    fired: bool
    reason: Reason
    key: str = ""
    step: int = 0
    tokens: int = 0
