"""What holds in one chat's story, and what holds in all of them. Knows no HTTP and no prompt layout.

Both are kept as JSON. Where it says nothing of a field, or names what there is no longer, the usual holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, update

from fabula.prompt.faithful.model import Join, Note
from fabula.prompt.faithful.speakers import Order
from fabula.prompt.lore.settings import LoreSettings
from fabula.store.schema.stories import story_settings

Layout = Literal["steady", "text", "messages"]
LAYOUTS: tuple[Layout, ...] = ("steady", "text", "messages")
NOTE_FIELDS = ("text", "interval", "place", "depth", "role", "scanned")
NO_TEMPLATE = "none"
"""As the name of an instruct template: names before each message and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    character_id: str
    muted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who speaks in a group chat, and how it is decided who answers. `auto_s`: after so many seconds of
    silence somebody goes on (0: never)."""

    members: tuple[Member, ...] = ()
    order: int = Order.NATURAL
    join: int = Join.SWAP
    prefix: str = ""
    suffix: str = ""
    self_replies: bool = False
    auto_s: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StorySettings:
    """`layout` "steady" is made for an engine's cache; "text" and "messages" are what SillyTavern sends as
    text completion and as chat completion. `context`, `instruct` and `prompts` name templates, "" being the
    usual ones: for `instruct` what the model's own chat template says.
    """

    layout: Layout = "steady"
    context: str = ""
    instruct: str = ""
    prompts: str = ""
    pack: str = ""  # the system prompt of the library
    persona_id: str = ""
    lorebooks: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()  # sets of quick replies
    note: Note = field(default_factory=Note)
    group: Cast | None = None
    scenario: str = ""
    examples: str = ""
    post_history: str = ""
    starts_reply_with: str = ""
    pin_examples: bool = False
    strip_examples: bool = False
    user_icon: str = ""

    @staticmethod
    def of(row: Mapping[str, Any]) -> StorySettings:
        given = _known(StorySettings, row)
        if "layout" in given and given["layout"] not in LAYOUTS:
            del given["layout"]
        for name in ("lorebooks", "replies"):
            given |= {name: tuple(given[name])} if name in given else {}
        if "note" in given:
            given["note"] = Note(
                **{name: given["note"][name] for name in NOTE_FIELDS if name in given["note"]}
            )
        if "group" in given:
            given["group"] = _cast(given["group"])
        return StorySettings(**given)

    def all(self) -> dict[str, Any]:
        """As JSON keeps it, with every field."""
        made = asdict(self)
        made["note"] = {name: made["note"][name] for name in NOTE_FIELDS}
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryDefaults:
    """`system_prompt` "" is Fabula's own. `v3` None: all decorators and expressions of Character Card V3 hold
    in the steady layout, and not in those that are SillyTavern's."""

    layout: Layout = "steady"
    context: str = ""
    instruct: str = ""
    prompts: str = ""
    system_prompt: str = ""
    post_history: str = ""
    card_prompts: bool = True
    card_post_history: bool = True
    card_scripts: bool = False
    collapse_newlines: bool = False
    v3: bool | None = None
    lore: Mapping[str, Any] = field(default_factory=dict)
    packs: Mapping[str, Any] = field(default_factory=dict)  # which system prompt holds where: `packs`

    @staticmethod
    def of(row: Mapping[str, Any]) -> StoryDefaults:
        return StoryDefaults(**_known(StoryDefaults, row))

    def lore_settings(self, layout: Layout) -> LoreSettings:
        """Words of every script have edges, and V3's expressions hold, where exactness is not what counts."""
        v3 = self.has_v3(layout)
        return LoreSettings(**{"unicode_words": v3, "v3_regex": v3, **_known(LoreSettings, self.lore)})

    def has_v3(self, layout: Layout) -> bool:
        return layout == "steady" if self.v3 is None else self.v3


def _known(kind: type[Any], row: Mapping[str, Any]) -> dict[str, Any]:
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in row.items() if name in names and value is not None}


def _cast(row: Mapping[str, Any]) -> Cast:
    members = tuple(Member(**_known(Member, member)) for member in row.get("members") or ())
    return Cast(**_known(Cast, row) | {"members": members})


# ── what holds in all stories ───────────────────────────────────────────────────────────────────────


def read(connection: Connection, owner: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings, and the variables that all chats share."""
    row = connection.execute(select(story_settings).where(story_settings.c.owner_id == owner)).one_or_none()
    return (dict(row.settings), dict(row.variables)) if row else ({}, {})


def write(connection: Connection, owner: str, **row: Any) -> None:
    """Other `settings` or `variables`."""
    mine = story_settings.c.owner_id == owner
    if connection.scalar(select(story_settings.c.owner_id).where(mine)) is None:
        usual: dict[str, Any] = {"owner_id": owner, "settings": {}, "variables": {}}
        connection.execute(insert(story_settings).values(**usual | row))
    else:
        connection.execute(update(story_settings).where(mine).values(**row))
