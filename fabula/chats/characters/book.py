"""The lorebook inside a card, as entries that can be activated. Knows no chat and no prompt.

Fields after SPEC_V3.md of kwaroran/character-card-spec-v3; what SillyTavern adds lies in `extensions`. A card
comes from strangers: what has the wrong type is read as if it were missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fabula.chats.characters.card import Card
from fabula.prompt.lore.entry import Entry, Position, entry_of
from fabula.prompt.lore.settings import LoreSettings

_FLAGS = {
    "exclude_recursion": "excludeRecursion",
    "prevent_recursion": "preventRecursion",
    "ignore_budget": "ignoreBudget",
    "group_override": "groupOverride",
    "match_persona_description": "matchPersonaDescription",
    "match_character_description": "matchCharacterDescription",
    "match_character_personality": "matchCharacterPersonality",
    "match_character_depth_prompt": "matchCharacterDepthPrompt",
    "match_scenario": "matchScenario",
    "match_creator_notes": "matchCreatorNotes",
}
_CHOICES = {"match_whole_words": "matchWholeWords", "use_group_scoring": "useGroupScoring"}
_NUMBERS = {
    "probability": "probability",
    "depth": "depth",
    "selectiveLogic": "selectiveLogic",
    "group_weight": "groupWeight",
    "scan_depth": "scanDepth",
    "delay_until_recursion": "delayUntilRecursion",
    "role": "role",
    "sticky": "sticky",
    "cooldown": "cooldown",
    "delay": "delay",
}
_TEXTS = {"outlet_name": "outletName", "group": "group"}
_MOST = 1_000_000  # of any number: none that makes sense is larger


def entries(card: Card, *, v3: bool = True) -> list[Entry]:
    """In the order of the book; with `v3` all decorators of Character Card V3 hold."""
    listed = (card.book or {}).get("entries")
    rows = listed if isinstance(listed, list) else []
    return [_entry(row, number, card, v3) for number, row in enumerate(rows) if isinstance(row, dict)]


def settings(card: Card) -> LoreSettings:
    """As the book wants to be searched, as usual where it says nothing; words of every script have edges."""
    book = card.book or {}
    usual = LoreSettings(unicode_words=True, v3_regex=True)
    depth, cap = _number(book.get("scan_depth")), _number(book.get("token_budget"))
    recursive = book.get("recursive_scanning")
    return replace(
        usual,
        depth=usual.depth if depth is None else int(depth),
        budget_cap=int(cap or 0),
        recursive=recursive if isinstance(recursive, bool) else usual.recursive,
    )


def _entry(row: Mapping[str, Any], number: int, card: Card, v3: bool) -> Entry:
    more = row.get("extensions")
    more = more if isinstance(more, dict) else {}
    id = row.get("id")
    told: dict[str, Any] = {
        "uid": id if isinstance(id, str | int) else number,
        "key": _listed(row.get("keys")),
        "keysecondary": _listed(row.get("secondary_keys")),
        "comment": _text(row.get("comment")) or _text(row.get("name")),
        "content": _text(row.get("content")),
        "constant": row.get("constant") is True,
        "selective": row.get("selective") is not False,
        "order": _number(row.get("insertion_order")),
        "disable": row.get("enabled") is False,
        "position": _position(row, more),
        "useProbability": more.get("useProbability") is not False,
        "caseSensitive": _choice(row.get("case_sensitive"), more.get("case_sensitive")),
        "use_regex": row.get("use_regex") is True,
        "triggers": _listed(more.get("triggers")),
    }
    told |= {ours: more.get(theirs) is True for theirs, ours in _FLAGS.items()}
    told |= {ours: _choice(more.get(theirs)) for theirs, ours in _CHOICES.items()}
    told |= {ours: _number(more.get(theirs)) for theirs, ours in _NUMBERS.items()}
    told |= {ours: _text(more.get(theirs)) for theirs, ours in _TEXTS.items()}
    told["delayUntilRecursion"] = told["delayUntilRecursion"] or more.get("delay_until_recursion") is True
    return entry_of(told, card.name, v3=v3)


def _position(row: Mapping[str, Any], more: Mapping[str, Any]) -> int:
    """SillyTavern's number, else the specification's word."""
    number = _number(more.get("position"))
    if number is not None and number in list(Position):
        return int(number)
    return Position.AFTER if row.get("position") == "after_char" else Position.BEFORE


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _listed(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _number(value: Any) -> int | float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= _MOST else None


def _choice(*values: Any) -> bool | None:
    return next((value for value in values if isinstance(value, bool)), None)
