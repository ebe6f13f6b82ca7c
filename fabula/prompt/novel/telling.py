"""What a novel's model is told beside the text: in the head, and at the cursor. Knows no budget.

What stands in the head stays as it was first told until the window is moved. What has changed since, or has
come to lie far behind, is told at the cursor, in front of the passage that is written with it, and stays
there: nothing that an engine has read moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fabula.prompt.lore.activate import Activation
from fabula.prompt.lore.entry import Entry
from fabula.prompt.novel.model import Chapter, Mark, Novel, Task
from fabula.prompt.novel.words import Words
from fabula.prompt.steady.head import is_constant
from fabula.prompt.steady.memory import Told

REACH = 6000  # characters, behind which notes are told again
BEHIND = 600  # characters of the text behind the cursor
PROMPT, TITLE, OUTLINE, FACTS, LORE, SUMMARY = (
    "system_prompt",
    "title",
    "outline",
    "facts",
    "lore",
    "summary",
)
NOTES, NEXT, AFTER, WRITING = ("notes", "instruction", "behind", "task")
RECALLED = "recalled"
RETOLD = (OUTLINE, FACTS)
"""Parts of the head that are told again at the cursor when they change; others wait for a new head."""
_ENDS = (".", "!", "?", "…", "。", "！", "？", '"', "”", "」", "』", "’", "*", ")", "）", "】")


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the head: what it is, its name among several, and its text."""

    key: str
    label: str
    text: str


def head(novel: Novel, words: Words, lore: Activation, cut: Sequence[Chapter]) -> list[Section]:
    """The head as it would be told now; `cut` are the chapters that the window does not hold whole."""
    constant = [entry for entry in lore.entries if is_constant(entry)]
    found = [
        Section(PROMPT, novel.prompt_name, novel.prompt.strip()),
        Section(TITLE, "", filled(words.title, novel.title)),
        Section(OUTLINE, "", filled(words.outline, novel.outline)),
        Section(FACTS, "", filled(words.facts, "\n".join(f"- {fact}" for fact in novel.facts))),
        *(_section(one, words) for one in constant),
        *(
            Section(
                f"{SUMMARY} {chapter.id}",
                chapter.title,
                _of(words.summary, chapter.title, chapter.summary),
            )
            for chapter in cut
        ),
    ]
    return [section for section in found if section.text.strip()]


def kept(now: Sequence[Section], before: Mapping[str, str]) -> list[Section]:
    """Sections as they were first told; what came since is told at the cursor. Only the system prompt itself
    holds at once."""
    return [
        one if one.key == PROMPT else replace(one, text=before[one.key])
        for one in now
        if one.key == PROMPT or one.key in before
    ]


def _of(form: str, title: str, text: str) -> str:
    return filled(form.replace("{title}", title or "–"), text)


def filled(form: str, text: str) -> str:
    return form.replace("{text}", text.strip()) if text.strip() else ""


def due(
    novel: Novel,
    task: Task,
    words: Words,
    lore: Activation,
    now: Sequence[Section],
    top: Sequence[Section],
    marks: Sequence[Mark],
) -> tuple[Told, ...]:
    """What is to be told at the cursor now. `now` is the head as it would be, `top` as it is."""
    told = {one.entry: one.text for mark in marks for one in mark.told}
    known = {section.key: section.text for section in top} | told
    found = [one for one in _wanted(novel, words) if known.get(one.entry) != one.text]
    found += [one for one in _notes(novel, words) if not _is_near(one, novel, marks)]
    found += [one for one in _lore(lore, words) if not _is_told(one, known)]
    found += [
        Told(one.key, one.label, one.text)
        for one in now
        if one.key.startswith(SUMMARY) and one.key not in known
    ]
    found += [
        Told(f"{RECALLED} {one.entry}", one.label, _of(words.recalled, one.label, one.text))
        for one in novel.recalled
        if f"{RECALLED} {one.entry}" not in known
    ]
    after = _after(novel, words) if task.kind == "continue" else None
    found += [after] if after and known.get(AFTER) != after.text else []
    return (*found, *_task(task, words))


def _wanted(novel: Novel, words: Words) -> Iterable[Told]:
    """Outline and facts, and the chapter's own outline."""
    for key, form, text in (
        (OUTLINE, words.outline, novel.outline),
        (FACTS, words.facts, "\n".join(f"- {fact}" for fact in novel.facts)),
    ):
        if made := filled(form, text):
            yield Told(key, "", made)
    chapter = novel.chapters[-1]
    if made := filled(words.chapter_outline, chapter.outline):
        yield Told(f"{OUTLINE} {chapter.id}", chapter.title, made)


def _notes(novel: Novel, words: Words) -> Iterable[Told]:
    chapter = novel.chapters[-1]
    for key, label, form, text in (
        (NOTES, "", words.notes, novel.notes),
        (f"{NOTES} {chapter.id}", chapter.title, words.chapter_notes, chapter.notes),
    ):
        if made := filled(form, text):
            yield Told(key, label, made)


def _is_near(note: Told, novel: Novel, marks: Sequence[Mark]) -> bool:
    """Whether a note stands in the text as it is now, not far before the cursor."""
    last = next((mark for mark in reversed(marks) if any(t.entry == note.entry for t in mark.told)), None)
    if last is None or note not in last.told:
        return False
    order = [chapter.id for chapter in novel.chapters]
    lengths = [len(chapter.text) for chapter in novel.chapters]
    first = order.index(last.chapter)
    return sum(lengths[first:]) - last.offset <= REACH


def _lore(lore: Activation, words: Words) -> Iterable[Told]:
    for entry in sorted(lore.entries, key=lambda one: one.order):
        if entry.content.strip():
            told = _section(entry, words)
            yield Told(told.key, told.label, told.text)


def _section(entry: Entry, words: Words) -> Section:
    name = entry.comment or ", ".join(entry.keys)
    return Section(f"{LORE} {entry.id}", name, filled(words.lore, entry.content))


def _is_told(one: Told, known: Mapping[str, str]) -> bool:
    return known.get(one.entry) == one.text


def _after(novel: Novel, words: Words) -> Told | None:
    text = novel.behind.strip()
    cut = text[:BEHIND] + ("…" if len(text) > BEHIND else "")
    return Told(AFTER, "", filled(words.behind, cut)) if text else None


def _task(task: Task, words: Words) -> Iterable[Told]:
    if task.kind != "continue":
        form = words.rewrite if task.kind == "rewrite" else words.expand
        yield Told(WRITING, task.kind, filled(form, task.passage))
    if task.instruction.strip():
        yield Told(NEXT, "", filled(words.instruction, task.instruction))


def joint(text: str) -> str:
    """What stands between the text and a passage that begins anew: a paragraph's end, or a space."""
    if not text or text[-1].isspace():
        return ""
    if text[-1] in _ENDS:
        return "\n\n"
    return " " if ord(text[-1]) < 0x2E80 else ""
