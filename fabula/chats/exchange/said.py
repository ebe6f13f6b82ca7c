"""Messages as files know them, and the tree that they stand in. PURE: knows no table and no file format."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fabula.core.messages import Role
from fabula.store.ids import new_id

_HALVES = re.compile("[\ud800-\udfff\x00]")


@dataclass(slots=True, kw_only=True)
class Said:
    """One alternative of a message. `fresh`: written here, or changed since it was read from a file.

    `origin` is what the file said of it that has no place here; None where it was in none.
    """

    id: str = field(default_factory=new_id)
    parent_id: str = ""
    position: int = 0
    role: Role = "user"
    author: str = ""
    text: str = ""
    created: float = 0.0  # Unix seconds, 0 = not known
    reasoning: str = ""
    model: str = ""
    left_out: bool = False
    checkpoint: str = ""
    origin: dict[str, Any] | None = None
    fresh: bool = False
    shown_id: str = ""


class Growth:
    """A chat's messages while they are read from files, or before they are written to some."""

    def __init__(self, said: Iterable[Said] = ()) -> None:
        self.all: dict[str, Said] = {}
        self._children: dict[str, list[Said]] = {}
        for one in said:
            self.all[one.id] = one
            self._children.setdefault(one.parent_id, []).append(one)
        for group in self._children.values():
            group.sort(key=lambda one: one.position)

    def children(self, id: str) -> list[Said]:
        """The alternatives below a message, oldest first; "" = the first messages."""
        return self._children.get(id, [])

    def group(self, one: Said) -> list[Said]:
        """A message and its alternatives."""
        return self.children(one.parent_id)

    def add(self, parent_id: str, one: Said) -> Said:
        group = self._children.setdefault(parent_id, [])
        one.parent_id, one.position = parent_id, len(group)
        group.append(one)
        self.all[one.id] = one
        return one

    def path(self, id: str) -> list[Said]:
        """From the first message to this one."""
        found = []
        while id:
            found.append(self.all[id])
            id = found[-1].parent_id
        return found[::-1]

    def show(self, id: str) -> None:
        """The path to a message is the one that was shown last."""
        for above, below in itertools.pairwise(self.path(id)):
            above.shown_id = below.id

    def ends(self) -> list[Said]:
        """Messages that nothing follows."""
        return [one for one in self.all.values() if not self.children(one.id)]

    def __iter__(self) -> Iterator[tuple[Said, int]]:
        """Each message with its depth, those above before those below."""
        waiting = [(one, 1) for one in reversed(self.children(""))]
        while waiting:
            one, depth = waiting.pop()
            yield one, depth
            waiting += [(below, depth + 1) for below in reversed(self.children(one.id))]


def storable(text: str) -> str:
    """Half characters and NUL, which JSON may hold, become U+FFFD: the database has no place for them."""
    return _HALVES.sub("\ufffd", text)


def when(value: Any) -> float:
    """Unix seconds of what programs write for a time; 0 where it cannot be told.

    ISO 8601, milliseconds or seconds since 1970, "June 1, 2024 3:04pm" and "2023-10-1 @14h 3m 22s 123ms"
    (SillyTavern's older files).
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0.0
    if not isinstance(value, str) or value.strip().isdigit():
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return 0.0
        return (number / 1000 if number > 1e11 else number) if 0 < number < 1e14 else 0.0
    return _written(value.strip())


_OLD = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2}) ?@(\d{1,2})h ?(\d{1,2})m ?(\d{1,2})s ?(?:(\d{1,3})ms)?")
_FORMS = ("%B %d, %Y %I:%M%p", "%b %d, %Y %I:%M%p")


def _written(value: str) -> float:
    try:
        return datetime.datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError, OSError):
        pass
    if old := _OLD.fullmatch(value):
        try:
            return datetime.datetime(*(int(part or 0) for part in old.groups()[:6])).astimezone().timestamp()  # type: ignore[arg-type]
        except (ValueError, OverflowError, OSError):
            return 0.0
    for form in _FORMS:
        try:
            return datetime.datetime.strptime(value, form).astimezone().timestamp()
        except (ValueError, OverflowError, OSError):
            continue
    return 0.0


def iso(seconds: float) -> str:
    """As SillyTavern writes it now: "2026-11-21T18:35:48.076Z"."""
    time = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
