"""What a steady prompt must remember from turn to turn. Knows no layout and no store.

A chat keeps it beside its messages; a chat without one (a new one, an imported one) begins with an empty one.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

KEPT, LONGEST = 4096, 4000  # texts whose digests are kept, and the characters of such a text


@dataclass(frozen=True, slots=True)
class Told:
    """A lorebook entry that was told before a message, or a note behind it, and stays there as it was."""

    entry: str
    label: str
    text: str


class Shown(NamedTuple):
    """One part of the last prompt: what it is, and a digest of its text. There is one for each message."""

    part: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """`told` by the id of the message that the lore stands before, `noted` by that which the notes stand
    behind; `fixed` are texts of the head whose macros change by themselves, as they were first resolved;
    `first` is the id of the first message that is told."""

    told: Mapping[str, tuple[Told, ...]] = field(default_factory=dict)
    noted: Mapping[str, tuple[Told, ...]] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    first: str = ""
    shown: tuple[Shown, ...] = ()

    def all(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {
            "told": _rows(self.told),
            "noted": _rows(self.noted),
            "fixed": dict(self.fixed),
            "first": self.first,
            "shown": [[one.part, one.digest] for one in self.shown],
        }

    @staticmethod
    def of(row: Mapping[str, Any]) -> Memory:
        return Memory(
            told=_told(row.get("told", {})),
            noted=_told(row.get("noted", {})),
            fixed=row.get("fixed", {}),
            first=row.get("first", ""),
            shown=tuple(Shown(part, digest) for part, digest in row.get("shown", ())),
        )


def _rows(told: Mapping[str, tuple[Told, ...]]) -> dict[str, list[dict[str, str]]]:
    return {id: [asdict(one) for one in ones] for id, ones in told.items() if ones}


def _told(rows: Mapping[str, list[dict[str, str]]]) -> dict[str, tuple[Told, ...]]:
    return {id: tuple(Told(**one) for one in ones) for id, ones in rows.items()}


def digest(*texts: str) -> str:
    return digests(texts, [len(texts)])[0]


def digest_of(text: str) -> str:
    """The digest of one text, which is likely to be asked for again next turn."""
    return _kept(text) if len(text) <= LONGEST else digest(text)


@functools.lru_cache(maxsize=KEPT)
def _kept(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def digests(texts: Sequence[str], ends: Sequence[int]) -> list[str]:
    """Those of the beginnings of some texts, up to each of these ends, which rise; all in one pass."""
    running, start, found = hashlib.blake2b(digest_size=8), 0, []
    for end in ends:
        joined = "\0".join(("", *texts[start:end]) if start else texts[:end])
        running.update(joined.encode("utf-8", "surrogatepass"))
        found.append(running.copy().hexdigest())
        start = end
    return found
