"""Which of many patterns a text can hold at all, by the words that each cannot do without. Knows no pattern.

One look-up for each word of a text takes the place of trying every pattern, most of which need another.
"""

from __future__ import annotations

from collections.abc import Iterable


class Cues:
    """`rows[n]` are the atoms (as in `lexicon.ATOM`) of which pattern `n` needs at least one."""

    def __init__(self, rows: Iterable[str]):
        self._rows: dict[str, tuple[int, ...]] = {}
        for number, row in enumerate(rows):
            for cue in row.split():
                self._rows[cue] = (*self._rows.get(cue, ()), number)

    @property
    def words(self) -> list[str]:
        return list(self._rows)

    def possible(self, atoms: Iterable[str]) -> list[int]:
        """The patterns that these atoms allow, in order."""
        rows = self._rows
        found = {number for atom in atoms if atom in rows for number in rows[atom]}
        return sorted(found) if found else []
