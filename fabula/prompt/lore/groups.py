"""Inclusion groups: of several entries that fit, one is told. Knows no key and no budget."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fabula.prompt.lore.buffer import Buffer
from fabula.prompt.lore.entry import Entry
from fabula.prompt.lore.timed import Timing
from fabula.prompt.macros.chance import Draw


@dataclass(slots=True)
class Contest:
    """The entries of one pass. `left` shrinks as groups lose members.

    A member that is removed twice, through two groups, takes the last entry of the pass along: SillyTavern
    does so, and its truth holds it.
    """

    left: list[Entry]
    buffer: Buffer
    timing: Timing
    draw: Draw
    with_recursion: bool

    def settle(self, activated: Collection[Entry]) -> None:
        groups = self._groups()
        sticky = {name for name, members in groups.items() if self._by_timers(members)}
        for name, members in groups.items():
            if name not in sticky:
                groups[name] = self._by_score(members)
        taken = {entry.group for entry in activated}
        for name, members in groups.items():
            if name in sticky:
                continue
            if name in taken:
                self._remove(members)
            elif len(members) > 1:
                self._choose(members)

    def _groups(self) -> dict[str, list[Entry]]:
        groups: dict[str, list[Entry]] = {}
        for entry in self.left:
            for name in entry.groups:
                groups.setdefault(name, []).append(entry)
        numbers = sorted((name for name in groups if name.isdecimal() and str(int(name)) == name), key=int)
        return {name: groups[name] for name in (*numbers, *(set_aside(groups, numbers)))}

    def _remove(self, members: Sequence[Entry], *, but: Collection[Entry] = ()) -> None:
        for entry in members:
            if not any(entry is kept for kept in but):
                place = next((index for index, other in enumerate(self.left) if other is entry), -1)
                if self.left:
                    del self.left[place]

    def _by_timers(self, members: Sequence[Entry]) -> bool:
        """Sticky members win. Tells whether there are any."""
        sticky = [entry for entry in members if self.timing.is_sticky(entry)]
        if sticky:
            self._remove(members, but=sticky)
        self._remove([entry for entry in members if self.timing.is_cooling(entry)])
        self._remove([entry for entry in members if self.timing.is_delayed(entry)])
        return bool(sticky)

    def _by_score(self, members: list[Entry]) -> list[Entry]:
        everywhere = self.buffer.settings.group_scoring
        if not everywhere and not any(entry.scores for entry in members):
            return members
        scores = [self.buffer.score(entry, self.with_recursion) for entry in members]
        best = max(scores)
        kept: list[Entry] = []
        for entry, score in zip(members, scores, strict=True):
            competes = everywhere if entry.scores is None else entry.scores
            if competes and score < best:
                self._remove([entry])
            else:
                kept.append(entry)
        return kept

    def _choose(self, members: Sequence[Entry]) -> None:
        first = sorted((entry for entry in members if entry.wins_group), key=lambda entry: -entry.order)
        winner = first[0] if first else self._drawn(members)
        if winner:
            self._remove(members, but=[winner])

    def _drawn(self, members: Sequence[Entry]) -> Entry | None:
        roll = self.draw() * sum(entry.weight for entry in members)
        reached = 0.0
        for entry in members:
            reached += entry.weight
            if roll <= reached:
                return entry
        return None


def set_aside(groups: dict[str, list[Entry]], names: Collection[str]) -> list[str]:
    """The other names, in order."""
    return [name for name in groups if name not in names]
