"""The steady layout: head, history, tail, and what of them is new to an engine. Knows no engine.

Post-history instructions and what else has to be last stand at the very end, behind the person's last
message: they are read again every turn, and with them the reply that followed them. When the window is full,
half of it is given up at once, so that the beginning stays the same for many turns.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fabula.core.errors import TemplateRefused
from fabula.core.messages import Message
from fabula.prompt.assemble import assemble
from fabula.prompt.faithful.model import Join, Story, StoryMessage, Turn
from fabula.prompt.faithful.prepare import Prepared, World, prepare
from fabula.prompt.lore.activate import Activation
from fabula.prompt.plan import Break, CountTable, NeedCounts, PromptPlan, Segment
from fabula.prompt.steady.head import JOINT, Head, head
from fabula.prompt.steady.history import ANNOUNCED, Turned, announce, announcement, told_now, turned
from fabula.prompt.steady.memory import Memory, Shown, Told, digest, digest_of
from fabula.prompt.steady.notes import noted_now
from fabula.prompt.template import ChatTemplate

OPENED = "({{char}} begins.)"
LEAST_SHARE = 4
"""A window that holds less than this part of its room is laid out as if the chat were new."""


@dataclass(frozen=True, kw_only=True)
class SteadyPrompt:
    """A prompt with its plan, and the memory that the next turn needs."""

    plan: PromptPlan
    memory: Memory
    lore: Activation
    fixed: tuple[str, ...] = ()  # names of head sections whose macros were kept as they were
    turns: tuple[Turned, ...] = ()  # what the template was given
    begins: str = ""  # how the reply begins: the prompt ends with it, and the model goes on

    @functools.cached_property
    def messages(self) -> tuple[Message, ...]:
        """What the template was given, for who wants to read it."""
        return tuple(turn.message() for turn in self.turns)


def steady_prompt(
    story: Story,
    turn: Turn,
    template: ChatTemplate,
    counts: CountTable,
    world: World,
    memory: Memory,
    *,
    tokenizer: str = "",
    announced: str = ANNOUNCED,
) -> SteadyPrompt | NeedCounts:
    """The prompt, or the texts to count first. Raises ContextExceeded, TemplateRefused."""
    prepared = prepare(_one_head(story), turn, counts, world)
    if isinstance(prepared, NeedCounts):
        return prepared
    layout = _Layout(prepared, template, counts, tokenizer, announced)
    found = layout.laid_out(memory)
    if isinstance(found, NeedCounts) or found.memory.first == memory.first or not memory.first:
        return found
    anew = replace(memory, fixed={}, noted={}, first=found.memory.first)  # all is read again now anyway
    return layout.laid_out(anew, before=memory)


def _one_head(story: Story) -> Story:
    """A group's cards are always told together, so that the head does not depend on the speaker."""
    if story.group and story.group.join == Join.SWAP:
        return replace(story, group=replace(story.group, join=Join.APPEND))
    return story


_Beside = dict[str, tuple[Told, ...]]


@dataclass(frozen=True, slots=True)
class _Window:
    """The messages that are told, with the lore before them and the notes behind them."""

    kept: list[StoryMessage]
    plan: PromptPlan
    turns: list[Turned]
    told: _Beside
    noted: _Beside
    tail: str


class _Layout:
    def __init__(
        self, prepared: Prepared, template: ChatTemplate, counts: CountTable, tokenizer: str, announced: str
    ):
        self._p, self._template, self._counts = prepared, template, counts
        self._tokenizer, self._announced = tokenizer, announced
        self._sent: tuple[Turned, ...] = ()
        self._begins = "" if prepared.turn.kind == "quiet" else prepared.bias()

    def laid_out(self, memory: Memory, before: Memory | None = None) -> SteadyPrompt | NeedCounts:
        """`before` is what the last prompt left, where it is not to be gone on from."""
        p = self._p
        top = head(p, memory.fixed)
        found = self._window(top, memory)
        if isinstance(found, NeedCounts):
            return found
        shown = self._shown(top, found)
        segments = self._segments(top, found)
        if isinstance(segments, NeedCounts):
            return segments
        first = found.kept[0].id if found.kept else ""
        broke = self._broke(before or memory, first, shown, segments)
        cut = len(p.messages) - len(found.kept)
        return SteadyPrompt(
            plan=replace(found.plan, segments=segments, cut_messages=cut, broke=broke),
            memory=Memory(
                told=found.told, noted=found.noted, fixed=top.fixed, first=first, shown=tuple(shown)
            ),
            lore=p.activation,
            fixed=tuple(section.name for section in top.sections if section.fixed),
            turns=self._sent,
            begins=self._begins,
        )

    def _window(self, top: Head, memory: Memory) -> _Window | NeedCounts:
        """From where the last prompt began, or as far behind it as must be; anew where that is little."""
        messages, first = self._p.messages, memory.first
        kept = _from(messages, first)
        found = self._fitted(top, kept, memory)
        while not isinstance(found, NeedCounts):
            plan = found.plan
            if plan.cut_messages:
                kept = _from(kept, _first(found.turns, plan))
            elif first and len(kept) < len(messages) and plan.tokens < self._p.turn.room // LEAST_SHARE:
                kept, first = list(messages), ""
            else:
                return found
            found = self._fitted(top, kept, memory)
        return found

    def _fitted(self, top: Head, kept: list[StoryMessage], memory: Memory) -> _Window | NeedCounts:
        p = self._p
        told = told_now(p, memory.told, kept)
        noted, last = noted_now(p, memory.noted, kept)
        turns = turned(p, kept, told, noted, self._announced)
        end = tail(p, last)
        plan = self._assembled(top, self._with_tail(turns, end))
        return plan if isinstance(plan, NeedCounts) else _Window(kept, plan, turns, told, noted, end)

    def _assembled(self, top: Head, turns: list[Turned]) -> PromptPlan | NeedCounts:
        """Where a template insists that the person speaks first, somebody asks for the beginning."""
        p = self._p
        system = [Turned("system", top.text)] if top.text else []
        begun = [Turned("assistant", self._begins)] if self._begins else []
        self._sent = (*system, *turns, *begun)
        room = {"context": p.turn.context, "reply_room": p.turn.reply_room}
        try:
            return assemble(
                self._sent,
                self._template,
                self._counts,
                tokenizer=self._tokenizer,
                continues=p.continues or bool(begun),
                reason="history",
                **room,
            )
        except TemplateRefused:
            if not turns or turns[0].role != "assistant":
                raise
            return self._assembled(top, [Turned("user", p.resolve(OPENED)), *turns])

    def _with_tail(self, turns: list[Turned], end: str) -> list[Turned]:
        """With the announcement, which stays, and the tail, which does not."""
        p = self._p
        if p.continues and turns and turns[-1].role == "assistant":
            return turns
        if p.members and p.turn.kind != "impersonate":
            announce(turns, announcement(p, p.char, self._announced))
        ended = list(turns)
        announce(ended, end)
        return ended

    # ── what is new ─────────────────────────────────────────────────────────────────────────────────────

    def _shown(self, top: Head, found: _Window) -> list[Shown]:
        parts = [Shown(section.name, digest(section.text)) for section in top.sections]
        parts += [Shown(f"message {one.id}", digest_of(one.text)) for one in found.turns]
        return [*parts, *([Shown("tail", digest(found.tail))] if found.tail else [])]

    def _broke(
        self, memory: Memory, first: str, shown: Sequence[Shown], segments: Sequence[Segment]
    ) -> Break | None:
        """The first part of the last prompt that this one has not in its place."""
        pairs = enumerate(zip(memory.shown, shown, strict=False))
        place = next((index for index, (old, new) in pairs if old != new), None)
        if place is None:
            return None
        again = self._again(memory, place, shown, segments)
        if memory.shown[place].part == "tail":
            return Break("tail", "tail", again)
        if memory.first and first != memory.first:
            return Break(shown[place].part, "cut", again)
        return Break(shown[place].part, "changed", again)

    def _again(self, memory: Memory, place: int, shown: Sequence[Shown], segments: Sequence[Segment]) -> int:
        """Tokens behind the break that an engine has seen: of the last prompt, and of its reply."""
        seen = set(memory.shown)
        newest = max((index for index, one in enumerate(shown) if one.part != "tail"), default=0)
        costs: dict[str, int] = {}
        for segment in segments:
            key = f"message {segment.message_id}" if segment.message_id else segment.source
            costs[key] = costs.get(key, 0) + (segment.tokens if segment.included else 0)
        again = [one for index, one in enumerate(shown) if index >= place and (one in seen or index < newest)]
        return sum(costs.get(part, 0) for part in dict.fromkeys(one.part for one in again))

    # ── the plan ────────────────────────────────────────────────────────────────────────────────────────

    def _segments(self, top: Head, found: _Window) -> tuple[Segment, ...] | NeedCounts:
        texts = [section.text for section in top.sections]
        for beside in (found.told, found.noted):
            texts += [it.text for told in beside.values() for it in told]
        texts += [found.tail] if found.tail else []
        missing = tuple(dict.fromkeys(text for text in texts if text not in self._counts))
        if missing:
            return NeedCounts(missing)
        parts = [self._head_segment(section.name, section.text, section.fixed) for section in top.sections]
        turns = {one.id: one for one in reversed(found.turns)}
        last = found.turns[-1].ids if found.turns else ()
        with_more = {*found.told, *found.noted, *last}
        for segment in found.plan.segments[1 if top.text else 0 :]:
            one = turns.get(segment.message_id)
            if one and one.ids and with_more.isdisjoint(one.ids):
                parts.append(segment)
            else:
                parts += self._message_segments(segment, found, one)
        return tuple(parts)

    def _head_segment(self, name: str, text: str, fixed: bool) -> Segment:
        return Segment(name, "", self._counts[text], reason="fixed" if fixed else "head")

    def _message_segments(self, segment: Segment, found: _Window, one: Turned | None) -> list[Segment]:
        if self._begins and segment.source == "assistant" and not segment.message_id:
            return [segment._replace(source="starts_reply_with", reason="begins")]
        lore = [self._told_segment("lore", it, segment, "triggered") for it in _beside(one, found.told)]
        notes = [self._told_segment("note", it, segment, "stays") for it in _beside(one, found.noted)]
        is_last = bool(found.turns) and found.turns[-1].id == segment.message_id
        cost = self._counts[found.tail] if is_last and found.tail else 0
        end = [Segment("tail", "", cost, reason="tail")] if cost else []
        own = max(0, segment.tokens - sum(part.tokens for part in (*lore, *notes, *end)))
        return [*lore, segment._replace(tokens=own), *notes, *end]

    def _told_segment(self, source: str, told: Told, at: Segment, reason: str) -> Segment:
        return Segment(source, at.message_id, self._counts[told.text], at.included, told.label, reason)


def tail(p: Prepared, notes: Sequence[str]) -> str:
    """What is told at the end and is not part of the history: these notes, and what has to be last."""
    prompt = p.story.system_prompt
    own = p.story.character.card.post_history
    texts = list(notes)
    if prompt.enabled:
        texts.append(p.preferred(own, prompt.post_history, p.story.prefers_card_post_history))
    texts.append(p.turn.quiet_prompt)
    return JOINT.join(text for text in (p.resolve(part).strip() for part in texts) if text)


def _beside(one: Turned | None, beside: _Beside) -> list[Told]:
    return [it for id in (one.ids if one else ()) for it in beside.get(id, ())]


def _from(messages: Sequence[StoryMessage], first: str) -> list[StoryMessage]:
    """From the message on that was the first in the last prompt; all where it is gone."""
    start = next((index for index, message in enumerate(messages) if first and message.id == first), 0)
    return list(messages[start:])


def _first(turns: Sequence[Turned], plan: PromptPlan) -> str:
    """The id of the first message that is in."""
    told = {segment.message_id for segment in plan.segments if segment.included}
    return next((id for one in turns if one.id in told for id in one.ids), "")
