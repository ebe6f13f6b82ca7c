"""What macros can speak of: people, card, chat, settings, variables, clock, chance. Knows no macro."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fabula.prompt.macros.chance import Draw
from fabula.prompt.macros.numbers import number, written


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The texts of a character, macros not yet resolved."""

    description: str = ""
    personality: str = ""
    scenario: str = ""
    examples: str = ""
    greetings: tuple[str, ...] = ()  # the first message, then the alternates
    system_prompt: str = ""
    post_history: str = ""
    depth_prompt: str = ""
    creator_notes: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message of the chat, as far as macros see it."""

    text: str
    is_user: bool = False
    is_hidden: bool = False
    swipes: int = 0  # how many alternatives there are; 0: none are kept
    swipe: int = 0  # index of the shown one
    sent: datetime.datetime | None = None


@dataclass(slots=True)
class Variables:
    """Named values that macros read and write. Give a copy where a prompt is built only to look at it."""

    values: dict[str, Any] = field(default_factory=dict)

    def copy(self) -> Variables:
        return Variables(dict(self.values))

    def get(self, name: str, key: str | None = None) -> Any:
        value = self.values.get(name)
        if key is not None:
            value = _at(_parsed(value), key)
        text = value if isinstance(value, str) else written(value)
        if value is None or not text.strip() or number(text) != number(text):
            return text
        return number(text)

    def set(self, name: str, value: Any, key: str | None = None) -> None:
        if key is not None:
            value = written(_with(_parsed(self.values.get(name)), key, value))
        self.values[name] = value

    def add(self, name: str, increment: Any) -> Any:
        """Numbers are added, texts joined, lists lengthened. Gives the new value."""
        current = self.get(name) or 0.0
        listed = _parsed(current)
        if isinstance(listed, list):
            self.values[name] = written([*listed, increment])
        else:
            total = number(current) + number(increment)
            joined = ("" if current == 0.0 else written(current)) + written(increment)
            self.values[name] = joined if total != total else total
        return self.get(name)

    def has(self, name: str) -> bool:
        return name in self.values

    def delete(self, name: str) -> None:
        self.values.pop(name, None)


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return None


def _at(holder: Any, key: str) -> Any:
    if isinstance(holder, dict):
        return holder.get(key)
    place = number(key)
    fits = isinstance(holder, list) and place == place and 0 <= place < len(holder)
    return holder[int(place)] if fits else None


def _with(holder: Any, key: str, value: Any) -> Any:
    place = number(key)
    if isinstance(holder, dict) or place != place or not 0 <= place < MAX_ITEMS:
        return {**(holder if isinstance(holder, dict) else {}), key: value}
    items = list(holder) if isinstance(holder, list) else []
    items += [None] * (int(place) + 1 - len(items))
    items[int(place)] = value
    return items


MAX_ITEMS = 10_000
"""Length that a list in a variable may get by setting an item far behind its end."""


Extra = str | Callable[[], str]
"""The value of a macro that holds in one place only, or what gives it each time."""


def once(text: str) -> Extra:
    """`text` the first time, nothing after that."""
    left = [text]
    return lambda: left.pop() if left else ""


def half() -> float:
    return 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that macros are given.

    `members` are the names of a group (`muted` those that do not speak), empty where one character speaks.
    `plain` holds the values of macros that only repeat a setting, by lower-case name; `extra` those that hold
    in one place only, like `original`. `draw` is the chance of `random` and `roll`.
    """

    user: str = "User"
    char: str = ""
    card: Card = field(default_factory=Card)
    persona: str = ""
    members: tuple[str, ...] = ()
    muted: tuple[str, ...] = ()
    messages: Sequence[Said] = ()
    plain: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Extra] = field(default_factory=dict)
    outlets: Mapping[str, str] = field(default_factory=dict)
    local: Variables = field(default_factory=Variables)
    everywhere: Variables = field(default_factory=Variables)
    banned: list[str] = field(default_factory=list)  # words that `banned` collects
    now: datetime.datetime | None = None
    draw: Draw = half
    chat_id: str = ""
    reroll: str = ""  # changes every `pick` of the chat
