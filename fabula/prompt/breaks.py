"""Where a prompt of the faithful layouts leaves the one before it. Knows no layout and no engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fabula.prompt.plan import Break, Segment
from fabula.prompt.steady.memory import Shown, digest

MOVING = ("injection", "post_history", "quiet", "alignment")
"""Parts that keep their distance to the end, so that each message pushes them on."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a prompt as it is sent."""

    source: str
    message_id: str
    text: str
    label: str = ""

    @property
    def key(self) -> str:
        if self.source == "message" and self.message_id:
            return f"message {self.message_id}"
        return self.source


ENDING = "ending"
"""The line that the model continues; its reply begins with it in the next prompt."""


def shown(parts: Sequence[Part]) -> tuple[Shown, ...]:
    """Breaks at the end of a part do not count: the last message goes without one."""
    return tuple(Shown(part.key, digest(part.text.rstrip("\n"))) for part in parts if part.source != ENDING)


def broken(before: Sequence[Shown], now: Sequence[Shown], parts: Sequence[Segment]) -> Break | None:
    """The first part of the last prompt that this one has not in its place, and how many tokens that an
    engine knew it has to read again; `parts` are this prompt's, those that are in, in step with `now`."""
    parts = [part for part in parts if part.source != ENDING]
    place = next(
        (index for index, pair in enumerate(zip(before, now, strict=False)) if pair[0] != pair[1]), None
    )
    if place is None:
        return None
    known = set(before)
    newest = max((index for index, part in enumerate(now) if not _moves(part)), default=0)
    again = sum(
        part.tokens
        for index, (one, part) in enumerate(zip(now, parts, strict=True))
        if index >= place and (one in known or index < newest)
    )
    old, new = before[place], now[place]
    if _moves(old):
        return Break(old.part, "moves", again)
    if _moves(new):
        return Break(new.part, "moves", again)
    names = {one.part for one in now}
    gone = old.part.startswith("message") and old.part not in names
    return Break(old.part if not gone else new.part, "cut" if gone else "changed", again)


def _moves(part: Shown) -> bool:
    return part.part.split(" ")[0] in MOVING
