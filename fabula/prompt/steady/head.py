"""The head of a steady prompt: everything that does not change from turn to turn. Knows no message.

In a group there is one head for all: every member's card, and `{{char}}` means them all. A text whose macros
change by themselves (a clock, dice) is resolved once and kept until the prompt is cut anyway.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fabula.prompt.faithful import examples
from fabula.prompt.faithful import injections as keys
from fabula.prompt.faithful.injections import gathered
from fabula.prompt.faithful.model import Injection, PersonaPlace, Place
from fabula.prompt.faithful.prepare import Prepared
from fabula.prompt.lore.entry import Entry, Position
from fabula.prompt.lore.placing import Placed, placed
from fabula.prompt.macros.evaluate import resolved
from fabula.prompt.macros.scene import Scene
from fabula.prompt.steady.memory import digest

JOINT = "\n\n"
SUMMARY = "summary"
"""The section, and its key among the texts that are kept, of what happened before the window."""
_OTHER_TIME = datetime.timedelta(days=400, hours=7, minutes=13)


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the head. `fixed`: its macros change by themselves, and it is kept as it was."""

    name: str
    text: str
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    sections: tuple[Section, ...]
    fixed: Mapping[str, str]

    @property
    def text(self) -> str:
        return JOINT.join(section.text for section in self.sections)


def is_constant(entry: Entry) -> bool:
    """Whether an entry is told in every turn, so that it can stand in the head."""
    lasts = entry.sticky or entry.cooldown or entry.delay
    sure = not entry.uses_probability or entry.probability == 100
    changes = lasts or entry.triggers or entry.group or entry.waits or entry.rules.changes
    return entry.constant and sure and not changes


def head(p: Prepared, fixed: Mapping[str, str]) -> Head:
    """The head, with texts that were fixed before."""
    everyone = replace(p.scene, char=", ".join(p.members)) if p.members else p.scene
    sections: list[Section] = []
    kept: dict[str, str] = {}
    for name, raw in _texts(p):
        section = _section(name, raw, everyone, fixed)
        if section.fixed:
            kept[_key(name, raw)] = section.text
        if section.text.strip():
            sections.append(section)
    return Head(tuple(sections), kept)


def _key(name: str, raw: str) -> str:
    """A summary is kept whatever has been written since: another one waits until all is read again."""
    return SUMMARY if name == SUMMARY else f"{name} {digest(raw)}"


def _section(name: str, raw: str, scene: Scene, fixed: Mapping[str, str]) -> Section:
    before = fixed.get(_key(name, raw))
    if before is not None:
        return Section(name, before, True)
    text = resolved(raw, scene).strip()
    return Section(name, text, name == SUMMARY or text != resolved(raw, _elsewhen(scene)).strip())


def _elsewhen(scene: Scene) -> Scene:
    """The same scene at another time, with other luck, nothing said: what differs changes by itself."""
    return replace(
        scene,
        now=scene.now + _OTHER_TIME if scene.now else None,
        draw=lambda: 0.999999,
        messages=(),
        local=scene.local.copy(),
        everywhere=scene.everywhere.copy(),
        banned=[],
    )


def _texts(p: Prepared) -> Iterable[tuple[str, str]]:
    """The texts of the head in order, macros of the card's own already resolved."""
    constant = placed([entry for entry in p.activation.entries if is_constant(entry)])
    persona = p.story.persona
    yield "before", gathered(p.injections, Place.BEFORE_STORY)
    yield "system_prompt", _system(p)
    yield "lore", "\n".join(constant.before)
    yield "description", p.card.description
    yield "personality", p.card.personality
    yield "lore", "\n".join(constant.personality)
    yield "scenario", p.card.scenario
    yield "lore", "\n".join(constant.scenario)
    yield "lore", "\n".join((*constant.after, *_elsewhere(constant)))
    yield "persona", persona.description if persona.place != PersonaPlace.NOWHERE else ""
    yield "examples", _examples(p, constant.examples)
    yield SUMMARY, "\n".join(item.text for item in p.injections if item.key == keys.SUMMARY)
    yield "after", "\n".join(item.text for item in p.injections if _is_in_head(item))


def _elsewhere(constant: Placed) -> Iterable[str]:
    """Lore that should stand around the author's note or in the chat."""
    yield from (*constant.note_top, *constant.note_bottom)
    yield from (text for at in constant.depths for text in at.texts)


def _is_in_head(item: Injection) -> bool:
    """What stands behind the head and is neither the summary nor a note."""
    return (
        item.place == Place.AFTER_STORY
        and item.key.startswith(("1_", "3_", "4_"))
        and item.key != keys.SUMMARY
    )


def _system(p: Prepared) -> str:
    prompt, own = p.story.system_prompt, p.story.overrides.system_prompt
    if not prompt.enabled:
        return ""
    if not own and not p.members and p.story.prefers_card_prompt:
        own = p.story.character.card.system_prompt
    general = p.general_prompt
    return own.strip().replace("{{original}}", general) if own.strip() else general


def _examples(p: Prepared, lore: Sequence[tuple[int, str]]) -> str:
    if p.story.strip_examples:
        return ""
    found = examples.blocks(p.card.examples, "")
    for position, text in lore:
        more = examples.blocks(text, "")
        found = [*more, *found] if position == Position.EXAMPLES_TOP else [*found, *more]
    return "\n".join(block.strip() for block in found)
