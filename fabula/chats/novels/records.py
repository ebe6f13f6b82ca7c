"""What novels are made of, as others see them. Knows no tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from fabula.prompt.steady.memory import digest

NovelKind = Literal["novel", "notebook"]
PassageKind = Literal["continue", "rewrite", "expand"]
Reason = Literal["written", "generated", "chosen", "picked", "imported"]


@dataclass(frozen=True, slots=True)
class Pointer:
    """One field of one row that changes its value."""

    table: Literal["novels", "novel_chapters"]
    id: str
    field: str
    before: Any
    after: Any

    def back(self) -> Pointer:
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class NovelSettings:
    """`pack` names a system prompt of the library ("" = the co-writer's), `prompt` is one's own, which goes
    before it. `form`: "instruct" asks in the model's chat template, "raw" sends the bare text; "auto" takes
    the template where there is one. `user` is the name that `{{user}}` stands for in lore. `summary` "auto"
    sums chapters up, in at most so many `words`, before the window is cut; `recall` passages at most are told
    with each turn, found by the model `embedder` ("": the first that embeds, else the starter model)."""

    language: str = "en"
    form: Literal["auto", "instruct", "raw"] = "auto"
    pack: str = ""
    prompt: str = ""
    outline: str = ""
    notes: str = ""
    facts: tuple[str, ...] = ()
    lorebooks: tuple[str, ...] = ()
    user: str = "User"
    summary: Literal["off", "auto"] = "off"
    words: int = 200
    recall: int = 0
    embedder: str = ""
    logprobs: int = 10  # of a notebook: alternatives that are kept for each token

    @staticmethod
    def of(row: Mapping[str, Any]) -> NovelSettings:
        names = {one.name for one in fields(NovelSettings)}
        given = {name: value for name, value in row.items() if name in names and value is not None}
        for name in ("facts", "lorebooks"):
            given |= {name: tuple(given[name])} if name in given else {}
        return NovelSettings(**given)


@dataclass(frozen=True, slots=True)
class Summed:
    """What of a chapter its summary covers: the first `upto` characters, which had this digest. `edited`: a
    person has written or changed it, so that it is not written anew unasked."""

    upto: int = 0
    digest: str = ""
    edited: bool = True

    @staticmethod
    def of_text(text: str, *, edited: bool) -> Summed:
        return Summed(len(text), digest(text), edited)

    def stands(self, text: str) -> bool:
        """Whether what it covers is still the same."""
        return len(text) >= self.upto and digest(text[: self.upto]) == self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ChapterInfo:
    """A chapter without its text."""

    id: str
    title: str
    outline: str
    notes: str
    summary: str
    version_id: str
    characters: int
    words: int
    summed: Summed | None = None  # None: nobody wrote a summary, or it is not known of which text


@dataclass(frozen=True, slots=True, kw_only=True)
class Novel:
    id: str
    owner_id: str
    kind: NovelKind
    title: str
    model: str
    sampling: dict[str, Any]
    settings: dict[str, Any]
    chapters: tuple[ChapterInfo, ...]
    revision: int
    created_at: float
    updated_at: float
    can_undo: bool = False
    can_redo: bool = False
    trashed: bool = False

    @property
    def characters(self) -> int:
        return sum(chapter.characters for chapter in self.chapters)

    @property
    def words(self) -> int:
        return sum(chapter.words for chapter in self.chapters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A novel in a list."""

    id: str
    kind: str
    title: str
    model: str
    revision: int
    chapters: int
    characters: int
    words: int
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    id: str
    chapter_id: str
    base_id: str
    start: int
    removed: int
    inserted: str
    reason: str
    turn_id: str
    characters: int
    words: int
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What a model wrote at a place. `stands`: the text has it there now; `before` is a digest of what stood
    in front of it."""

    id: str
    chapter_id: str
    turn_id: str
    number: int
    kind: str
    start: int
    before: str
    replaced: str
    instruction: str
    text: str
    reason: str
    facts: dict[str, Any] = field(default_factory=dict)
    created_at: float
    stands: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A novel after a change, and where the text is another one now ("" = nowhere)."""

    novel: Novel
    chapter_id: str = ""
    start: int = 0
    removed: int = 0
    inserted: str = ""
