"""Everything that a turn of a story is told with, brought together from the tables. Knows no prompt layout.

All is read in one transaction, so that a turn sees one state of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from fabula.chats import items, personas, shelf, story_settings
from fabula.chats.characters import shelf as character_shelf
from fabula.chats.characters.card import Card
from fabula.chats.characters.shelf import Character
from fabula.chats.items import Item
from fabula.chats.memory import shelf as memory_shelf
from fabula.chats.memory.records import Remembered
from fabula.chats.personas import Persona
from fabula.chats.records import Chat
from fabula.chats.story_settings import StoryDefaults, StorySettings
from fabula.chats.templates import Template, template_of
from fabula.core.errors import CharacterNotFound
from fabula.store.schema.chats import messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Lorebooks by scope; one that holds in several is in the first: everywhere, chat, persona, character."""

    everywhere: tuple[Item, ...] = ()
    chat: tuple[Item, ...] = ()
    persona: tuple[Item, ...] = ()
    character: tuple[Item, ...] = ()

    @property
    def all(self) -> tuple[Item, ...]:
        return (*self.everywhere, *self.chat, *self.persona, *self.character)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """`cast` are the characters of a group, or the one of a chat; `greeting` is the index of the one that the
    chat begins with, None where it begins otherwise."""

    chat: Chat
    settings: StorySettings
    defaults: StoryDefaults
    cast: tuple[Character, ...]
    persona: Persona | None
    books: Books
    scripts: tuple[Item, ...]
    notes: Mapping[str, Mapping[str, Any]]  # by character
    templates: tuple[Template, ...]
    memory: Mapping[str, Any]
    variables: Mapping[str, Any]
    shared: Mapping[str, Any]
    greeting: int | None = None
    remembered: Remembered = field(default_factory=Remembered)

    @property
    def muted(self) -> frozenset[str]:
        """Ids of those who do not speak."""
        group = self.settings.group
        return frozenset(one.character_id for one in group.members if one.muted) if group else frozenset()


def gather(
    connection: Connection, owner: str, chat: Chat, first_id: str = "", *, books: bool = True
) -> Gathered:
    """`first_id` is the first message of the path; lorebooks are left out where nothing is laid out. Raises
    ChatNotFound or CharacterNotFound."""
    settings = StorySettings.of(chat.story)
    defaults, shared = story_settings.read(connection, owner)
    memory, variables = shelf.remembered(connection, owner, chat.id)
    cast = _cast(connection, owner, chat, settings)
    ids = [character.id for character in cast]
    persona = personas.chosen(personas.all_of(connection, owner), settings.persona_id, ids)
    scripts = items.listed(connection, owner, "script", whole=True)
    persona_id = persona.id if persona else ""
    return Gathered(
        chat=chat,
        settings=settings,
        defaults=StoryDefaults.of(defaults),
        cast=cast,
        persona=persona,
        books=_books(connection, owner, settings, cast, persona_id) if books else Books(),
        scripts=tuple(
            item for item in scripts if item.links.everywhere or set(item.links.characters) & set(ids)
        ),
        notes=notes(connection, owner),
        templates=tuple(map(template_of, items.listed(connection, owner, "template", whole=True))),
        memory=memory,
        variables=variables,
        shared=shared,
        greeting=_greeting(connection, first_id, cast[0].card if len(cast) == 1 else None),
        remembered=memory_shelf.read(connection, owner, chat.id),
    )


def _cast(connection: Connection, owner: str, chat: Chat, settings: StorySettings) -> tuple[Character, ...]:
    """A member of a group who is gone is passed over; one's only partner is missed."""
    if settings.group is None:
        found = [character_shelf.get(connection, owner, chat.character_id)] if chat.character_id else []
        return tuple(found)
    members = []
    for member in settings.group.members:
        try:
            members.append(character_shelf.get(connection, owner, member.character_id))
        except CharacterNotFound:
            continue
    if not members:
        raise CharacterNotFound(", ".join(member.character_id for member in settings.group.members) or "–")
    return tuple(members)


def _books(
    connection: Connection,
    owner: str,
    settings: StorySettings,
    cast: Sequence[Character],
    persona_id: str,
) -> Books:
    heads = items.listed(connection, owner, "lorebook")
    worlds = {linked_world(character.card).casefold() for character in cast} - {""}
    ids = {character.id for character in cast}
    scopes: dict[str, list[str]] = {"everywhere": [], "chat": [], "persona": [], "character": []}
    for head in heads:
        if head.links.everywhere:
            scopes["everywhere"].append(head.id)
        elif head.id in settings.lorebooks:
            scopes["chat"].append(head.id)
        elif persona_id and persona_id in head.links.personas:
            scopes["persona"].append(head.id)
        elif set(head.links.characters) & ids or head.name.casefold() in worlds:
            scopes["character"].append(head.id)
    whole = items.several(connection, owner, [id for found in scopes.values() for id in found])
    return Books(**{scope: tuple(whole[id] for id in found) for scope, found in scopes.items()})


def linked_world(card: Card) -> str:
    """The name of the lorebook that a card of SillyTavern is linked with; "" for none."""
    world = card.extensions.get("world")
    return world if isinstance(world, str) else ""


def notes(connection: Connection, owner: str) -> dict[str, Mapping[str, Any]]:
    """The notes that belong to characters, wherever they speak."""
    found = items.listed(connection, owner, "note", whole=True)
    return {id: item.document for item in found for id in item.links.characters}


def _greeting(connection: Connection, first_id: str, card: Card | None) -> int | None:
    if not first_id or card is None:
        return None
    row = connection.execute(
        select(messages.c.position, messages.c.role).where(messages.c.id == first_id)
    ).one_or_none()
    if row is None or row.role != "assistant" or row.position >= len(card.greetings):
        return None
    return int(row.position)
