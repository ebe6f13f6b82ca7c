"""How lorebooks are searched. Knows no entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Strategy(IntEnum):
    """Whose entries go first into the budget: those of the character or those that are always on."""

    EVENLY = 0
    CHARACTER_FIRST = 1
    GLOBAL_FIRST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LoreSettings:
    """`depth` in messages, `budget` in percent of the context without the reply, `budget_cap` in tokens.

    `unicode_words`: edges of words in every script. `v3_regex`: entries that say `use_regex` have expressions
    as keys. `regex_limit_s`: for one key on one text.
    """

    depth: int = 2
    budget: float = 25
    budget_cap: int = 0
    include_names: bool = True
    recursive: bool = True
    max_recursion_steps: int = 0
    case_sensitive: bool = False
    whole_words: bool = True
    min_activations: int = 0
    min_activations_depth: int = 0
    group_scoring: bool = False
    strategy: int = Strategy.CHARACTER_FIRST
    unicode_words: bool = False
    v3_regex: bool = False
    regex_limit_s: float | None = 0.1

    def tokens(self, context: int) -> int:
        """The budget of a context of so many tokens (the reply's already taken off)."""
        share = int(self.budget * context / 100 + 0.5) or 1
        return min(share, self.budget_cap) if self.budget_cap > 0 else share


_NAMES = {
    "depth": "depth",
    "budget": "budget",
    "budget_cap": "budget_cap",
    "include_names": "include_names",
    "recursive": "recursive",
    "max_recursion_steps": "max_recursion_steps",
    "case_sensitive": "case_sensitive",
    "match_whole_words": "whole_words",
    "min_activations": "min_activations",
    "min_activations_depth_max": "min_activations_depth",
    "use_group_scoring": "group_scoring",
    "character_strategy": "strategy",
}


def settings_of(row: Mapping[str, Any]) -> LoreSettings:
    """SillyTavern's settings, with or without `world_info_` in front; what is missing is as shipped."""
    bare = {key.removeprefix("world_info_"): value for key, value in row.items()}
    return LoreSettings(**{ours: bare[theirs] for theirs, ours in _NAMES.items() if theirs in bare})
