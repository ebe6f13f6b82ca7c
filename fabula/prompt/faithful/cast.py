"""Whose card a prompt holds: one character's, or a group's cards joined. Knows no chat."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fabula.prompt.faithful.model import Character, Group, Join, Story
from fabula.prompt.macros.scene import Card

_FIELD = re.compile(r"<FIELDNAME>", re.I)
_FIELDS = {
    "description": "Description",
    "personality": "Personality",
    "scenario": "Scenario",
    "examples": "Example Messages",
}
Resolve = Callable[[str, str], str]
"""Macros of a text, with a character's name."""


def shown_card(story: Story, resolve: Resolve) -> Card:
    """The texts of the prompt, macros resolved with each member's own name; the chat's overrides win."""
    card, group = story.character.card, story.group
    if group and group.join != Join.SWAP:
        texts: dict[str, Any] = {field: _joined(story, group, field, resolve) for field in _FIELDS}
    else:
        texts = {
            field: resolve(getattr(card, field).strip(), story.character.name).replace("\r", "")
            for field in _FIELDS
        }
    for field in ("scenario", "examples"):
        own = getattr(story.overrides, field).strip()
        texts[field] = resolve(own, story.character.name) if own else texts[field]
    return replace(card, **texts)


def present(story: Story, group: Group) -> list[Character]:
    """The members whose cards are told: not the muted ones, unless all are or one of them speaks."""
    with_muted = group.join == Join.APPEND_MUTED
    return [member for member in group.members if with_muted or _speaks(story, group, member)]


def _speaks(story: Story, group: Group, member: Character) -> bool:
    return member.file not in group.muted or member.file == story.character.file


def _joined(story: Story, group: Group, field: str, resolve: Resolve) -> str:
    texts = (
        _wrapped(getattr(member.card, field), group, field, member, resolve)
        for member in present(story, group)
    )
    return "\n".join(text for text in texts if text)


def _wrapped(text: str, group: Group, field: str, member: Character, resolve: Resolve) -> str:
    text = text.strip()
    if not text:
        return ""
    if field == "examples" and not text.startswith("<START>"):
        text = f"<START>\n{text}"

    def told(part: str) -> str:
        return resolve(_FIELD.sub(_FIELDS[field], part), member.name)

    return told(group.prefix) + told(text).strip() + told(group.suffix)


def depth_prompts(story: Story, resolve: Resolve) -> list[tuple[str, int, int]]:
    """Text, depth and role of the cards' notes in the chat: the speaker's, or one per member who speaks."""
    group = story.group
    members = [story.character]
    if group and group.join != Join.SWAP:
        told = [member for member in group.members if _speaks(story, group, member)]
        members = [member for member in told if member.card.depth_prompt.strip()] or members
    return [
        (resolve(member.card.depth_prompt.strip(), member.name), member.depth, member.role)
        for member in members
    ]
