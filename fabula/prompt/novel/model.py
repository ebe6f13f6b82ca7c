"""What a novel's prompt is made of. Knows no layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fabula.prompt.lore.entry import Entry
from fabula.prompt.lore.settings import LoreSettings
from fabula.prompt.lore.timed import Timers
from fabula.prompt.steady.memory import Shown, Told, digest

Kind = Literal["continue", "rewrite", "expand"]
Form = Literal["instruct", "raw"]
ANCHOR = 64  # characters in front of a mark by which it is known again


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text; `token_ids` are those that a model sampled for it, with the tokenizer of that hash."""

    text: str
    token_ids: tuple[int, ...] = ()
    tokenizer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    id: str
    title: str = ""
    outline: str = ""
    notes: str = ""
    summary: str = ""
    runs: tuple[Run, ...] = ()

    @property
    def text(self) -> str:
        return "".join(run.text for run in self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Novel:
    """`chapters` are those up to the cursor; the last one ends there, and `behind` is what follows in it.
    `recalled` are passages of documents and of earlier text that fit what is to be written, with their ids
    and names; `passages` is how many were written so far, by which the timers of lore count."""

    title: str = ""
    language: str = "en"
    prompt: str = ""
    prompt_name: str = ""  # of the pack that the prompt is from
    outline: str = ""
    notes: str = ""
    facts: tuple[str, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    behind: str = ""
    lore: Sequence[Entry] = ()
    lore_settings: LoreSettings = field(default_factory=LoreSettings)
    user: str = "User"
    recalled: tuple[Told, ...] = ()
    passages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be written. `passage` is the text that is rewritten or expanded; it stands at the cursor."""

    kind: Kind = "continue"
    instruction: str = ""
    passage: str = ""
    form: Form = "instruct"
    context: int = 0
    reply_room: int = 0

    @property
    def room(self) -> int:
        return self.context - self.reply_room


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something told to the model in the middle of the text, which stays where it was told.

    `before` is a digest of the characters in front of it: where they have changed, the mark is gone.
    """

    chapter: str
    offset: int
    before: str
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a prompt leaves for the next one: texts of the head as they were first told, marks, where the
    window begins, what was shown, in order, the timers of lore, and the share of the room that is filled."""

    head: Mapping[str, str] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()
    start_chapter: str = ""
    start_offset: int = 0
    shown: tuple[tuple[Shown, int], ...] = ()  # with the characters that the digest is of
    timers: Timers = field(default_factory=Timers)
    filled: float = 0.0

    def all(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {
            "head": dict(self.head),
            "marks": [
                [m.chapter, m.offset, m.before, [[t.entry, t.label, t.text] for t in m.told]]
                for m in self.marks
            ],
            "start": [self.start_chapter, self.start_offset],
            "shown": [[one.part, one.digest, length] for one, length in self.shown],
            "timers": self.timers.all(),
            "filled": self.filled,
        }

    @staticmethod
    def of(row: Mapping[str, Any]) -> Memory:
        chapter, offset = row.get("start") or ("", 0)
        return Memory(
            head=row.get("head") or {},
            marks=tuple(
                Mark(chapter=id, offset=at, before=before, told=tuple(Told(*one) for one in told))
                for id, at, before, told in row.get("marks") or ()
            ),
            start_chapter=chapter,
            start_offset=offset,
            shown=tuple((Shown(part, mark), length) for part, mark, length in row.get("shown") or ()),
            timers=Timers.of(row.get("timers") or {}),
            filled=float(row.get("filled") or 0.0),
        )


def anchor(text: str, offset: int) -> str:
    return digest(text[max(0, offset - ANCHOR) : offset])
