"""What is remembered of a chat, and how. Knows no table and no prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Kind = Literal["fact", "summary", "document", "translation"]
SummaryWhen = Literal["off", "auto"]
MOST_WORDS, MOST_RECALLED = 2000, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One thing that is remembered. A summary covers the path down to the message `upto_id`; `covered` is a
    digest of the versions it was written from, so that it is known when one of them is another."""

    id: str
    kind: str
    text: str
    name: str = ""
    upto_id: str = ""
    covered: str = ""
    edited: bool = False
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySettings:
    """Of one chat. `summary`: "auto" writes one before the window is cut; `words` is how long it may be.
    `recall` passages at most are told with each turn (0: none), from the model `embedder` ("": the first that
    embeds, else the starter model)."""

    summary: SummaryWhen = "off"
    words: int = 200
    recall: int = 0
    embedder: str = ""

    @staticmethod
    def of(row: Mapping[str, Any]) -> MemorySettings:
        known = {field.name for field in fields(MemorySettings)}
        return MemorySettings(**{name: value for name, value in row.items() if name in known})

    def all(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """All that one chat remembers, oldest first."""

    settings: MemorySettings = MemorySettings()
    facts: tuple[Memory, ...] = ()
    summaries: tuple[Memory, ...] = ()
    documents: tuple[Memory, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of an old message or of a document. `likeness` is the cosine with what was asked for."""

    source_id: str
    number: int
    text: str
    likeness: float = 0.0
