"""Lorebooks of any program as one document, and back. Knows no database.

The document is a world file as SillyTavern writes it: `{entries: {uid: entry}}`, the names of an entry's
fields being those of SillyTavern 1.19. Whatever else a file says is kept in the document. What other programs
call things was read from files that they write: Character Card V2 and V3 books (SPEC_V3.md of
kwaroran/character-card-spec-v3), NovelAI lorebooks (`lorebookVersion` 1-5), Agnaistic memory books
(`kind: memory`) and RisuAI lorebooks (`type: risu`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import Any

from fabula.core.errors import LorebookUnreadable
from fabula.core.texts import phrase

Document = dict[str, Any]
LIMIT = 32 << 20  # bytes of one file
USUAL: Mapping[str, Any] = {
    "key": [],
    "keysecondary": [],
    "comment": "",
    "content": "",
    "constant": False,
    "vectorized": False,
    "selective": True,
    "selectiveLogic": 0,
    "addMemo": True,
    "order": 100,
    "position": 0,
    "disable": False,
    "ignoreBudget": False,
    "excludeRecursion": False,
    "preventRecursion": False,
    "delayUntilRecursion": 0,
    "probability": 100,
    "useProbability": True,
    "depth": 4,
    "outletName": "",
    "group": "",
    "groupOverride": False,
    "groupWeight": 100,
    "scanDepth": None,
    "caseSensitive": None,
    "matchWholeWords": None,
    "useGroupScoring": None,
    "automationId": "",
    "role": 0,
    "sticky": None,
    "cooldown": None,
    "delay": None,
    "triggers": [],
}
"""A new entry, as SillyTavern makes it."""

BOOK_FIELDS = {
    "keys": "key",
    "secondary_keys": "keysecondary",
    "content": "content",
    "comment": "comment",
    "constant": "constant",
    "selective": "selective",
    "insertion_order": "order",
    "case_sensitive": "caseSensitive",
    "use_regex": "use_regex",
}
EXTENSIONS = {
    "position": "position",
    "exclude_recursion": "excludeRecursion",
    "prevent_recursion": "preventRecursion",
    "delay_until_recursion": "delayUntilRecursion",
    "probability": "probability",
    "useProbability": "useProbability",
    "depth": "depth",
    "selectiveLogic": "selectiveLogic",
    "outlet_name": "outletName",
    "group": "group",
    "group_override": "groupOverride",
    "group_weight": "groupWeight",
    "scan_depth": "scanDepth",
    "case_sensitive": "caseSensitive",
    "match_whole_words": "matchWholeWords",
    "use_group_scoring": "useGroupScoring",
    "automation_id": "automationId",
    "role": "role",
    "vectorized": "vectorized",
    "sticky": "sticky",
    "cooldown": "cooldown",
    "delay": "delay",
    "match_persona_description": "matchPersonaDescription",
    "match_character_description": "matchCharacterDescription",
    "match_character_personality": "matchCharacterPersonality",
    "match_character_depth_prompt": "matchCharacterDepthPrompt",
    "match_scenario": "matchScenario",
    "match_creator_notes": "matchCreatorNotes",
    "triggers": "triggers",
    "ignore_budget": "ignoreBudget",
    "display_index": "displayIndex",
}
"""SillyTavern's names inside `extensions` of a book's entry, and those of its own files."""


def read(name: str, content: bytes) -> tuple[str, Document]:
    """A lorebook's name and document from the bytes of a file. Raises LorebookUnreadable."""
    if len(content) > LIMIT:
        raise LorebookUnreadable(name, phrase("lorebooks.reason.too_large"))
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as broken:
        raise LorebookUnreadable(name, phrase("lorebooks.reason.not_json")) from broken
    return document(PurePath(name).stem, found)


def document(name: str, found: Any) -> tuple[str, Document]:
    """From what a file's JSON says; also from a whole card with a book in it. Raises LorebookUnreadable."""
    read = next((read for fits, read in _FORMS if isinstance(found, dict) and fits(found)), None)
    if read is None:
        raise LorebookUnreadable(name, phrase("lorebooks.reason.no_entries"))
    made = read(found)
    own = made.get("name") or found.get("name")
    return (own if isinstance(own, str) and own.strip() else name), made


def entry(fields: Mapping[str, Any], uid: int) -> Document:
    """A whole entry from some of its fields."""
    return {"uid": uid, **USUAL, **{name: value for name, value in fields.items() if name != "uid"}}


def as_book(name: str, world: Mapping[str, Any]) -> Document:
    """As Character Card V3 hands a lorebook out alone: `{spec: lorebook_v3, data}`."""
    data: Document = {"name": name, "extensions": {}, "entries": []}
    data |= {key: world[key] for key in ("description", "scan_depth", "token_budget") if key in world}
    if "recursive_scanning" in world:
        data["recursive_scanning"] = world["recursive_scanning"]
    data["entries"] = [_book_entry(row) for row in rows_of(world)]
    return {"spec": "lorebook_v3", "data": data}


def rows_of(world: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries of a document, in the order of the file."""
    found = world.get("entries")
    return [row for row in found.values() if isinstance(row, dict)] if isinstance(found, dict) else []


def _book_entry(row: Mapping[str, Any]) -> Document:
    made = {theirs: row.get(ours, USUAL.get(ours)) for theirs, ours in BOOK_FIELDS.items()}
    made |= {"id": row.get("uid", 0), "enabled": not row.get("disable")}
    made["use_regex"] = row.get("use_regex") is True
    made["position"] = "before_char" if row.get("position", 0) == 0 else "after_char"
    made["extensions"] = {theirs: row[ours] for theirs, ours in EXTENSIONS.items() if ours in row}
    return made


# ── forms ───────────────────────────────────────────────────────────────────────────────────────────


def _world(found: Document) -> Document:
    return found


def _book(found: Document) -> Document:
    """A card's book. Its entries keep their numbers where these are numbers of their own."""
    kept = {key: value for key, value in found.items() if key not in ("entries", "extensions")}
    return kept | _numbered(_of_book(row) for row in found["entries"] if isinstance(row, dict))


def _of_book(row: Mapping[str, Any]) -> Document:
    more = row.get("extensions")
    more = more if isinstance(more, dict) else {}
    made = {ours: row[theirs] for theirs, ours in BOOK_FIELDS.items() if theirs in row}
    made["comment"] = row.get("comment") or row.get("name") or ""
    made["disable"] = row.get("enabled") is False
    made["position"] = 1 if row.get("position") == "after_char" else 0
    return made | {ours: more[theirs] for theirs, ours in EXTENSIONS.items() if theirs in more}


def _novelai(found: Document) -> Document:
    entries = [row for row in found["entries"] if isinstance(row, dict)]
    return _numbered(
        {
            "key": row.get("keys") or [],
            "comment": row.get("displayName") or "",
            "content": row.get("text") or "",
            "disable": row.get("enabled") is False,
            "constant": row.get("forceActivation") is True,
            "order": _of(row, "contextConfig", "budgetPriority", 100),
        }
        for row in entries
    )


def _of(row: Mapping[str, Any], part: str, name: str, usual: Any) -> Any:
    inner = row.get(part)
    return inner.get(name, usual) if isinstance(inner, dict) else usual


def _agnaistic(found: Document) -> Document:
    return _numbered(
        {
            "key": row.get("keywords") or [],
            "comment": row.get("name") or "",
            "content": row.get("entry") or "",
            "disable": row.get("enabled") is False,
            "order": row.get("weight", 100),
        }
        for row in found["entries"]
        if isinstance(row, dict)
    )


def _risu(found: Document) -> Document:
    return _numbered(
        {
            "key": _split(row.get("key")),
            "keysecondary": _split(row.get("secondkey")),
            "selective": row.get("selective") is True,
            "comment": row.get("comment") or "",
            "content": row.get("content") or "",
            "constant": row.get("alwaysActive") is True,
            "order": row.get("insertorder", 100),
            "use_regex": row.get("useRegex") is True,
        }
        for row in found["data"]
        if isinstance(row, dict)
    )


def _split(keys: Any) -> list[str]:
    return [key.strip() for key in keys.split(",") if key.strip()] if isinstance(keys, str) else []


def _numbered(rows: Iterable[Mapping[str, Any]]) -> Document:
    return {"entries": {str(number): entry(row, number) for number, row in enumerate(rows)}}


def _has_list(found: Document) -> bool:
    return isinstance(found.get("entries"), list)


_FORMS: tuple[tuple[Callable[[Document], bool], Callable[[Document], Document]], ...] = (
    (lambda found: isinstance(found.get("entries"), dict), _world),
    (lambda found: "lorebookVersion" in found and _has_list(found), _novelai),
    (lambda found: found.get("kind") == "memory" and _has_list(found), _agnaistic),
    (lambda found: found.get("type") == "risu" and isinstance(found.get("data"), list), _risu),
    (_has_list, _book),
    (
        lambda found: isinstance(found.get("data"), dict) and _has_list(found["data"]),
        lambda found: _book(found["data"]),
    ),
    (
        lambda found: (
            isinstance(_of(found, "data", "character_book", None), dict)
            and _has_list(found["data"]["character_book"])
        ),
        lambda found: _book(found["data"]["character_book"]),
    ),
)
"""What a document looks like, and how it is read. The first that fits is it."""
