"""What chats are made of, as others see them. Knows no tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from fabula.core.messages import Message, Role

Reason = Literal["written", "generated", "edited", "continued", "recovered", "imported"]


@dataclass(frozen=True, kw_only=True)
class Chat:
    """One chat. `turn_id` is for whoever runs turns to fill in; the tree does not know of them."""

    id: str
    title: str
    model: str
    system: str
    sampling: dict[str, Any]
    head_id: str  # the last message that is shown, "" = none
    revision: int
    created_at: float
    updated_at: float
    can_undo: bool
    can_redo: bool
    message_count: int  # of the path that is shown
    turn_id: str = ""
    character_id: str = ""  # who speaks, "" = the model as itself
    persona: dict[str, Any] = field(default_factory=dict)  # who the person is: name, description
    folder: str = ""
    favourite: bool = False
    story: dict[str, Any] = field(default_factory=dict)  # note, lorebooks, layout, group: `story_settings`


@dataclass(frozen=True, kw_only=True)
class ListedChat(Chat):
    preview: str  # how the last message begins
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFilter:
    """Which chats are wanted; what is None does not matter."""

    words: str = ""  # of their titles
    tags: tuple[str, ...] = ()  # all of them
    folder: str | None = None
    favourite: bool | None = None
    character_id: str | None = None
    trashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """Where words are looked for; what is None or "" does not matter. Times are Unix seconds."""

    chat_id: str = ""
    character_id: str = ""
    folder: str | None = None
    tag: str = ""
    favourite: bool | None = None
    since: float | None = None
    until: float | None = None  # exclusive

    @property
    def is_narrow(self) -> bool:
        """Whether most of what is found may lie elsewhere."""
        return self != Within()


@dataclass(frozen=True, slots=True)
class Swipe:
    """Where a message stands among its alternatives. `index` counts from 0."""

    index: int
    count: int
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    id: str
    parent_id: str
    role: Role
    author: str
    text: str
    version_id: str
    version_reason: Reason
    versions: int
    created_at: float
    swipe: Swipe
    facts: dict[str, Any] | None = None
    reasoning: str = ""
    checkpoint: str = ""  # its name, "" = none
    left_out: bool = False  # of prompts


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of the path, oldest first. `more`: there are messages before it. `total`: of the path.
    `start`: how many come before it."""

    messages: list[ChatMessage]
    more: bool
    revision: int
    total: int
    start: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    id: str
    text: str
    reason: Reason
    created_at: float
    facts: dict[str, Any] | None
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What a change brought. The path is as it was up to and with `path_from` ("" = nothing of it is)."""

    chat: Chat
    message: ChatMessage | None
    path_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathMessage(Message):
    """A message for the prompt. `id` is the message's, `version_id` is what token counts are kept by."""

    version_id: str
    left_out: bool = False  # the prompt goes without it


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A path that ends at `id`. It leaves the shown path below `fork_id` ("" = it has nothing of it)."""

    id: str
    fork_id: str
    messages: int  # of the whole path
    own: int  # of them, those below the fork
    updated_at: float
    preview: str
    shown: bool


@dataclass(frozen=True, slots=True)
class Outline:
    """The whole tree without its texts: of each message its id, the index of the one before it (-1 = it is a
    first one), and its role. What comes before stands before; alternatives stand in their order."""

    revision: int
    head_id: str
    ids: list[str]
    parents: list[int]
    roles: list[Role]
    checkpoints: dict[str, str]  # names, by message


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    id: str
    name: str
    number: int  # of the message on its path, from 1
    preview: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two paths: what both begin with, and what each has of its own, oldest first."""

    common_id: str  # the last message of both, "" = none
    common: int  # messages
    left: list[ChatMessage]
    right: list[ChatMessage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A message in which the words of a search stand. `match` = (start, end) in `excerpt`."""

    number: int  # of the search, for the next page
    chat_id: str
    chat_title: str
    character_id: str
    message_id: str
    role: Role
    author: str
    excerpt: str
    match: tuple[int, int] | None
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOutcome:
    """What a turn brought, to be put into the tree.

    `text` and `reasoning`, with their ids, are the whole of the new version, also for `continue`. The head
    moves to the new message only if it is where the turn found it: at `head_id`, or, when that is not given,
    at the parent (for a swipe, at one of its children).
    """

    owner_id: str
    chat_id: str
    turn_id: str
    kind: Literal["reply", "swipe", "continue"]
    message_id: str  # chosen when the turn began; for `continue` the message that is lengthened
    text: str
    reason: Reason = "generated"
    parent_id: str = ""
    base_version_id: str = ""  # for `continue`: the version that was lengthened
    head_id: str | None = None  # where the head was when the turn began
    role: Role = "assistant"
    author: str = ""
    token_ids: tuple[int, ...] = ()
    tokenizer: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    reasoning: str = ""
    reasoning_ids: tuple[int, ...] = ()
