"""The entries of a lorebook's document as the prompt takes them. Knows no database.

A file comes from strangers: what has the wrong type is read as if it were missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fabula.chats.items import Item
from fabula.chats.lorebooks.files import USUAL
from fabula.prompt.lore.entry import SOURCES, Entry, Position, entry_of

KEPT = 64  # lorebooks
MOST = 1_000_000  # of any number: none that makes sense is larger
_LISTS = ("key", "keysecondary", "triggers")
_TEXTS = ("comment", "content", "outletName", "group", "automationId")
_FLAGS = (
    *("constant", "disable", "ignoreBudget", "excludeRecursion", "preventRecursion", "groupOverride"),
    *("vectorized", "use_regex", *SOURCES),
)
_CHOICES = ("caseSensitive", "matchWholeWords", "useGroupScoring")
_WHOLE = ("selectiveLogic", "depth", "scanDepth", "role", "sticky", "cooldown", "delay")
_NUMBERS = ("order", "probability", "groupWeight")


def entries(name: str, world: Mapping[str, Any], *, v3: bool = True) -> list[Entry]:
    """In the order of the file. `name` is the lorebook's, by which timers know it. `v3`: all decorators of
    Character Card V3 hold, not only the two that SillyTavern acts upon."""
    found = world.get("entries")
    rows = found.items() if isinstance(found, dict) else ()
    return [entry_of(sane({"uid": key} | row), name, v3=v3) for key, row in rows if isinstance(row, dict)]


def sane(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with every field that counts in its right type; what else there is stays."""
    made = dict(row)
    for names, fits in _KINDS:
        for name in names:
            if name in made and not fits(made[name]):
                made[name] = USUAL.get(name)
    if made.get("position") not in list(Position):
        made["position"] = Position.BEFORE
    waits = made.get("delayUntilRecursion")
    made["delayUntilRecursion"] = int(waits) if isinstance(waits, int | float) and 0 <= waits <= MOST else 0
    only = made.get("characterFilter")
    made["characterFilter"] = only if isinstance(only, dict) and _is_filter(only) else {}
    if not isinstance(made.get("uid"), int | str):
        made["uid"] = 0
    return made


def _is_filter(only: Mapping[str, Any]) -> bool:
    return all(only.get(name) is None or _is_listed(only[name]) for name in ("names", "tags"))


def _is_listed(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -MOST <= value <= MOST


def _is_whole(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST)


_KINDS: tuple[tuple[tuple[str, ...], Callable[[Any], bool]], ...] = (
    (_LISTS, _is_listed),
    (_TEXTS, lambda value: isinstance(value, str)),
    (_FLAGS, lambda value: isinstance(value, bool)),
    (_CHOICES, lambda value: value is None or isinstance(value, bool)),
    (_WHOLE, _is_whole),
    (_NUMBERS, _is_number),
    (("useProbability", "selective"), lambda value: isinstance(value, bool)),
)


class Parsed:
    """Entries of lorebooks that were read before: a large one is not taken apart anew at every turn."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, bool], tuple[int, tuple[Entry, ...]]] = {}

    def entries(self, item: Item, name: str, *, v3: bool) -> tuple[Entry, ...]:
        """`name` is what no other lorebook of the turn has."""
        key = (item.id, name, v3)
        found = self._known.get(key)
        if found is None or found[0] != item.revision:
            found = (item.revision, tuple(entries(name, item.document, v3=v3)))
            while len(self._known) >= KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[key] = found
        return found[1]
