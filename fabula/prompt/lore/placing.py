"""Where activated entries stand. Knows no key and no budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fabula.prompt.lore.entry import Entry, Position, Role


@dataclass(frozen=True, slots=True)
class AtDepth:
    """Entries that stand together in the chat, `depth` messages from its end."""

    depth: int
    role: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The texts of all positions, in the order in which they are read."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    personality: tuple[str, ...] = ()
    scenario: tuple[str, ...] = ()
    note_top: tuple[str, ...] = ()
    note_bottom: tuple[str, ...] = ()
    examples: tuple[tuple[int, str], ...] = ()  # Position.EXAMPLES_TOP or EXAMPLES_BOTTOM, and the text
    depths: tuple[AtDepth, ...] = ()
    outlets: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def outlet_texts(self) -> dict[str, str]:
        return {name: "\n".join(texts) for name, texts in self.outlets}


def placed(entries: Sequence[Entry], change: Callable[[Entry], str] | None = None) -> Placed:
    """Entries by position. Higher orders are read later; of equal orders, what was found first is read last.

    `change` gives an entry's text as it is sent (regex scripts); an entry without text has no place.
    """
    told = [(entry, change(entry) if change else entry.content) for entry in _by_order(entries)]
    told = [(entry, text) for entry, text in told if text]
    rising = told[::-1]

    def at(position: Position) -> tuple[str, ...]:
        return tuple(text for entry, text in rising if entry.position == position)

    around = (Position.EXAMPLES_TOP, Position.EXAMPLES_BOTTOM)
    return Placed(
        before=at(Position.BEFORE),
        after=at(Position.AFTER),
        personality=at(Position.PERSONALITY),
        scenario=at(Position.SCENARIO),
        note_top=at(Position.NOTE_TOP),
        note_bottom=at(Position.NOTE_BOTTOM),
        examples=tuple((entry.position, text) for entry, text in rising if entry.position in around),
        depths=_depths(told),
        outlets=_outlets(told),
    )


def _by_order(entries: Sequence[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: -entry.order)


def _depths(told: Sequence[tuple[Entry, str]]) -> tuple[AtDepth, ...]:
    """Groups in the order in which their highest entry comes; the texts of one rise."""
    found: dict[tuple[int, int], list[str]] = {}
    for entry, text in told:
        if entry.position == Position.DEPTH:
            found.setdefault((entry.depth, entry.role or Role.SYSTEM), []).insert(0, text)
    return tuple(AtDepth(depth, role, tuple(texts)) for (depth, role), texts in found.items())


def _outlets(told: Sequence[tuple[Entry, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """By name, highest order first."""
    found: dict[str, list[str]] = {}
    for entry, text in told:
        if entry.position == Position.OUTLET and entry.outlet:
            found.setdefault(entry.outlet, []).append(text)
    return tuple((name, tuple(texts)) for name, texts in found.items())
