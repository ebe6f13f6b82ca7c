"""What both layouts need of a turn: the texts of the card, the chat as it is sent, lore, injections.

Knows no template and counts nothing but lore.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fabula.prompt.faithful import injections as keys
from fabula.prompt.faithful.cast import depth_prompts, shown_card
from fabula.prompt.faithful.model import (
    Injection,
    Note,
    PersonaPlace,
    Place,
    Story,
    StoryMessage,
    Turn,
)
from fabula.prompt.lore.activate import Activation, Occasion, activate
from fabula.prompt.lore.entry import Entry, Position
from fabula.prompt.lore.placing import Placed, placed
from fabula.prompt.macros.chance import Draw
from fabula.prompt.macros.evaluate import resolved
from fabula.prompt.macros.scene import Card, Scene, Variables, once
from fabula.prompt.plan import CountTable, NeedCounts
from fabula.prompt.regexes.scripts import Placement, run_all

_EDGE_BREAKS = re.compile(r"\A\n|\n\Z")
_MANY_BREAKS = re.compile(r"\n\n+")  # begins with a letter, which re finds much sooner than a repetition


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is neither in the story nor in the turn: the clock, chance, variables, values of plain macros."""

    draw: Draw
    now: datetime.datetime | None = None
    plain: Mapping[str, str] = field(default_factory=dict)
    local: Variables = field(default_factory=Variables)
    everywhere: Variables = field(default_factory=Variables)
    chat_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A turn, ready to be laid out. `messages` are oldest first, the ones that are sent."""

    story: Story
    turn: Turn
    scene: Scene
    card: Card
    persona: str
    messages: tuple[StoryMessage, ...]
    lore: Placed
    activation: Activation
    injections: tuple[Injection, ...]
    note_told: bool

    @property
    def general_prompt(self) -> str:
        """The person's system prompt, unless an entry of lore switches it off."""
        return self._unless("system_prompt", self.story.system_prompt.text)

    @property
    def general_post_history(self) -> str:
        return self._unless("post_history_instructions", self.story.system_prompt.post_history)

    def _unless(self, name: str, text: str) -> str:
        return "" if any(name in entry.rules.disables for entry in self.activation.entries) else text

    def told(self, field: str) -> str:
        """The card's personality or scenario, with the lore behind it; "" where the card has none."""
        text: str = getattr(self.card, field)
        return "\n".join((text, *getattr(self.lore, field))) if text else ""

    @property
    def user(self) -> str:
        return self.story.persona.name

    @property
    def char(self) -> str:
        return self.story.character.name

    @property
    def continues(self) -> bool:
        return self.turn.kind == "continue"

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.story.group.members) if self.story.group else ()

    def resolve(self, text: str) -> str:
        return resolved(text, self.scene)

    def preferred(self, own: str, general: str, prefers_own: bool) -> str:
        """The card's prompt with the general one as {{original}}, or the general one."""
        if prefers_own and own.strip():
            return self._cleaned(resolved(own.strip(), self.scene, extra={"original": once(general)}))
        return self._cleaned(self.resolve(general))

    def _cleaned(self, text: str) -> str:
        text = text.replace("\r", "")
        return collapsed(text) if self.story.collapse_newlines else text

    def bias(self) -> str:
        """How the reply has to begin: what the last message that counts says, or the setting."""
        if self.turn.kind in ("impersonate", "continue"):
            return ""
        asked = next((message for message in reversed(self.messages) if message.is_user), None)
        own = asked.bias if asked and asked.bias.strip() else ""
        return self.resolve(own or self.story.starts_reply_with)


def prepare(story: Story, turn: Turn, counts: CountTable, world: World) -> Prepared | NeedCounts:
    """The turn's texts, or what must be counted first for lore."""
    scene = _scene(story, turn, world)

    def named(text: str, char: str) -> str:
        return resolved(text, scene if char == scene.char else replace(scene, char=char))

    card = shown_card(story, named)
    persona = named(story.persona.description.strip(), scene.char).replace("\r", "")
    messages = _sent(story, turn, scene)
    note_told, found = _injections(story, turn, named)
    activation = activate(
        story.lore,
        _occasion(story, turn, scene, card, persona, messages, found),
        story.timers,
        counts,
        world.draw,
    )
    if isinstance(activation, NeedCounts):
        return activation
    lore = placed(activation.entries, lambda entry: _scripted_lore(story, turn, scene, entry))
    scene = replace(scene, outlets={**scene.outlets, **lore.outlet_texts})
    return Prepared(
        story=story,
        turn=turn,
        scene=scene,
        card=card,
        persona=persona,
        messages=messages,
        lore=lore,
        activation=activation,
        injections=_with_lore(story, found, lore, note_told),
        note_told=note_told,
    )


def _scene(story: Story, turn: Turn, world: World) -> Scene:
    group = story.group
    own = story.overrides.system_prompt or (
        story.character.card.system_prompt if story.prefers_card_prompt else ""
    )
    plain = {
        "maxprompt": str(turn.room),
        "maxcontext": str(turn.context),
        "maxresponse": str(turn.reply_room),
        "lastgenerationtype": turn.kind,
        "authorsnote": story.note.text,
        "charauthorsnote": story.note.of_character,
        "defaultsystemprompt": story.system_prompt.text,
        "systemprompt": own or story.system_prompt.text,
        "reasoningprefix": story.reasoning.prefix,
        "reasoningsuffix": story.reasoning.suffix,
        "reasoningseparator": story.reasoning.separator,
        "summary": next((found.text for found in story.injections if found.key == keys.SUMMARY), ""),
    }
    return Scene(
        user=story.persona.name,
        char=story.character.name,
        card=replace(story.character.card, **_overridden(story)),
        persona=story.persona.description,
        members=tuple(member.name for member in group.members) if group else (),
        muted=tuple(member.name for member in group.members if member.file in group.muted) if group else (),
        messages=story.messages,
        plain={**plain, **world.plain},
        local=world.local.copy() if turn.dry else world.local,
        everywhere=world.everywhere.copy() if turn.dry else world.everywhere,
        now=world.now,
        draw=world.draw,
        chat_id=world.chat_id,
    )


def _overridden(story: Story) -> dict[str, Any]:
    own = {"scenario": story.overrides.scenario, "examples": story.overrides.examples}
    return {field: text for field, text in own.items() if text.strip()}


# ── the chat as it is sent ──────────────────────────────────────────────────────────────────────────────


def _sent(story: Story, turn: Turn, scene: Scene) -> tuple[StoryMessage, ...]:
    """Without hidden messages and a reply that is told anew, after the regex scripts, with reasoning."""
    core = [message for message in story.messages if not message.is_hidden]
    anew = turn.kind == "swipe" or (turn.kind == "regenerate" and core and not core[-1].is_user)
    core = core[:-1] if anew else core
    if core and core[0] is story.messages[0]:
        core[0] = replace(core[0], text=resolved(core[0].text, scene))
    if story.scripts:
        core = [_scripted(story, turn, scene, core, index) for index in range(len(core))]
    return tuple(_with_reasoning(story, turn, scene, core))


def _depth(turn: Turn, count: int, index: int) -> int:
    return count - index - (2 if turn.kind == "continue" else 1)


def _scripted(
    story: Story, turn: Turn, scene: Scene, core: Sequence[StoryMessage], index: int
) -> StoryMessage:
    message = core[index]
    text = run_all(
        story.scripts,
        message.text,
        scene,
        Placement.USER if message.is_user else Placement.REPLY,
        "sent",
        depth=_depth(turn, len(core), index),
        limit_s=turn.regex_limit_s,
    )
    return message if text == message.text else replace(message, text=text)


def _with_reasoning(story: Story, turn: Turn, scene: Scene, core: list[StoryMessage]) -> list[StoryMessage]:
    """The newest messages get their reasoning, as many as the setting says; a lengthened one always.

    In a group only the speaker's own is told: the others' thoughts are theirs.
    """
    style, told = story.reasoning, 0
    for index in range(len(core) - 1, -1, -1):
        lengthened = turn.kind == "continue" and index == len(core) - 1
        if not lengthened and not (style.sent and told < style.most):
            break
        others = story.group and core[index].name != story.character.name
        if core[index].reasoning and not others:
            told += 1
            core[index] = _thoughtful(story, turn, scene, core, index, lengthened)
    return core


def _thoughtful(
    story: Story, turn: Turn, scene: Scene, core: Sequence[StoryMessage], index: int, lengthened: bool
) -> StoryMessage:
    message, style = core[index], story.reasoning
    depth = _depth(turn, len(core), index)
    reasoning = run_all(
        story.scripts,
        message.reasoning,
        scene,
        Placement.REASONING,
        "sent",
        depth=depth,
        limit_s=turn.regex_limit_s,
    )
    prefix, suffix, separator = (
        resolved(part, scene) for part in (style.prefix, style.suffix, style.separator)
    )
    if lengthened and not message.text:
        return replace(message, text=prefix + reasoning)
    return replace(message, text=prefix + reasoning + suffix + separator + message.text)


# ── what is injected ────────────────────────────────────────────────────────────────────────────────────


def note_falls_due(note: Note, asked: int) -> bool:
    """Whether the author's note is told after so many messages of the person."""
    return asked > 0 and note.interval > 0 and asked % note.interval == 0


def _note_text(note: Note) -> str:
    if not note.of_character:
        return note.text
    joined = {
        "before": f"{note.of_character}\n{note.text}",
        "after": f"{note.text}\n{note.of_character}",
    }
    return joined.get(note.character_place, note.of_character)


def _injections(
    story: Story, turn: Turn, named: Callable[[str, str], str]
) -> tuple[bool, tuple[Injection, ...]]:
    """Whether the note is told, and everything that is injected but lore."""
    note, persona = story.note, story.persona
    told = note_falls_due(note, sum([message.is_user for message in story.messages]))
    found = [
        Injection(
            keys.NOTE, _note_text(note) if told else "", note.place, note.depth, note.role, note.scanned
        )
    ]
    for number, (text, depth, role) in enumerate(depth_prompts(story, named)):
        key = f"{keys.DEPTH_PROMPT}_{number}" if story.group else keys.DEPTH_PROMPT
        found.append(Injection(key, text, Place.IN_CHAT, depth, role, note.scanned))
    if persona.place == PersonaPlace.IN_CHAT:
        text = named(persona.description, story.character.name)
        found.append(Injection(keys.PERSONA, text, Place.IN_CHAT, persona.depth, persona.role, True))
    if turn.quiet_prompt:
        found.append(Injection(keys.QUIET, named(turn.quiet_prompt, story.character.name), scanned=True))
    return told, (*found, *story.injections)


def _with_lore(
    story: Story, found: Sequence[Injection], lore: Placed, note_told: bool
) -> tuple[Injection, ...]:
    changed = [
        replace(injection, text=_noted(story, injection.text, lore))
        if injection.key == keys.NOTE and note_told
        else injection
        for injection in found
    ]
    depths = [
        Injection(f"{keys.LORE}_{at.depth}_{at.role}", "\n".join(at.texts), Place.IN_CHAT, at.depth, at.role)
        for at in lore.depths
    ]
    return (*changed, *depths)


def _noted(story: Story, text: str, lore: Placed) -> str:
    """The author's note with the lore and the persona that stand around it."""
    if lore.note_top or lore.note_bottom:
        text = _EDGE_BREAKS.sub("", "\n".join(("\n".join(lore.note_top), text, "\n".join(lore.note_bottom))))
    persona = story.persona
    if persona.description and persona.place == PersonaPlace.NOTE_TOP:
        return f"{persona.description}\n{text}"
    if persona.description and persona.place == PersonaPlace.NOTE_BOTTOM:
        return f"{text}\n{persona.description}"
    return text


# ── lore ────────────────────────────────────────────────────────────────────────────────────────────────


def _occasion(
    story: Story,
    turn: Turn,
    scene: Scene,
    card: Card,
    persona: str,
    messages: Sequence[StoryMessage],
    found: Sequence[Injection],
) -> Occasion:
    settings = story.lore_settings
    character = story.character
    names = settings.include_names
    depth_prompt = resolved(character.card.depth_prompt.strip(), scene)
    return Occasion(
        messages=[f"{said.name}: {said.text}" if names else said.text for said in reversed(messages)],
        budget=settings.tokens(turn.room),
        settings=settings,
        sources={
            "persona": persona,
            "description": card.description,
            "personality": card.personality,
            "depth_prompt": depth_prompt,
            "scenario": card.scenario,
            "creator_notes": resolved(card.creator_notes.strip(), scene),
        },
        injected=[
            resolved(injection.text, scene) for injection in found if injection.scanned and injection.text
        ],
        trigger=turn.kind,
        character=character.file,
        tags=character.tags,
        forced=turn.forced_lore,
        resolve=lambda text: resolved(text, scene),
        dry=turn.dry,
        replies=sum([not (said.is_user or said.is_narrator) for said in messages]),
        greeting=story.greeting,
        icon=story.user_icon,
        full=turn.full,
    )


def _scripted_lore(story: Story, turn: Turn, scene: Scene, entry: Entry) -> str:
    depth = entry.depth if entry.position == Position.DEPTH else None
    return run_all(
        story.scripts, entry.content, scene, Placement.LORE, "sent", depth=depth, limit_s=turn.regex_limit_s
    )


def collapsed(text: str) -> str:
    """Runs of line breaks as one."""
    return _MANY_BREAKS.sub("\n", text)
