"""The text of a novel up to the cursor as atoms: paragraphs, and passages whose token ids are known.

Knows no budget. An atom is never cut: the window of a prompt begins with one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fabula.prompt.novel.model import Chapter, Mark, Run, anchor

LONGEST = 1500  # characters of an atom
_PARAGRAPH = re.compile(rf"[^\n]{{0,{LONGEST}}}(?:\n+|\Z)|[^\n]{{1,{LONGEST}}}(?:\s|(?=\S))")
HEADING = -1  # the offset of an atom that is a chapter's heading


@dataclass(frozen=True, slots=True)
class Atom:
    chapter: str
    start: int  # characters from the chapter's beginning, or HEADING
    text: str
    token_ids: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        return max(self.start, 0) + (len(self.text) if self.start != HEADING else 0)

    @property
    def piece(self) -> str | tuple[int, ...]:
        return self.token_ids or self.text


def atoms(chapters: Sequence[Chapter], marks: Sequence[Mark], tokenizer: str) -> list[Atom]:
    """All of them in order. Texts end where a mark stands; ids around one that stands inside are left out."""
    found: list[Atom] = []
    for number, chapter in enumerate(chapters):
        found += _heading(chapter, is_first=number == 0)
        stops = sorted({mark.offset for mark in marks if mark.chapter == chapter.id})
        at = 0
        for run in chapter.runs:
            found += _of_run(chapter.id, at, run, stops, tokenizer)
            at += len(run.text)
    return found


def _heading(chapter: Chapter, *, is_first: bool) -> list[Atom]:
    """A chapter without a title is parted from the one before it by asterisks."""
    title = f"## {chapter.title}" if chapter.title else ("" if is_first else "***")
    between = "" if is_first else "\n\n"
    return [Atom(chapter.id, HEADING, f"{between}{title}\n\n")] if title else []


def _of_run(chapter: str, at: int, run: Run, stops: Sequence[int], tokenizer: str) -> list[Atom]:
    inside = [stop - at for stop in stops if at < stop < at + len(run.text)]
    if run.token_ids and run.tokenizer == tokenizer and not inside:
        return [Atom(chapter, at, run.text, run.token_ids)]
    return [
        Atom(chapter, at + first + paragraph.start(), paragraph.group())
        for first, last in zip([0, *inside], [*inside, len(run.text)], strict=True)
        for paragraph in _PARAGRAPH.finditer(run.text[first:last])
        if paragraph.group()
    ]


def standing(chapters: Sequence[Chapter], marks: Sequence[Mark]) -> tuple[list[Mark], list[Mark]]:
    """The marks that stand in the text up to the cursor, in order; and those behind it. Others are gone."""
    order = {chapter.id: number for number, chapter in enumerate(chapters)}
    texts = {chapter.id: chapter.text for chapter in chapters}
    inside = [
        mark
        for mark in marks
        if mark.chapter in order
        and mark.offset <= len(texts[mark.chapter])
        and anchor(texts[mark.chapter], mark.offset) == mark.before
    ]
    last = chapters[-1].id if chapters else ""
    behind = [
        mark
        for mark in marks
        if mark.chapter not in order or (mark.chapter == last and mark.offset > len(texts[last]))
    ]
    return sorted(inside, key=lambda mark: (order[mark.chapter], mark.offset)), behind


def without(marks: Sequence[Mark], keys: frozenset[str]) -> list[Mark]:
    """Marks that do not tell some things any more."""
    left = [replace(mark, told=tuple(t for t in mark.told if t.entry not in keys)) for mark in marks]
    return [mark for mark in left if mark.told]
