"""Effects that last: sticky, cooldown, delay. Knows no key and no budget.

State is kept per chat under "book.uid" as SillyTavern keeps it in the chat's metadata. A message count that
is not past an effect's start undoes it (a swipe, a deletion), unless the effect is protected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from fabula.prompt.lore.entry import Entry

Kind = Literal["sticky", "cooldown"]
KINDS: tuple[Kind, ...] = ("sticky", "cooldown")


@dataclass(frozen=True, slots=True)
class Effect:
    """From `start` to `end` (exclusive), in messages of the chat. `hash` is the entry's mark."""

    hash: int
    start: int
    end: int
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Timers:
    """All effects of one chat. `told` has the number of messages at which an entry was told first, for those
    that want to know it (Character Card V3); it is undone like the others.
    """

    sticky: Mapping[str, Effect] = field(default_factory=dict)
    cooldown: Mapping[str, Effect] = field(default_factory=dict)
    told: Mapping[str, int] = field(default_factory=dict)

    @staticmethod
    def of(metadata: Mapping[str, Any]) -> Timers:
        def effects(kind: Kind) -> dict[str, Effect]:
            rows = metadata.get(kind) or {}
            return {
                key: Effect(row["hash"], int(row["start"]), int(row["end"]), bool(row.get("protected")))
                for key, row in rows.items()
            }

        return Timers(effects("sticky"), effects("cooldown"), dict(metadata.get("told") or {}))

    def all(self) -> dict[str, dict[str, Any]]:
        kept: dict[str, dict[str, Any]] = {
            "sticky": {key: asdict(effect) for key, effect in self.sticky.items()},
            "cooldown": {key: asdict(effect) for key, effect in self.cooldown.items()},
        }
        return kept | ({"told": dict(self.told)} if self.told else {})


@dataclass(slots=True)
class Timing:
    """The effects that hold in one turn, and what becomes of the state."""

    length: int  # messages of the chat
    effects: dict[Kind, dict[str, Effect]]
    active: dict[Kind, set[int]] = field(default_factory=lambda: {"sticky": set(), "cooldown": set()})
    told: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def checked(timers: Timers, entries: Sequence[Entry], length: int, *, dry: bool = False) -> Timing:
        """What is left of the state at `length` messages. A dry run neither ends nor applies effects."""
        timing = Timing(length, {"sticky": dict(timers.sticky), "cooldown": dict(timers.cooldown)})
        timing.told = {id: start for id, start in timers.told.items() if start < length}
        if not dry:
            by_mark = {entry.mark: entry for entry in reversed(entries)}
            timing._check("sticky", by_mark, timing._cool)
            timing._check("cooldown", by_mark, lambda entry: None)
        return timing

    def _check(self, kind: Kind, entries: Mapping[int, Entry], ended: Callable[[Entry], None]) -> None:
        effects = self.effects[kind]
        for key, effect in list(effects.items()):
            entry = entries.get(effect.hash)
            undone = self.length <= effect.start and not effect.protected
            over = self.length >= effect.end
            if undone or (entry and not getattr(entry, kind)):
                del effects[key]
            elif over:
                del effects[key]
                if entry:
                    ended(entry)
            elif entry:
                self.active[kind].add(entry.mark)

    def _cool(self, entry: Entry) -> None:
        """A sticky effect that ends is followed by its cooldown at once."""
        if entry.cooldown:
            self.effects["cooldown"][entry.id] = self._effect(entry, entry.cooldown, protected=True)
            self.active["cooldown"].add(entry.mark)

    def _effect(self, entry: Entry, lasts: int, *, protected: bool = False) -> Effect:
        return Effect(entry.mark, self.length, self.length + lasts, protected)

    @property
    def lasting(self) -> set[int]:
        """Marks of the entries that an effect holds."""
        return self.active["sticky"] | self.active["cooldown"]

    def is_sticky(self, entry: Entry) -> bool:
        return entry.mark in self.active["sticky"]

    def is_cooling(self, entry: Entry) -> bool:
        return entry.mark in self.active["cooldown"]

    def is_delayed(self, entry: Entry) -> bool:
        return self.length < entry.delay

    def was_told(self, entry: Entry) -> bool:
        """In an earlier turn, which was not taken back."""
        return entry.id in self.told

    def after(self, activated: Iterable[Entry]) -> Timers:
        """The state once these entries were used: running effects are not begun anew."""
        for entry in activated:
            for kind in KINDS:
                lasts = getattr(entry, kind)
                if lasts and entry.id not in self.effects[kind]:
                    self.effects[kind][entry.id] = self._effect(entry, lasts)
            if entry.rules.keeps or entry.rules.once:
                self.told.setdefault(entry.id, self.length)
        return Timers(self.effects["sticky"], self.effects["cooldown"], self.told)
