"""Lay out the prompt of a novel: head, text with what was told in it, and the cursor. Knows no engine.

For a model with a chat template the text is the model's own turn, which it lengthens, and what is told
stands between as the person's; for a base model all of it is one raw text, with what is told in brackets.

The window begins where the last prompt's began. When it is full, half of it is given up at once; chapters
that it does not hold whole are told by their summaries. Knows no chats: the reader is another one here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fabula.core.errors import ContextExceeded, TemplateRefused
from fabula.core.messages import Message
from fabula.core.worker import Pieces
from fabula.prompt.assemble import assemble
from fabula.prompt.lore.activate import Activation, Occasion, activate
from fabula.prompt.lore.timed import Timers
from fabula.prompt.macros.chance import Draw
from fabula.prompt.macros.evaluate import resolved
from fabula.prompt.macros.scene import Scene
from fabula.prompt.novel import telling
from fabula.prompt.novel.comparing import TASK, Stretch, blocks, broken, marked
from fabula.prompt.novel.model import Mark, Memory, Novel, Task, anchor
from fabula.prompt.novel.stream import HEADING, Atom, atoms, standing, without
from fabula.prompt.novel.telling import Section
from fabula.prompt.novel.words import Words, of
from fabula.prompt.plan import CountTable, NeedCounts, PromptPlan, Segment
from fabula.prompt.steady.memory import Told
from fabula.prompt.template import ChatTemplate
from fabula.prompt.written import joined

JOINT = "\n\n"
BLOCK_SHARE = 2  # of the room for text; so much is left when the window has to move
LEAST_SHARE = 4  # a window that holds less than this part of its room is begun anew
SCANNED = 700  # characters of a piece of text that lore takes for one message


@dataclass(frozen=True, slots=True, kw_only=True)
class NovelPrompt:
    """`continues`: the text's end stands open, and the model lengthens it. `joint` stands between the text
    and what comes; `cut` says what the window does not hold, in characters."""

    plan: PromptPlan
    memory: Memory
    lore: Activation
    messages: tuple[Message, ...]
    continues: bool
    joint: str = ""
    cut: int = 0
    fixed: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the prompt: atoms of the text, or what is told at a place."""

    atoms: tuple[Atom, ...] = ()
    told: tuple[Told, ...] = ()
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What is fixed for one prompt."""

    template: ChatTemplate
    counts: CountTable
    draw: Draw
    tokenizer: str = ""


@dataclass(frozen=True, slots=True)
class _Window:
    start: int
    top: list[Section]
    marks: list[Mark]
    parts: list[Part] = field(default_factory=list)
    joint: str = ""


def novel_prompt(novel: Novel, task: Task, given: Given, memory: Memory) -> NovelPrompt | NeedCounts:
    """The prompt, or the texts to count first. Raises ContextExceeded, TemplateRefused."""
    lore = _lore(novel, task, given, memory)
    if isinstance(lore, NeedCounts):
        return lore
    return _Layout(novel, task, given, memory, lore).laid_out()


def _lore(novel: Novel, task: Task, given: Given, memory: Memory) -> Activation | NeedCounts:
    """Lore as it fits the text in front of the cursor; the instruction is searched too. Its timers count
    passages, the one that is being written too."""
    scene = Scene(user=novel.user, char=novel.title, draw=given.draw)
    text = novel.chapters[-1].text
    pieces = [text[max(0, end - SCANNED) : end] for end in range(len(text), 0, -SCANNED)]
    said = [text for text in (task.instruction, task.passage, *pieces) if text.strip()]
    occasion = Occasion(
        messages=said,
        budget=novel.lore_settings.tokens(task.room),
        settings=novel.lore_settings,
        resolve=lambda text: resolved(text, scene),
        length=novel.passages + 1,
        replies=novel.passages,
    )
    return activate(novel.lore, occasion, memory.timers, given.counts, given.draw)


class _Layout:
    def __init__(self, novel: Novel, task: Task, given: Given, memory: Memory, lore: Activation) -> None:
        self._novel, self._task, self._given, self._memory, self._lore = novel, task, given, memory, lore
        self._words: Words = of(novel.language)
        self._order = {chapter.id: number for number, chapter in enumerate(novel.chapters)}
        marks, self._behind = standing(novel.chapters, memory.marks)
        self._standing = [mark for mark in marks if not self._is_here(mark)]
        self._atoms = atoms(novel.chapters, self._standing, given.tokenizer)

    def _is_here(self, mark: Mark) -> bool:
        """What an earlier try was told at the cursor is told anew, as it is now."""
        last = self._novel.chapters[-1]
        is_end = (mark.chapter, mark.offset) == (last.id, len(last.text))
        return is_end and self._task.kind == "continue"

    def laid_out(self) -> NovelPrompt | NeedCounts:
        missing = self._uncounted([atom.text for atom in self._atoms if not atom.token_ids])
        if missing:
            return missing
        start = self._begun()
        window = self._window(start, anew=not self._memory.shown)
        found: PromptPlan | NeedCounts | ContextExceeded | None = self._planned(window)
        if isinstance(found, PromptPlan) and start and found.tokens < self._task.room // LEAST_SHARE:
            start, found = 0, None  # so little is left that all may fit again
        while found is None or isinstance(found, ContextExceeded):
            start = self._later(start, found)
            window = self._window(start, anew=True)
            found = self._planned(window)
        return found if isinstance(found, NeedCounts) else self._prompt(window, found)

    # ── where the window begins ─────────────────────────────────────────────────────────────────────────

    def _begun(self) -> int:
        """The place of the first atom that the last prompt held; 0 where it is not known."""
        chapter, offset = self._memory.start_chapter, self._memory.start_offset
        places = (
            number
            for number, atom in enumerate(self._atoms)
            if atom.chapter == chapter and (offset == HEADING or atom.start >= offset)
        )
        return next(places, 0) if chapter else 0

    def _later(self, start: int, full: ContextExceeded | None) -> int:
        """Where a new window begins: all of it, or half of the room behind the parts that stay."""
        if full is None:
            return 0
        text = sum(self._cost(atom) for atom in self._atoms[start:])
        fixed = max(0, full.prompt_tokens - text)
        block = (self._task.room - fixed) // BLOCK_SHARE
        held = 0
        for place in range(len(self._atoms) - 1, start, -1):
            held += self._cost(self._atoms[place])
            if held > block:
                return min(max(place + 1, start + 1), len(self._atoms) - 1)
        if start + 1 >= len(self._atoms):
            raise full
        return start + max(1, (len(self._atoms) - start) // 2)

    def _window(self, start: int, *, anew: bool) -> _Window:
        """`anew`: all is read again, so the head is told as it is now."""
        cut_ids = {atom.chapter for atom in self._atoms[:start]}
        cut = [chapter for chapter in self._novel.chapters if chapter.id in cut_ids]
        now = telling.head(self._novel, self._words, self._lore, cut)
        if self._task.form == "raw":
            now = [section for section in now if section.key != telling.PROMPT]
        top = now if anew else telling.kept(now, self._memory.head)
        marks = [mark for mark in self._standing if self._is_in(mark, start)]
        if anew:
            marks = without(marks, frozenset(telling.RETOLD) | {section.key for section in top})
        fresh = telling.due(self._novel, self._task, self._words, self._lore, now, top, marks)
        return _Window(start, top, marks, *self._parts(start, marks, fresh))

    def _is_in(self, mark: Mark, start: int) -> bool:
        if not start:
            return True
        inside = {atom.chapter for atom in self._atoms[start:]}
        first = self._atoms[start]
        return mark.chapter in inside and (mark.chapter != first.chapter or mark.offset >= first.start)

    def _parts(self, start: int, marks: list[Mark], fresh: tuple[Told, ...]) -> tuple[list[Part], str]:
        """Text and what is told in it, in order; and what stands between the text and the new passage."""
        parts: list[Part] = []
        held: list[Atom] = []
        left = list(marks)

        def close() -> None:
            if held:
                parts.append(Part(atoms=tuple(held)))
                held.clear()

        for atom in self._atoms[start:]:
            while left and self._place(left[0].chapter, left[0].offset) <= self._place(
                atom.chapter, atom.start
            ):
                close()
                parts.append(Part(told=left.pop(0).told))
            held.append(atom)
        while left:
            close()
            parts.append(Part(told=left.pop(0).told))
        joint = ""
        if fresh:
            own = self._novel.chapters[-1].text
            joint = telling.joint(own) if self._task.kind == "continue" else ""
            held += [Atom(self._novel.chapters[-1].id, len(own), joint)] if joint else []
            close()
            parts.append(Part(told=fresh, fresh=True))
        close()
        return parts, joint

    def _place(self, chapter: str, offset: int) -> tuple[int, int]:
        return self._order[chapter], offset

    # ── what it costs ───────────────────────────────────────────────────────────────────────────────────

    def _cost(self, atom: Atom) -> int:
        return len(atom.token_ids) or self._given.counts.get(atom.text, 0)

    def _uncounted(self, texts: Sequence[str]) -> NeedCounts | None:
        missing = tuple(dict.fromkeys(text for text in texts if text and text not in self._given.counts))
        return NeedCounts(missing) if missing else None

    def _planned(self, window: _Window) -> PromptPlan | NeedCounts | ContextExceeded:
        """The plan without its segments; or that it does not fit, with the tokens that it would have."""
        told = [one.text for part in window.parts for one in part.told]
        texts = [*told, *(section.text for section in window.top), window.joint]
        if missing := self._uncounted(texts):
            return missing
        made = self._raw(window) if self._task.form == "raw" else self._conversed(window)
        if isinstance(made, PromptPlan) and made.tokens > self._task.room:
            return ContextExceeded(prompt_tokens=made.tokens, context=self._task.context)
        return made

    def _conversed(self, window: _Window) -> PromptPlan | NeedCounts | ContextExceeded:
        """As the template wants it; with endless room, as nothing may be cut here but by the window."""
        refusal: TemplateRefused | None = None
        for messages in self._ways(window):
            try:
                return assemble(
                    messages,
                    self._given.template,
                    self._given.counts,
                    context=1 << 40,
                    reply_room=0,
                    tokenizer=self._given.tokenizer,
                    continues=messages[-1].role == "assistant",
                )
            except TemplateRefused as refused:
                refusal = refused
        assert refusal
        raise refusal

    def _ways(self, window: _Window) -> list[list[Message]]:
        """The messages, and for templates without a system message those without one."""
        messages = self.messages(window)
        if messages[0].role != "system":
            return [messages]
        first = replace(messages[1], text=f"{messages[0].text}{JOINT}{messages[1].text}")
        return [messages, [first, *messages[2:]]]

    def messages(self, window: _Window, *, plain: bool = False) -> list[Message]:
        """Head, request, text, what is told, text … The last one is open where it is the model's. `plain`:
        without ids, as people read it."""
        found: list[Message] = []
        if head := JOINT.join(section.text for section in window.top):
            found.append(Message(role="system", text=head))
        asked = self._words.opening
        for part in window.parts:
            if part.told:
                asked = JOINT.join(text for text in (asked, self._told(part)) if text)
                continue
            found += [Message(role="user", text=asked)] if asked else []
            if plain:
                found.append(Message(role="assistant", text="".join(atom.text for atom in part.atoms)))
            else:
                pieces = tuple(atom.piece for atom in part.atoms)
                found.append(Message(role="assistant", text="", before=pieces))
            asked = ""
        return [*found, Message(role="user", text=asked)] if asked else found

    def _told(self, part: Part) -> str:
        rewrites = any(one.entry == telling.WRITING for one in part.told)
        return JOINT.join(
            [*(one.text for one in part.told), self._words.only if rewrites else self._words.go_on]
        )

    def _raw(self, window: _Window) -> PromptPlan | NeedCounts:
        """One text; what is told stands in brackets on a line of its own."""
        pieces: list[str | tuple[int, ...]] = []
        for written, ids in self._raw_pieces(window):
            pieces.append(ids or written)
        missing = self._uncounted([piece for piece in pieces if isinstance(piece, str)])
        if missing:
            return missing
        costs = (self._given.counts[one] if isinstance(one, str) else len(one) for one in pieces if one)
        return PromptPlan(pieces=_begun_with_text(joined(tuple(pieces))), tokens=sum(costs))

    def _raw_pieces(self, window: _Window) -> Iterable[tuple[str, tuple[int, ...]]]:
        """Texts, and their token ids where these are known."""
        head = "\n".join(f"[ {section.text} ]" for section in window.top)
        last = f"{head}\n***\n" if head else ""
        yield last, ()
        for part in window.parts:
            if part.told:
                line = "" if not last or last.endswith("\n") else "\n"
                last = line + "".join(f"[ {one.text} ]\n" for one in part.told)
                yield last, ()
            for atom in part.atoms:
                last = atom.text
                yield last, atom.token_ids

    # ── what it is ──────────────────────────────────────────────────────────────────────────────────────

    def _prompt(self, window: _Window, plan: PromptPlan) -> NovelPrompt:
        first = self._atoms[window.start] if self._atoms[window.start :] else None
        now = self._stretches(window)
        segments = (*self._head_segments(window), *self._segments(window))
        is_cut = bool(window.start) and not self._same(first)
        broke = broken(self._memory.shown, now, is_cut=is_cut)
        cut = sum(len(atom.text) for atom in self._atoms[: window.start])
        is_raw = self._task.form == "raw"
        messages, fresh = tuple(self.messages(window, plain=True)), self._fresh(window)
        there = {(mark.chapter, mark.offset) for mark in fresh}
        behind = (mark for mark in self._behind if (mark.chapter, mark.offset) not in there)
        if is_raw:
            messages = (Message(role="user", text="".join(text for text, _ in self._raw_pieces(window))),)
        return NovelPrompt(
            plan=replace(plan, segments=segments, broke=broke),
            memory=Memory(
                head={section.key: section.text for section in window.top},
                marks=(*window.marks, *fresh, *behind),
                start_chapter=first.chapter if first and window.start else "",
                start_offset=first.start if first and window.start else 0,
                shown=marked(now),
                timers=self._timers(),
                filled=round(plan.tokens / max(self._task.room, 1), 3),
            ),
            lore=self._lore,
            messages=messages,
            continues=not is_raw and messages[-1].role == "assistant",
            joint=window.joint,
            cut=cut,
            fixed=self._fixed(window),
        )

    def _timers(self) -> Timers:
        """A rewriting is no passage of its own: by it no time goes by."""
        return self._lore.timers if self._task.kind == "continue" else self._memory.timers

    def _stretches(self, window: _Window) -> list[Stretch]:
        found = [
            Stretch(section.key.split(" ")[0], section.text, self._given.counts[section.text])
            for section in window.top
        ]
        for part in window.parts:
            for id, some in itertools.groupby(part.atoms, lambda atom: atom.chapter):
                found += blocks(f"chapter {id}", ((atom.text, self._cost(atom)) for atom in some))
            if part.told:
                text = JOINT.join(one.text for one in part.told)
                tokens = sum(self._given.counts[one.text] for one in part.told)
                is_task = part.fresh and self._task.kind != "continue"
                name = TASK if is_task else part.told[0].entry.split(" ")[0]
                found.append(Stretch(name, text, tokens, part.fresh))
        return found

    def _same(self, first: Atom | None) -> bool:
        memory = self._memory
        return first is not None and (first.chapter, first.start) == (
            memory.start_chapter,
            memory.start_offset,
        )

    def _fixed(self, window: _Window) -> tuple[str, ...]:
        """Parts of the head that have changed since, and wait for a new head."""
        now = {one.key: one.text for one in telling.head(self._novel, self._words, self._lore, ())}
        return tuple(one.key for one in window.top if one.key in now and now[one.key] != one.text)

    def _fresh(self, window: _Window) -> list[Mark]:
        """What was told for a continuation stays; what was told for a rewriting does not."""
        told = next((part.told for part in window.parts if part.fresh), ())
        if not told or self._task.kind != "continue":
            return []
        chapter = self._novel.chapters[-1]
        text = chapter.text + window.joint
        return [Mark(chapter=chapter.id, offset=len(text), before=anchor(text, len(text)), told=told)]

    def _head_segments(self, window: _Window) -> list[Segment]:
        now = {one.key: one.text for one in telling.head(self._novel, self._words, self._lore, ())}
        return [
            Segment(
                section.key.split(" ")[0],
                "",
                self._given.counts[section.text],
                label=section.label,
                reason="fixed" if now.get(section.key, section.text) != section.text else "head",
            )
            for section in window.top
        ]

    def _segments(self, window: _Window) -> list[Segment]:
        titles = {chapter.id: chapter.title for chapter in self._novel.chapters}
        found = [
            Segment("chapter", id, tokens, False, titles[id], "cut")
            for id, tokens in self._by_chapter(self._atoms[: window.start])
        ]
        for part in window.parts:
            found += [
                Segment("chapter", id, tokens, True, titles[id], "history")
                for id, tokens in self._by_chapter(part.atoms)
            ]
            reason = "stays" if not part.fresh or self._task.kind == "continue" else "tail"
            found += [
                Segment(one.entry.split(" ")[0], "", self._given.counts[one.text], True, one.label, reason)
                for one in part.told
            ]
        return found

    def _by_chapter(self, some: Sequence[Atom]) -> list[tuple[str, int]]:
        found: dict[str, int] = {}
        for atom in some:
            found[atom.chapter] = found.get(atom.chapter, 0) + self._cost(atom)
        return list(found.items())


def _begun_with_text(pieces: Pieces) -> Pieces:
    """An engine puts its first token in front of leading text only."""
    return pieces if not pieces or isinstance(pieces[0], str) else ("", *pieces)


def facts(prompt: NovelPrompt, kind: str) -> dict[str, Any]:
    """What is told under a passage, beside what broke the prefix."""
    told = [one for mark in prompt.memory.marks for one in mark.told]
    lore, recalled = (
        sorted({one.label for one in told if one.entry.startswith(part)})
        for part in (telling.LORE, telling.RECALLED)
    )
    own = {"kind": kind, "joint": prompt.joint, "cut_characters": prompt.cut}
    return own | {"lore": lore, "recalled": recalled}
