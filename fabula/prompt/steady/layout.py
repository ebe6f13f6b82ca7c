"""The steady layout: head, history, tail, and what of them is new to an engine. Knows no engine.

Notes, post-history instructions and other texts at a depth stand at the very end, behind the person's last
message: they are read again every turn, and with them the reply that followed them. When the window is full,
half of it is given up at once, so that the beginning stays the same for many turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fabula.core.errors import TemplateRefused
from fabula.core.messages import Message
from fabula.prompt.assemble import assemble
from fabula.prompt.faithful.injections import at_depth, depths, gathered
from fabula.prompt.faithful.model import Injection, Join, Place, Story, StoryMessage, Turn
from fabula.prompt.faithful.prepare import Prepared, World, prepare
from fabula.prompt.lore.activate import Activation
from fabula.prompt.lore.entry import Role
from fabula.prompt.plan import Break, CountTable, NeedCounts, PromptPlan, Segment
from fabula.prompt.steady.head import JOINT, Head, head
from fabula.prompt.steady.history import ANNOUNCED, Turned, announce, announcement, told_now, turned
from fabula.prompt.steady.memory import Memory, Shown, Told, digest
from fabula.prompt.template import ChatTemplate

OPENED = "({{char}} begins.)"
LEAST_SHARE = 4
"""A window that holds less than this part of its room is laid out as if the chat were new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyPrompt:
    """A prompt with its plan, and the memory that the next turn needs."""

    plan: PromptPlan
    memory: Memory
    lore: Activation
    fixed: tuple[str, ...] = ()  # names of head sections whose macros were kept as they were
    messages: tuple[Message, ...] = ()  # what the template was given


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
    return layout.laid_out(replace(memory, fixed={}))  # cut anew: what was kept may change now


def _one_head(story: Story) -> Story:
    """A group's cards are always told together, so that the head does not depend on the speaker."""
    if story.group and story.group.join == Join.SWAP:
        return replace(story, group=replace(story.group, join=Join.APPEND))
    return story


_Window = tuple[list[StoryMessage], PromptPlan, list[Turned], dict[str, tuple[Told, ...]]]


class _Layout:
    def __init__(
        self, prepared: Prepared, template: ChatTemplate, counts: CountTable, tokenizer: str, announced: str
    ):
        self._p, self._template, self._counts = prepared, template, counts
        self._tokenizer, self._announced = tokenizer, announced
        self._tail = tail(prepared)
        self._sent: tuple[Message, ...] = ()

    def laid_out(self, memory: Memory) -> SteadyPrompt | NeedCounts:
        p = self._p
        top = head(p, memory.fixed)
        found = self._window(top, memory)
        if isinstance(found, NeedCounts):
            return found
        kept, plan, turns, told = found
        shown = self._shown(top, turns)
        segments = self._segments(top, plan, turns, told)
        if isinstance(segments, NeedCounts):
            return segments
        first = kept[0].id if kept else ""
        broke = self._broke(memory, first, shown, segments)
        cut = len(p.messages) - len(kept)
        return SteadyPrompt(
            plan=replace(plan, segments=segments, cut_messages=cut, broke=broke),
            memory=Memory(told=told, fixed=top.fixed, first=first, shown=tuple(shown)),
            lore=p.activation,
            fixed=tuple(section.name for section in top.sections if section.fixed),
            messages=self._sent,
        )

    def _window(self, top: Head, memory: Memory) -> _Window | NeedCounts:
        """From where the last prompt began, or as far behind it as must be; anew where that is little."""
        messages, first = self._p.messages, memory.first
        kept = _from(messages, first)
        found = self._fitted(top, kept, memory)
        while not isinstance(found, NeedCounts):
            plan, turns, _ = found
            if plan.cut_messages:
                kept = _from(kept, _first(turns, plan))
            elif first and len(kept) < len(messages) and plan.tokens < self._p.turn.room // LEAST_SHARE:
                kept, first = list(messages), ""
            else:
                return kept, *found
            found = self._fitted(top, kept, memory)
        return found

    def _fitted(
        self, top: Head, kept: Sequence[StoryMessage], memory: Memory
    ) -> tuple[PromptPlan, list[Turned], dict[str, tuple[Told, ...]]] | NeedCounts:
        p = self._p
        told = told_now(p, memory.told, kept)
        turns = turned(p, kept, told, self._announced)
        messages = [one.message for one in self._with_tail(turns)]
        plan = self._assembled(top, messages)
        return plan if isinstance(plan, NeedCounts) else (plan, turns, told)

    def _assembled(self, top: Head, messages: list[Message]) -> PromptPlan | NeedCounts:
        """Where a template insists that the person speaks first, somebody asks for the beginning."""
        p = self._p
        system = [Message(role="system", text=top.text)] if top.text else []
        self._sent = (*system, *messages)
        room = {"context": p.turn.context, "reply_room": p.turn.reply_room}
        try:
            return assemble(
                [*system, *messages],
                self._template,
                self._counts,
                tokenizer=self._tokenizer,
                continues=p.continues,
                **room,
            )
        except TemplateRefused:
            if not messages or messages[0].role != "assistant":
                raise
            opening = Message(role="user", text=p.resolve(OPENED))
            return self._assembled(top, [opening, *messages])

    def _with_tail(self, turns: list[Turned]) -> list[Turned]:
        """With the announcement, which stays, and the tail, which does not."""
        p = self._p
        if p.continues and turns and turns[-1].message.role == "assistant":
            return turns
        if p.members and p.turn.kind != "impersonate":
            announce(turns, announcement(p, p.char, self._announced))
        ended = list(turns)
        announce(ended, self._tail)
        return ended

    # ── what is new ─────────────────────────────────────────────────────────────────────────────────────

    def _shown(self, top: Head, turns: Sequence[Turned]) -> list[Shown]:
        parts = [Shown(section.name, digest(section.text)) for section in top.sections]
        parts += [Shown(f"message {one.message.id}", digest(one.message.text)) for one in turns]
        return [*parts, *([Shown("tail", digest(self._tail))] if self._tail else [])]

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

    def _segments(
        self, top: Head, plan: PromptPlan, turns: Sequence[Turned], told: dict[str, tuple[Told, ...]]
    ) -> tuple[Segment, ...] | NeedCounts:
        lore = [one for one in turns if any(told.get(id) for id in one.ids)]
        texts = [section.text for section in top.sections]
        texts += [known.text for one in lore for id in one.ids for known in told.get(id, ())]
        texts += [self._tail] if self._tail else []
        missing = tuple(dict.fromkeys(text for text in texts if text not in self._counts))
        if missing:
            return NeedCounts(missing)
        parts = [self._head_segment(section.name, section.text, section.fixed) for section in top.sections]
        for segment in plan.segments[1 if top.text else 0 :]:
            parts += self._message_segments(segment, turns, told)
        return tuple(parts)

    def _head_segment(self, name: str, text: str, fixed: bool) -> Segment:
        return Segment(name, "", self._counts[text], reason="fixed" if fixed else "head")

    def _message_segments(
        self, segment: Segment, turns: Sequence[Turned], told: dict[str, tuple[Told, ...]]
    ) -> list[Segment]:
        one = next((turn for turn in turns if turn.message.id == segment.message_id), None)
        known = [told_ for id in (one.ids if one else ()) for told_ in told.get(id, ())]
        lore = [
            Segment(
                "lore", segment.message_id, self._counts[it.text], segment.included, it.label, "triggered"
            )
            for it in known
        ]
        is_last = bool(turns) and turns[-1].message.id == segment.message_id
        cost = self._counts[self._tail] if is_last and self._tail else 0
        end = [Segment("tail", "", cost, reason="tail")] if cost else []
        own = max(0, segment.tokens - sum(part.tokens for part in (*lore, *end)))
        return [*lore, replace(segment, tokens=own, reason="history"), *end]


def _lore_segment(told: Told, tokens: int, message: str, included: bool) -> Segment:
    return Segment("lore", message, tokens, included, told.label, "triggered")


def tail(p: Prepared) -> str:
    """What is told at the end and is not part of the history."""
    injections = [*p.injections]
    texts = [gathered([item for item in injections if _is_note(item)], Place.AFTER_STORY)]
    for depth in reversed(depths(injections)):
        texts += [at_depth(injections, depth, role) for role in (Role.ASSISTANT, Role.USER, Role.SYSTEM)]
    prompt = p.story.system_prompt
    own = p.story.character.card.post_history
    if prompt.enabled:
        texts.append(p.preferred(own, prompt.post_history, p.story.prefers_card_post_history))
    texts.append(p.turn.quiet_prompt)
    return JOINT.join(text for text in (p.resolve(part).strip() for part in texts) if text)


def _is_note(item: Injection) -> bool:
    return not item.key.startswith(("1_", "3_", "4_"))


def _from(messages: Sequence[StoryMessage], first: str) -> list[StoryMessage]:
    """From the message on that was the first in the last prompt; all where it is gone."""
    start = next((index for index, message in enumerate(messages) if first and message.id == first), 0)
    return list(messages[start:])


def _is_in(one: Turned, plan: PromptPlan) -> bool:
    return any(segment.included and segment.message_id == one.message.id for segment in plan.segments)


def _first(turns: Sequence[Turned], plan: PromptPlan) -> str:
    """The id of the first message that is in."""
    told = (one for one in turns if _is_in(one, plan))
    return next((id for one in told for id in one.ids), "")
