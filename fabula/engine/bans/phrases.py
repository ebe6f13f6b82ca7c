"""Find any of thousands of phrases in a text that comes in pieces, whatever their case. Knows no tokens.

An Aho-Corasick automaton over case-folded characters: the cost of a character does not depend on the number
of phrases. Folding can make one character of a text two or three ("ß" is "ss"), so places are counted in
folded characters here; `fold` says which characters of a piece have grown.
(Aho, Corasick: Efficient string matching, CACM 18(6), 1975.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

ROOT = 0


class Phrases:
    """Compiled once, shared by all texts. A state is a number; `ROOT` has seen nothing.

    `depths[state]` characters at the end of what was read may still become a phrase.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self._children: list[dict[str, int]] = [{}]
        self.depths = [0]
        self._ends = [0]  # characters of the longest phrase that ends in a state; 0 = none does
        for phrase in phrases:
            self._plant(phrase.casefold())
        self._fails = self._linked()
        self.longest = max(self.depths)  # folded characters

    def _plant(self, phrase: str) -> None:
        state = ROOT
        for char in phrase:
            child = self._children[state].get(char)
            if child is None:
                child = self._children[state][char] = len(self.depths)
                self._children.append({})
                self.depths.append(self.depths[state] + 1)
                self._ends.append(0)
            state = child
        self._ends[state] = self.depths[state]

    def _linked(self) -> list[int]:
        """For each state the one of the longest shorter end of the text that begins a phrase too."""
        fails = [ROOT] * len(self.depths)
        waiting = deque(self._children[ROOT].values())
        while waiting:
            state = waiting.popleft()
            self._ends[state] = self._ends[state] or self._ends[fails[state]]
            for char, child in self._children[state].items():
                fails[child] = self._step(fails, fails[state], char)
                waiting.append(child)
        return fails

    def _step(self, fails: list[int], state: int, char: str) -> int:
        while True:
            child = self._children[state].get(char)
            if child is not None:
                return child
            if state == ROOT:
                return ROOT
            state = fails[state]

    def read(self, state: int, folded: str) -> tuple[int, tuple[int, int] | None]:
        """The state after a piece, and (start, end) of the phrase in it that begins first.

        Both are counted from the beginning of the piece, so that `start` may be negative. Of phrases with
        the same start it is the one that ended first.
        """
        children, fails, ends = self._children, self._fails, self._ends
        found: tuple[int, int] | None = None
        for end, char in enumerate(folded, 1):
            while (child := children[state].get(char)) is None and state:
                state = fails[state]
            state = child or ROOT
            length = ends[state]
            if length and (found is None or end - length < found[0]):
                found = end - length, end
        return state, found


def fold(piece: str) -> tuple[str, list[int]]:
    """The piece case-folded, and the places in it that only exist because a character has grown."""
    folded = piece.casefold()
    if len(folded) == len(piece):  # no character ever shrinks
        return folded, []
    grown: list[int] = []
    place = 0
    for char in piece:
        length = len(char.casefold())
        grown += range(place + 1, place + length)
        place += length
    return folded, grown
