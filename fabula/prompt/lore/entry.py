"""One entry of a lorebook. Knows nothing of chats.

Positions, roles and logic keep the numbers of SillyTavern's files, since entries come and go as such files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Literal

from fabula.prompt.lore.decorators import NO_RULES, Rules, parted, rules
from fabula.prompt.macros.chance import text_hash

_COMMA = re.compile(r",\s*")


class Position(IntEnum):
    BEFORE = 0  # before the character
    AFTER = 1
    NOTE_TOP = 2  # around the author's note
    NOTE_BOTTOM = 3
    DEPTH = 4  # in the chat
    EXAMPLES_TOP = 5
    EXAMPLES_BOTTOM = 6
    OUTLET = 7  # where {{outlet::name}} stands
    PERSONALITY = 100  # behind the card's text; these two are Character Card V3's, not SillyTavern's
    SCENARIO = 101


class Role(IntEnum):
    SYSTEM = 0
    USER = 1
    ASSISTANT = 2


class Logic(IntEnum):
    """How the secondary keys decide."""

    ANY = 0
    NOT_ALL = 1
    NOT_ANY = 2
    ALL = 3


_ROLES = {"system": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}
_PLACES = {
    "before_desc": Position.BEFORE,
    "after_desc": Position.AFTER,
    "personality": Position.PERSONALITY,
    "scenario": Position.SCENARIO,
}
Source = Literal["persona", "description", "personality", "depth_prompt", "scenario", "creator_notes"]
SOURCES: dict[str, Source] = {
    "matchPersonaDescription": "persona",
    "matchCharacterDescription": "description",
    "matchCharacterPersonality": "personality",
    "matchCharacterDepthPrompt": "depth_prompt",
    "matchScenario": "scenario",
    "matchCreatorNotes": "creator_notes",
}
"""Texts besides the chat that an entry may be looked for in, in the order in which they are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`mark` is a hash of the whole entry: its timers end when it is edited.

    `waits` is the level of recursion that an entry waits for (0: none). `sticky`, `cooldown` and `delay` are
    in messages.
    """

    uid: str
    book: str = ""
    keys: tuple[str, ...] = ()
    secondary: tuple[str, ...] = ()
    logic: int = Logic.ANY
    selective: bool = True
    content: str = ""
    comment: str = ""
    decorators: tuple[str, ...] = ()
    constant: bool = False
    disabled: bool = False
    order: float = 100
    position: int = Position.BEFORE
    depth: int = 4
    role: int = Role.SYSTEM
    outlet: str = ""
    ignores_budget: bool = False
    deaf_to_recursion: bool = False
    starts_no_recursion: bool = False
    waits: int = 0
    probability: float = 100
    uses_probability: bool = True
    group: str = ""
    wins_group: bool = False
    weight: float = 100
    scores: bool | None = None
    scan_depth: int | None = None
    case_sensitive: bool | None = None
    whole_words: bool | None = None
    use_regex: bool = False
    sticky: int = 0
    cooldown: int = 0
    delay: int = 0
    triggers: frozenset[str] = frozenset()
    characters: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    excludes: bool = False
    also_in: frozenset[Source] = frozenset()
    mark: int = 0
    rules: Rules = NO_RULES  # decorators of Character Card V3

    @property
    def id(self) -> str:
        return f"{self.book}.{self.uid}"

    @property
    def is_plain(self) -> bool:
        """Whether only its keys decide, and these are looked for where all entries' are. Budget, groups and
        chance come later."""
        decided = self.disabled or self.constant or self.waits or self.deaf_to_recursion or self.delay
        limited = self.triggers or self.characters or self.tags or self.decorators or self.also_in
        usual = self.rules is NO_RULES and self.scan_depth is None
        return usual and bool(self.keys) and not decided and not limited

    @property
    def groups(self) -> list[str]:
        return [name for name in _COMMA.split(self.group) if name]


def entry_of(row: Mapping[str, Any], book: str, *, v3: bool = False) -> Entry:
    """An entry as SillyTavern's world files write it; with `v3` all of its decorators hold."""
    decorators, content = parted(row.get("content") or "")
    plain = _plain_entry(row, book, decorators, content)
    return _ruled(plain, *rules(row.get("content") or "")) if v3 else plain


def _ruled(entry: Entry, found: Rules, content: str) -> Entry:
    """With what its decorators say in place of what its fields say."""
    if found == NO_RULES:
        return replace(entry, content=content, decorators=())
    changes: dict[str, Any] = {"rules": found, "content": content, "decorators": ()}
    changes |= {"constant": entry.constant or found.constant}
    changes |= {} if found.scan_depth is None else {"scan_depth": found.scan_depth}
    changes |= {"role": _ROLES[found.role]} if found.role else {}
    placed = found.placed
    if placed == "position":
        changes["position"] = _PLACES[found.position]
    elif placed:
        changes |= {"position": Position.DEPTH, "depth": found.depth or 0}
    return replace(entry, **changes)


def _plain_entry(row: Mapping[str, Any], book: str, decorators: tuple[str, ...], content: str) -> Entry:
    only = row.get("characterFilter") or {}
    waits = row.get("delayUntilRecursion") or 0
    return Entry(
        uid=str(row.get("uid", "")),
        book=book,
        keys=_texts(row.get("key")),
        secondary=_texts(row.get("keysecondary")),
        logic=row.get("selectiveLogic") or 0,
        selective=row.get("selective", True) is not False,
        content=content,
        comment=row.get("comment") or "",
        decorators=decorators,
        constant=bool(row.get("constant")),
        disabled=bool(row.get("disable")),
        order=_number(row.get("order"), 100),
        position=row.get("position") or 0,
        depth=4 if row.get("depth") is None else int(row["depth"]),
        role=row.get("role") or 0,
        outlet=row.get("outletName") or "",
        ignores_budget=bool(row.get("ignoreBudget")),
        deaf_to_recursion=bool(row.get("excludeRecursion")),
        starts_no_recursion=bool(row.get("preventRecursion")),
        waits=int(waits),
        probability=_number(row.get("probability"), 100),
        uses_probability=bool(row.get("useProbability", True)),
        group=row.get("group") or "",
        wins_group=bool(row.get("groupOverride")),
        weight=_number(row.get("groupWeight"), 100),
        scores=row.get("useGroupScoring"),
        scan_depth=row.get("scanDepth"),
        case_sensitive=row.get("caseSensitive"),
        whole_words=row.get("matchWholeWords"),
        use_regex=bool(row.get("use_regex") or row.get("useRegex")),
        sticky=row.get("sticky") or 0,
        cooldown=row.get("cooldown") or 0,
        delay=row.get("delay") or 0,
        triggers=frozenset(row.get("triggers") or ()),
        characters=frozenset(only.get("names") or ()),
        tags=frozenset(only.get("tags") or ()),
        excludes=bool(only.get("isExclude")),
        also_in=frozenset(source for field, source in SOURCES.items() if row.get(field)),
        mark=_mark(row, book, decorators, content),
    )


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(map(str, values)) if isinstance(values, (list, tuple)) else ()


def _number(value: Any, default: float) -> float:
    return default if value is None else value


def _mark(row: Mapping[str, Any], book: str, decorators: tuple[str, ...], content: str) -> int:
    """SillyTavern's: over the entry's JSON, its book's name behind its id. 0 for entries without timers."""
    if not (row.get("sticky") or row.get("cooldown")):
        return 0
    rest = {key: value for key, value in row.items() if key != "uid"}
    whole = {"uid": row.get("uid"), "world": book, **rest, "decorators": list(decorators)}
    whole["content"] = content  # stays in its place where it has one
    return text_hash(json.dumps(whole, separators=(",", ":"), ensure_ascii=False))
