"""Chats with characters: how they begin, who answers, and what each of their turns is told with.

Cards, lorebooks and settings are read anew at every turn, so that an edit holds from the next reply on. Knows
no layout.
"""

from __future__ import annotations

import datetime
import logging
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fabula.chats import (
    gathering,
    greetings,
    items,
    narrating,
    packs,
    personas,
    shelf,
    story_settings,
    tidying,
)
from fabula.chats.book import Chats
from fabula.chats.characters.card import Card
from fabula.chats.characters.library import Characters
from fabula.chats.characters.shelf import Character
from fabula.chats.gathering import Gathered
from fabula.chats.lorebooks.entries import Parsed
from fabula.chats.memory import told as memories
from fabula.chats.narrating import SOMEBODY
from fabula.chats.places import Kind
from fabula.chats.quick_replies import Step
from fabula.chats.records import Chat, ChatMessage, PathMessage, TurnOutcome
from fabula.chats.retelling import Retelling
from fabula.chats.story_settings import StoryDefaults, StorySettings
from fabula.chats.templates import template_of
from fabula.core.errors import CharacterNotFound, ChatNotFound, NobodyAnswers
from fabula.prompt.faithful import model
from fabula.prompt.faithful.speakers import Order, speakers
from fabula.prompt.faithful.usual import IMPERSONATION
from fabula.prompt.macros.evaluate import resolved
from fabula.prompt.macros.scene import Scene, Variables
from fabula.prompt.steady.memory import Memory
from fabula.store.database import Database
from fabula.turn.telling import Laid, Telling

KINDS: dict[str, model.Kind] = {
    "reply": "normal",
    "swipe": "swipe",
    "continue": "continue",
    "impersonate": "impersonate",
    "quiet": "quiet",
}
Tidy = Callable[[str], str]
log = logging.getLogger(__name__)


def is_story(chat: Chat) -> bool:
    """Whether somebody speaks in it other than the model as itself."""
    return bool(chat.character_id or chat.story.get("group"))


class Stories:
    """Brings chats, characters and all that belongs to them together."""

    def __init__(self, database: Database, chats: Chats, characters: Characters):
        self._database = database
        self._chats = chats
        self._characters = characters
        self._parsed = Parsed()
        self._retelling = Retelling()

    # ── beginnings ──────────────────────────────────────────────────────────────────────────────────

    async def begin(self, owner: str, fields: Mapping[str, Any]) -> Chat:
        """A chat that opens with the greetings of `character_id`, or of everyone in `story.group`.

        Raises CharacterNotFound.
        """
        story = dict(fields.get("story") or {})
        settings = StorySettings.of(story)
        ids = [one.character_id for one in settings.group.members] if settings.group else []
        cast = [await self._characters.get(owner, id) for id in ids or [fields["character_id"]]]
        defaults, told = await self._database.read(lambda c: _usual(c, owner))
        persona = _persona(fields.get("persona") or {}, told, settings.persona_id, cast)
        opened = _Opening(persona, [one.card.called for one in cast] if settings.group else [])
        said = [(one.card.called, opened.texts(one.card)) for one in cast]

        names = ", ".join(one.card.called for one in cast)
        row = {"persona": {}, **fields, "title": fields.get("title") or names}
        row |= {"story": _begun_with(defaults) | story}
        row |= {"character_id": ""} if settings.group else {}
        chat = await self._database.write(lambda c: greetings.begin(c, owner, row, said))
        if opened.variables:
            await self._database.write(lambda c: shelf.remember(c, owner, chat.id, {}, opened.variables))
        return self._chats.announce(chat)

    # ── turns ───────────────────────────────────────────────────────────────────────────────────────

    async def gathered(
        self, owner: str, chat: Chat, first_id: str = "", *, books: bool = True
    ) -> Gathered | None:
        """What its turns are told with; None where the model speaks as itself. Raises CharacterNotFound."""
        if not is_story(chat):
            return None
        return await self._database.read(lambda c: gathering.gather(c, owner, chat, first_id, books=books))

    def speaker(
        self, told: Gathered, path: Sequence[PathMessage], kind: str, named: str = "", *, asked: bool = True
    ) -> tuple[Character, list[Character]]:
        """Who answers now, and who after that. In a group a swipe and a continuation stay with who spoke.

        Raises NobodyAnswers, or CharacterNotFound for a name that is not in the cast.
        """
        by_id = {character.id: character for character in told.cast}
        if named:
            if named not in by_id:
                raise CharacterNotFound(named)
            return by_id[named], []
        if told.settings.group is None:
            return told.cast[0], []
        if kind in ("swipe", "continue") and path:
            said = path[-1].name
            who = next((one for one in told.cast if said in (one.card.called, one.card.name)), told.cast[0])
            return who, []
        return self._chosen(told, path, asked=asked)

    def _chosen(
        self, told: Gathered, path: Sequence[PathMessage], *, asked: bool
    ) -> tuple[Character, list[Character]]:
        group = narrating.group_of(told)
        assert group
        assert told.settings.group
        messages = narrating.messages(told, path)
        found = speakers(group, told.settings.group.order, messages, random.random, asked=asked)
        files = {member.file: id for id, member in narrating.members(told).items()}
        by_id = {character.id: character for character in told.cast}
        chosen = [by_id[files[member.file]] for member in found if member.file in files]
        if not chosen:
            raise NobodyAnswers(_able(told))
        return chosen[0], chosen[1:]

    def require_somebody(self, told: Gathered, named: str) -> None:
        """Raises NobodyAnswers before anything is changed, where a person has to say who answers."""
        group = told.settings.group
        if named or group is None:
            return
        if group.order == Order.MANUAL or len(told.muted) >= len(told.cast):
            raise NobodyAnswers(_able(told))

    def telling(
        self,
        told: Gathered,
        speaker: Character,
        path: Sequence[PathMessage],
        kind: Kind | str,
        quiet: str = "",
        running: str = "",
    ) -> Telling:
        """What a turn is told with. `path` ends with the message that is answered, swiped or lengthened."""
        cut = bool(told.memory.get("cut"))
        laid = Memory.of(told.memory.get("layout", {}))
        laid = memories.lasting(laid, told.remembered, path, is_cut=cut)
        form = narrating.form(told)
        if kind == "impersonate" and form is None:
            quiet = quiet or IMPERSONATION
        return Telling(
            story=narrating.story(told, speaker, path, self._parsed, self._retelling, running),
            kind=KINDS[kind],
            memory=laid,
            now=datetime.datetime.now().astimezone(),
            seed=secrets.randbits(32),
            chat_id=told.chat.id,
            variables=told.variables,
            shared=told.shared,
            form=form,
            quiet=quiet,
            full=cut,
        )

    async def steps(self, owner: str, chat_id: str, steps: Sequence[Step], written: str) -> list[Step]:
        """Those of a quick reply with their macros resolved (`{{input}}` is what the person has written);
        variables are set, and are no steps any more."""
        chat = await self._chats.get(owner, chat_id)
        told = await self.gathered(owner, chat, books=False)
        memory, kept = await self._database.read(lambda c: shelf.remembered(c, owner, chat_id))
        variables = Variables(dict(kept))
        scene = Scene(
            user=narrating.persona_of(told).name if told else str(chat.persona.get("name") or SOMEBODY),
            char=told.cast[0].card.called if told else "",
            plain={"input": written},
            local=variables,
            now=datetime.datetime.now().astimezone(),
            draw=random.random,
        )
        found: list[Step] = []
        for one in steps:
            text = resolved(one.text, scene)
            if one.act == "set_variable":
                variables.set(one.name, text)
            else:
                found.append(replace(one, text=text))
        if variables.values != kept:
            await self._database.write(lambda c: shelf.remember(c, owner, chat_id, memory, variables.values))
        return found

    async def pack(self, owner: str, chat: Chat, running: str) -> packs.Pack | None:
        """The system prompt of the library for a chat in which the model speaks as itself."""
        pack = str(chat.story.get("pack") or "")

        def work(connection: Any) -> packs.Pack | None:
            settings, _ = story_settings.read(connection, owner)
            kept = [template_of(one) for one in items.listed(connection, owner, "template", whole=True)]
            return packs.chosen(settings, kept, pack, [], running)

        return await self._database.read(work)

    def keeping(self, owner: str, telling: Telling) -> Telling:
        """The same, whose prompt is remembered when it is sent."""

        async def keep(laid: Laid) -> None:
            prompt, id = laid.prompt, telling.chat_id
            memory: dict[str, Any] = {"layout": prompt.memory.all(), "timers": prompt.lore.timers.all()}
            memory["cut"] = prompt.plan.cut_messages
            memory["filled"] = prompt.plan.tokens / max(laid.context - laid.reply_room, 1)
            await self._database.write(lambda c: shelf.remember(c, owner, id, memory, laid.variables))
            if dict(laid.shared) != dict(telling.shared):
                shared = dict(laid.shared)
                await self._database.write(lambda c: story_settings.write(c, owner, variables=shared))

        return replace(telling, keep=keep)

    # ── what was written, and what is shown ─────────────────────────────────────────────────────────

    def said(self, told: Gathered, text: str) -> str:
        """What the person says, after the regex scripts that change it for good."""
        return tidying.said(told, text)

    async def settled(self, outcome: TurnOutcome, base: str) -> TurnOutcome:
        """A reply as it is kept: put in order as SillyTavern does it in its layouts, after regex scripts."""
        try:
            chat = await self._chats.get(outcome.owner_id, outcome.chat_id)
            told = await self.gathered(outcome.owner_id, chat, books=False)
        except (ChatNotFound, CharacterNotFound) as gone:
            log.info("a reply is kept as it was written: %s", gone)
            return outcome
        return tidying.settled(told, outcome, base) if told else outcome

    def tidying(self, telling: Telling | None, told: Gathered | None) -> Tidy:
        """What puts a text in order that is written beside the chat."""
        if telling is None or told is None:
            return str.strip
        name, kind = telling.story.character.name, telling.kind
        return lambda text: tidying.tidied(told, text, name, kind).strip()

    async def shown(
        self, owner: str, chat_id: str, messages: Sequence[ChatMessage], behind: int
    ) -> dict[str, str]:
        """Other texts to show, by message, where regex scripts want that; `behind` messages follow."""
        chat = await self._chats.get(owner, chat_id)
        if not is_story(chat):
            return {}
        try:
            told = await self._database.read(lambda c: gathering.gather(c, owner, chat, books=False))
        except CharacterNotFound:
            return {}
        return tidying.shown(told, messages, behind)


def _able(told: Gathered) -> str:
    return ", ".join(one.card.called for one in told.cast if one.id not in told.muted) or "–"


class _Opening:
    """Greetings with their macros resolved; the variables that the first of them sets are the chat's."""

    def __init__(self, persona: model.Persona, members: Sequence[str]):
        self._persona, self._members = persona, tuple(members)
        self._now = datetime.datetime.now().astimezone()
        self.variables: dict[str, Any] = {}

    def texts(self, card: Card) -> list[str]:
        """A group's own greetings go before the others."""
        found = (*card.group_greetings, *card.greetings) if self._members else card.greetings
        return [self._text(text, card, number == 0) for number, text in enumerate(found)]

    def _text(self, text: str, card: Card, is_first: bool) -> str:
        local = Variables(self.variables if is_first else {})
        return resolved(
            text,
            Scene(
                user=self._persona.name,
                char=card.called,
                card=narrating.texts(card),
                persona=self._persona.description,
                members=self._members,
                local=local,
                now=self._now,
                draw=random.random,
            ),
        )


def _usual(connection: Any, owner: str) -> tuple[StoryDefaults, list[personas.Persona]]:
    settings, _ = story_settings.read(connection, owner)
    return StoryDefaults.of(settings), personas.all_of(connection, owner)


def _persona(
    own: Mapping[str, Any], told: list[personas.Persona], id: str, cast: Sequence[Character]
) -> model.Persona:
    """As `narrating.persona_of` will say of the chat."""
    chosen = personas.chosen(told, id, [one.id for one in cast])
    if chosen is None or (own.get("name") and chosen.id != id):
        return model.Persona(
            name=str(own.get("name") or SOMEBODY), description=str(own.get("description", ""))
        )
    return model.Persona(name=chosen.name, description=chosen.description)


def _begun_with(defaults: StoryDefaults) -> dict[str, Any]:
    """What a new chat has of the settings for all."""
    return {"layout": defaults.layout} if defaults.layout != "steady" else {}
