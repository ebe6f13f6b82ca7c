"""Where a novel's prompt leaves the one before it. Knows no layout.

The text grows at its end, so that a stretch is the same when it begins as it did. Long chapters are compared
in blocks, to know how far they are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fabula.prompt.plan import Break
from fabula.prompt.steady.memory import Shown, digest

BLOCK = 2000  # characters
TASK = "task"
"""The part that asks for a passage to be rewritten: the last of its prompt, and of no other."""
Marked = tuple[tuple[Shown, int], ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a prompt, or a block of a long one. `fresh` was in no prompt before."""

    part: str
    text: str
    tokens: int
    fresh: bool = False


def blocks(part: str, atoms: Iterable[tuple[str, int]]) -> list[Stretch]:
    """Whole atoms (text and tokens) together until they make a block."""
    found: list[Stretch] = []
    for text, tokens in atoms:
        last = found[-1] if found else None
        if last and len(last.text) < BLOCK:
            found[-1] = Stretch(part, last.text + text, last.tokens + tokens)
        else:
            found.append(Stretch(part, text, tokens))
    return found


def marked(now: Sequence[Stretch]) -> Marked:
    """Each stretch with a digest, and the characters that this is of."""
    return tuple((Shown(one.part, digest(one.text)), len(one.text)) for one in now)


def broken(before: Marked, now: Sequence[Stretch], *, is_cut: bool) -> Break | None:
    """The first stretch of the last prompt that this one has not in its place; None where there is none."""
    for place, (old, length) in enumerate(before):
        if place >= len(now):
            return None
        new = now[place]
        if new.part == old.part and digest(new.text[:length]) == old.digest:
            grown = len(new.text) > length and place + 1 < len(before)
            if not grown:
                continue
            place += 1
        return _break(before, now, place, is_cut)
    return None


def _break(before: Marked, now: Sequence[Stretch], place: int, is_cut: bool) -> Break:
    again = sum(one.tokens for one in now[place:] if not one.fresh)
    if before[place][0].part == TASK:
        return Break(TASK, "tail", again)
    part = now[place].part if place < len(now) else before[place][0].part
    return Break(part, "cut" if is_cut else "changed", again)
