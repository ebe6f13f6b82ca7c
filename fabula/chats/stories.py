"""Chats with a character: how they begin, and what each of their turns is told with. Knows no layout.

The card is read anew at every turn, so that an edit of it holds from the next reply on.
"""

from __future__ import annotations

import datetime
import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fabula.chats import greetings, shelf
from fabula.chats.book import Chats
from fabula.chats.characters import book
from fabula.chats.characters.card import Card, DepthNote
from fabula.chats.characters.library import Characters
from fabula.chats.characters.shelf import Character
from fabula.chats.places import Kind
from fabula.chats.records import Chat, PathMessage
from fabula.prompt.faithful import model
from fabula.prompt.lore.activate import ordered
from fabula.prompt.lore.entry import Role
from fabula.prompt.lore.timed import Timers
from fabula.prompt.macros import scene
from fabula.prompt.macros.evaluate import resolved
from fabula.prompt.macros.scene import Scene, Variables
from fabula.prompt.steady.memory import Memory
from fabula.store.database import Database
from fabula.turn.telling import Laid, Telling

SYSTEM = (
    "You are {{char}} in a story that you tell together with {{user}}. Write what {{char}} says and does "
    "next, true to who {{char}} is and to what has happened so far. Leave {{user}}'s words and deeds "
    "to {{user}}."
)
"""What stands at the head where neither the chat nor the card has a prompt of its own."""
SOMEBODY = "User"
ROLES = {"system": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}
KINDS: dict[Kind, model.Kind] = {"reply": "normal", "swipe": "swipe", "continue": "continue"}


class Stories:
    """Brings chats and characters together."""

    def __init__(self, database: Database, chats: Chats, characters: Characters):
        self._database = database
        self._chats = chats
        self._characters = characters

    async def begin(self, owner: str, fields: Mapping[str, Any]) -> Chat:
        """A chat that opens with the greetings of `character_id`. Raises CharacterNotFound."""
        character = await self._characters.get(owner, fields["character_id"])
        card, now = character.card, datetime.datetime.now().astimezone()
        variables: list[dict[str, Any]] = []
        texts = []
        for text in card.greetings:
            local = Variables()
            texts.append(resolved(text, _scene(card, fields.get("persona", {}), local, now)))
            variables.append(local.values)
        told = dict(fields) | {"title": fields.get("title") or card.name}

        chat = await self._database.write(lambda c: greetings.begin(c, owner, told, texts, card.called))
        if variables and variables[0]:
            await self._database.write(lambda c: shelf.remember(c, owner, chat.id, {}, variables[0]))
        return self._chats.announce(chat)

    async def character(self, owner: str, chat: Chat) -> Character | None:
        """Who speaks in a chat; None is the model as itself. Raises CharacterNotFound."""
        return await self._characters.get(owner, chat.character_id) if chat.character_id else None

    async def telling(
        self, chat: Chat, character: Character, owner: str, path: Sequence[PathMessage], kind: Kind
    ) -> Telling:
        """What a turn is told with. `path` ends with the message that is answered, swiped or lengthened."""
        memory, variables = await self._database.read(lambda c: shelf.remembered(c, owner, chat.id))
        return Telling(
            story=story(chat, character, path, Timers.of(memory.get("timers", {}))),
            kind=KINDS[kind],
            memory=Memory.of(memory.get("layout", {})),
            now=datetime.datetime.now().astimezone(),
            seed=secrets.randbits(32),
            chat_id=chat.id,
            variables=variables,
        )

    def keeping(self, owner: str, telling: Telling) -> Telling:
        """The same, whose prompt is remembered when it is sent."""

        async def keep(laid: Laid) -> None:
            prompt, id = laid.prompt, telling.chat_id
            memory = {"layout": prompt.memory.all(), "timers": prompt.lore.timers.all()}
            await self._database.write(lambda c: shelf.remember(c, owner, id, memory, laid.variables))

        return replace(telling, keep=keep)


def story(chat: Chat, character: Character, path: Sequence[PathMessage], timers: Timers) -> model.Story:
    card, persona = character.card, chat.persona
    name = user_of(chat)
    settings = book.settings(card)
    return model.Story(
        character=_speaker(character),
        persona=model.Persona(name=name, description=str(persona.get("description", ""))),
        messages=[_said(message, name, card.called) for message in path],
        system_prompt=model.SystemPrompt(text=SYSTEM),
        overrides=model.Overrides(system_prompt=chat.system),
        lore=ordered(settings.strategy, character=book.entries(card)),
        lore_settings=settings,
        timers=timers,
    )


def user_of(chat: Chat) -> str:
    """What the person is called."""
    return str(chat.persona.get("name") or SOMEBODY)


def _speaker(character: Character) -> model.Character:
    card = character.card
    note = card.depth_note or DepthNote("")
    return model.Character(
        name=card.called,
        card=_texts(card),
        depth=note.depth,
        role=ROLES.get(note.role, Role.SYSTEM),
        talkativeness=card.talkativeness,
        file=card.name,
        tags=frozenset(character.tags),
    )


def _texts(card: Card) -> scene.Card:
    note = card.depth_note
    return scene.Card(
        description=card.text("description"),
        personality=card.text("personality"),
        scenario=card.text("scenario"),
        examples=card.text("mes_example"),
        greetings=card.greetings,
        system_prompt=card.text("system_prompt"),
        post_history=card.text("post_history_instructions"),
        depth_prompt=note.text if note else "",
        creator_notes=card.text("creator_notes"),
        version=card.text("character_version"),
    )


def _said(message: PathMessage, user: str, char: str) -> model.StoryMessage:
    return model.StoryMessage(
        id=message.id,
        text=message.text,
        is_user=message.role == "user",
        is_narrator=message.role == "system",
        name=message.name or {"user": user, "assistant": char}.get(message.role, ""),
        token_ids=message.token_ids,
        tokenizer=message.tokenizer,
    )


def _scene(card: Card, persona: Mapping[str, Any], local: Variables, now: datetime.datetime) -> Scene:
    return Scene(
        user=str(persona.get("name") or SOMEBODY),
        char=card.called,
        card=_texts(card),
        persona=str(persona.get("description", "")),
        local=local,
        now=now,
        draw=random.random,
    )
