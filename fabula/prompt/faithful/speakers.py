"""Who answers in a group. Pure: chance is an argument. Knows no prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum

from fabula.prompt.faithful.model import Character, Group, StoryMessage
from fabula.prompt.macros.chance import Draw


class Order(IntEnum):
    """How a group's speakers are chosen."""

    NATURAL = 0  # who is named, and whoever feels like it
    LIST = 1  # everyone, in order
    MANUAL = 2  # nobody, until asked
    POOLED = 3  # one at a time, of those who have not spoken yet


_WORD = re.compile(r"\w+")


def speakers(
    group: Group, order: int, messages: Sequence[StoryMessage], draw: Draw, *, asked: bool
) -> list[Character]:
    """The members who answer now, in order. `asked`: the person just said something."""
    able = [member for member in group.members if member.file not in group.muted]
    last = messages[-1] if messages else None
    if order == Order.LIST or not able:
        return able
    if order == Order.MANUAL:
        return [] if asked else _shuffled(able, draw)[:1]
    if order == Order.POOLED:
        return [_pooled(able, messages, draw, asked=asked)]
    return _natural(group, able, last, draw, asked=asked)


def _natural(
    group: Group, able: Sequence[Character], last: StoryMessage | None, draw: Draw, *, asked: bool
) -> list[Character]:
    silent = "" if asked or last is None or last.is_user or group.allows_self_replies else last.name
    allowed = [member for member in able if not silent or member.name != silent]
    chosen = _mentioned(allowed, last.text if last else "")
    chatty: list[Character] = []
    for member in _shuffled(able, draw):
        if member not in allowed:
            continue
        if member.talkativeness >= draw():
            chosen.append(member)
        if member.talkativeness > 0:
            chatty.append(member)
    if not chosen:
        pool = chatty or list(able)
        chosen = [pool[int(draw() * len(pool))]]
    return _unique(chosen)


def _mentioned(members: Sequence[Character], text: str) -> list[Character]:
    """The members whose names share a word with the text, in the order of its words."""
    names = {member.file: set(_words(member.name)) for member in members}
    found = [
        next((member for member in members if word in names[member.file]), None) for word in _words(text)
    ]
    return [member for member in found if member]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _pooled(
    able: Sequence[Character], messages: Sequence[StoryMessage], draw: Draw, *, asked: bool
) -> Character:
    spoken: set[str] = set()
    for message in reversed(messages):
        if asked or message.is_user:
            break
        if not message.is_hidden and not message.is_narrator:
            spoken.add(message.name)
    fresh = [member for member in able if member.name not in spoken]
    if not fresh:
        last = messages[-1] if messages else None
        others = [member for member in able if last is None or last.is_user or member.name != last.name]
        fresh = others if len(able) > 1 and others else list(able)
    return fresh[int(draw() * len(fresh))]


def _shuffled(members: Sequence[Character], draw: Draw) -> list[Character]:
    """Fisher and Yates, from the end."""
    mixed = list(members)
    for left in range(len(mixed), 0, -1):
        other = int(draw() * left)
        mixed[left - 1], mixed[other] = mixed[other], mixed[left - 1]
    return mixed


def _unique(members: Sequence[Character]) -> list[Character]:
    return list({member.file: member for member in members}.values())
