"""What a story is told with: people, messages, notes, settings. Knows no layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from fabula.prompt.lore.entry import Entry, Role
from fabula.prompt.lore.settings import LoreSettings
from fabula.prompt.lore.timed import Timers
from fabula.prompt.macros.scene import Card, Said
from fabula.prompt.regexes.scripts import Script

Kind = Literal["normal", "continue", "impersonate", "quiet", "swipe", "regenerate"]
KINDS: tuple[Kind, ...] = ("normal", "continue", "impersonate", "quiet", "swipe", "regenerate")


class Place(IntEnum):
    """Where an injected text stands."""

    NONE = -1
    AFTER_STORY = 0
    IN_CHAT = 1
    BEFORE_STORY = 2


class PersonaPlace(IntEnum):
    IN_STORY = 0
    NOTE_TOP = 2
    NOTE_BOTTOM = 3
    IN_CHAT = 4
    NOWHERE = 9


class Join(IntEnum):
    """Which cards a group's prompt holds: the speaker's, all, or all and the muted ones too."""

    SWAP = 0
    APPEND = 1
    APPEND_MUTED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryMessage(Said):
    """One message. A narrator's belongs to nobody. `own_face`: it was told under a picture of its own, as in
    groups and under other personas, so its name is shown where names may be forced."""

    name: str = ""
    is_narrator: bool = False
    own_face: bool = False
    reasoning: str = ""
    bias: str = ""  # how the reply to it has to begin
    id: str = ""
    token_ids: tuple[int, ...] = ()  # as in core.messages.Message
    tokenizer: str = ""
    before: tuple[str | tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    name: str = "User"
    description: str = ""
    place: int = PersonaPlace.IN_STORY
    depth: int = 2
    role: int = Role.SYSTEM


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The author's note, told when the person's messages are a multiple of `interval` (0: never)."""

    text: str = ""
    interval: int = 1
    place: int = Place.IN_CHAT
    depth: int = 4
    role: int = Role.SYSTEM
    scanned: bool = False  # searched for keys of lore, as are the depth prompts of cards
    of_character: str = ""
    character_place: Literal["replace", "before", "after"] = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """`file` is the card's file name without its ending, by which lore knows it."""

    name: str
    card: Card = field(default_factory=Card)
    depth: int = 4  # of the card's depth prompt
    role: int = Role.SYSTEM
    talkativeness: float = 0.5
    file: str = ""
    tags: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    members: tuple[Character, ...]
    muted: frozenset[str] = frozenset()  # files
    join: int = Join.SWAP
    prefix: str = ""  # around each text of a card; <FIELDNAME> is what it is
    suffix: str = ""
    allows_self_replies: bool = False


@dataclass(frozen=True, slots=True)
class Injection:
    """A text that is put somewhere. Texts of one place, depth and role are joined in the order of keys."""

    key: str
    text: str
    place: int = Place.NONE
    depth: int = 0
    role: int = Role.SYSTEM
    scanned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPrompt:
    enabled: bool = True
    text: str = ""
    post_history: str = ""
    name: str = ""  # of the library's, "" = it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningStyle:
    prefix: str = "<think>\n"
    suffix: str = "\n</think>"
    separator: str = "\n\n"
    sent: bool = False
    most: int = 1  # messages whose reasoning is sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What one chat has instead of its card's."""

    scenario: str = ""
    examples: str = ""
    system_prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One chat with everything that goes into its prompts; `lore` in the order of `lore.activate.ordered`."""

    character: Character
    persona: Persona = field(default_factory=Persona)
    group: Group | None = None
    messages: Sequence[StoryMessage] = ()
    note: Note = field(default_factory=Note)
    system_prompt: SystemPrompt = field(default_factory=SystemPrompt)
    overrides: Overrides = field(default_factory=Overrides)
    lore: Sequence[Entry] = ()
    lore_settings: LoreSettings = field(default_factory=LoreSettings)
    timers: Timers = field(default_factory=Timers)
    injections: tuple[Injection, ...] = ()
    scripts: tuple[Script, ...] = ()
    reasoning: ReasoningStyle = field(default_factory=ReasoningStyle)
    prefers_card_prompt: bool = True
    prefers_card_post_history: bool = True
    pin_examples: bool = False
    strip_examples: bool = False
    collapse_newlines: bool = False
    starts_reply_with: str = ""
    prompt_name: str = ""  # of the system prompt that is told, where it has one
    greeting: int | None = None  # index of the one that the chat began with
    user_icon: str | None = None  # the person's picture among those of the card


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What is asked for. `context` and `reply_room` are in tokens; `padding` is added to a whole.

    `loud`: a quiet prompt is answered in character. `dry`: the prompt is only looked at.
    """

    kind: Kind = "normal"
    context: int = 8192
    reply_room: int = 350
    padding: int = 64
    quiet_prompt: str = ""
    quiet_name: str = ""
    loud: bool = False
    forces_name: bool = False
    dry: bool = False
    forced_lore: frozenset[str] = frozenset()
    full: bool = False  # the last prompt did not hold the whole chat
    regex_limit_s: float | None = 1.0

    @property
    def room(self) -> int:
        """Tokens that the prompt may take."""
        return self.context - self.reply_room
