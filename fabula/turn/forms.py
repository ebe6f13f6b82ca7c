"""The faithful layouts as a model gets them: text for completion, or messages for its chat template.

Knows no tree and no table. What SillyTavern would send is laid out by `prompt.faithful`; here it is brought
to the model that reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fabula.core.errors import TemplateRefused
from fabula.core.messages import Message
from fabula.prompt import breaks
from fabula.prompt.assemble import render
from fabula.prompt.breaks import Part
from fabula.prompt.faithful.chat import ChatPrompt, chat_prompt
from fabula.prompt.faithful.derived import derived
from fabula.prompt.faithful.formats import FORMATS
from fabula.prompt.faithful.manager import ChatSettings
from fabula.prompt.faithful.model import Story, Turn
from fabula.prompt.faithful.prepare import World
from fabula.prompt.faithful.templates import Context, Instruct
from fabula.prompt.faithful.text import TextPrompt, text_prompt
from fabula.prompt.lore.activate import Activation
from fabula.prompt.plan import CountTable, NeedCounts, PromptPlan, Segment
from fabula.prompt.steady.memory import Memory
from fabula.prompt.template import ChatTemplate

FALLBACK = "ChatML"  # where neither a person nor the model's template says how turns are wrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class TextForm:
    """Text completion. `instruct` None: as the model's chat template says; `plain`: names, nothing else."""

    context: Context
    instruct: Instruct | None = None
    plain: bool = False
    layout: Literal["text"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesForm:
    """Chat completion."""

    settings: ChatSettings
    layout: Literal["messages"] = "messages"


Form = TextForm | MessagesForm


@dataclass(frozen=True, slots=True, kw_only=True)
class FaithfulPrompt:
    """The counterpart of `SteadyPrompt`. `stops` end the reply."""

    plan: PromptPlan
    memory: Memory
    lore: Activation
    messages: tuple[Message, ...]
    fixed: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What is fixed for one turn."""

    template: ChatTemplate
    memory: Memory
    bos: str = ""
    stops: Sequence[str] = ()


def instruct_of(form: TextForm, template: ChatTemplate, bos: str = "") -> Instruct | None:
    """The person's choice, else what the model's template says, else a usual one."""
    if form.plain:
        return None
    return form.instruct or derived(template, bos) or FORMATS[FALLBACK]


def faithful_prompt(
    form: Form, story: Story, turn: Turn, given: Given, counts: CountTable, world: World
) -> FaithfulPrompt | NeedCounts:
    """The prompt, or the texts to count first. Raises ContextExceeded, TemplateRefused."""
    if isinstance(form, TextForm):
        instruct = instruct_of(form, given.template, given.bos)
        text = text_prompt(story, turn, form.context, instruct, counts, world, stops=given.stops)
        return text if isinstance(text, NeedCounts) else _of_text(text, given)
    found = chat_prompt(story, turn, form.settings, counts, world)
    return found if isinstance(found, NeedCounts) else _of_messages(found, turn, given)


def _of_text(found: TextPrompt, given: Given) -> FaithfulPrompt:
    plan = _with_break(found.plan, found.parts, given.memory)
    return FaithfulPrompt(
        plan=plan,
        memory=replace(given.memory, shown=breaks.shown(found.parts)),
        lore=found.lore,
        messages=(Message(role="user", text=found.text),),
        stops=found.stops,
    )


def _of_messages(found: ChatPrompt, turn: Turn, given: Given) -> FaithfulPrompt:
    parts = [Part(_word(row.source), row.id, row.text, row.label) for row in found.rows]
    continues = turn.kind == "continue" and bool(found.rows) and found.rows[-1].role == "assistant"
    messages, pieces = accepted(found.messages, given.template, continues)
    plan = PromptPlan(
        pieces=(pieces,), segments=found.segments, tokens=found.tokens, cut_messages=found.cut_messages
    )
    return FaithfulPrompt(
        plan=_with_break(plan, parts, given.memory),
        memory=replace(given.memory, shown=breaks.shown(parts)),
        lore=found.lore,
        messages=messages,
    )


WORDS = {
    "main": "system_prompt",
    "worldInfoBefore": "lore",
    "worldInfoAfter": "lore",
    "personaDescription": "persona",
    "charDescription": "description",
    "charPersonality": "personality",
    "scenario": "scenario",
    "jailbreak": "post_history",
    "message": "message",
    "injection": "injection",
    "newMainChat": "chat_start",
    "newChat": "examples",
    **dict.fromkeys(("groupNudge", "continueNudge", "impersonate", "quietPrompt", "bias"), "quiet"),
    **dict.fromkeys(("continuePrefill", "emptyUserMessageReplacement"), "message"),
}


def _word(source: str) -> str:
    """What people are told that a row is; a preset may have prompts of its own."""
    return "examples" if source.startswith("examples") else WORDS.get(source, "prompt")


def _with_break(plan: PromptPlan, parts: Sequence[Part], memory: Memory) -> PromptPlan:
    told: list[Segment] = [segment for segment in plan.segments if segment.included]
    return replace(plan, broke=breaks.broken(memory.shown, breaks.shown(parts), told))


def accepted(
    messages: Sequence[Message], template: ChatTemplate, continues: bool
) -> tuple[tuple[Message, ...], str]:
    """The messages as the template takes them, and its text.

    Many templates want one system message in front and roles that alternate: for those, later system messages
    are the person's and neighbours of one role become one message. Raises TemplateRefused.
    """
    try:
        return tuple(messages), _text(messages, template, continues)
    except TemplateRefused:
        merged = alternating(messages)
        return merged, _text(merged, template, continues)


def _text(messages: Sequence[Message], template: ChatTemplate, continues: bool) -> str:
    bare = [replace(message, name="") for message in messages]
    return "".join(piece for piece in render(bare, template, continues=continues) if isinstance(piece, str))


def alternating(messages: Sequence[Message]) -> tuple[Message, ...]:
    """One system message at most, in front; then the person and the model in turn, the person first."""
    merged: list[Message] = []
    for message in messages:
        in_front = message.role == "system" and all(one.role == "system" for one in merged)
        role = message.role if in_front or message.role != "system" else "user"
        last = merged[-1] if merged else None
        if role == "assistant" and (last is None or last.role == "system"):
            merged.append(Message(role="user", text="…"))
            last = None
        if last and last.role == role:
            merged[-1] = replace(last, text=f"{last.text}\n{message.text}")
        else:
            merged.append(replace(message, role=role, name=""))
    return tuple(merged)
