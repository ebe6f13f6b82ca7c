"""What lore a message would bring in, and why: by the code that prompts are made with. Keeps nothing.

Knows no HTTP and no engine: who counts is an argument.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from fabula.chats import narrating, story_settings
from fabula.chats.book import Chats
from fabula.chats.characters.library import Characters
from fabula.chats.items import Item
from fabula.chats.lorebooks.entries import Parsed
from fabula.chats.lorebooks.library import Lorebooks
from fabula.chats.stories import Stories
from fabula.chats.story_settings import StoryDefaults
from fabula.prompt.faithful import model
from fabula.prompt.faithful.prepare import Prepared, World, prepare
from fabula.prompt.lore.activate import ordered
from fabula.prompt.lore.buffer import Buffer
from fabula.prompt.lore.entry import Entry
from fabula.prompt.lore.why import Verdict
from fabula.prompt.macros.scene import Variables
from fabula.prompt.plan import NeedCounts
from fabula.store.database import Database

CHAT = "chat"
UNKNOWN_CONTEXT = 8192  # tokens, where no model is loaded that would tell its own
Count = Callable[[Sequence[str]], Awaitable[Sequence[int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is said next, in a chat, to a character, or alone. `context` is the model's window in tokens."""

    text: str = ""
    chat_id: str = ""
    character_id: str = ""
    context: int = UNKNOWN_CONTEXT


@dataclass(frozen=True, slots=True)
class Told:
    """`brought_by`: where the key was found: "chat", or the name of the entry whose text has it; "" where no
    key decided."""

    verdict: Verdict
    brought_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """`budget` and `tokens` are of the entries that are in; `overflowed`: something was left out for it."""

    told: tuple[Told, ...]
    tokens: int
    budget: int
    overflowed: bool
    searched: int  # messages of the chat that keys are looked for in


class LoreTests:
    def __init__(
        self,
        database: Database,
        lorebooks: Lorebooks,
        chats: Chats,
        stories: Stories,
        characters: Characters,
    ) -> None:
        self._database, self._lorebooks, self._chats = database, lorebooks, chats
        self._stories, self._characters = stories, characters
        self._parsed = Parsed()

    async def test(self, owner: str, id: str, question: Question, count: Count) -> Tested:
        """Of one lorebook; in a chat, of all that holds there too. Raises LorebookNotFound, ChatNotFound,
        CharacterNotFound."""
        book = await self._lorebooks.get(owner, id)
        story = await self._story(owner, book, question)
        asked = model.StoryMessage(text=question.text, is_user=True, name=story.persona.name)
        messages = (*story.messages, asked) if question.text else story.messages
        story = replace(story, messages=messages)
        turn = model.Turn(context=question.context, reply_room=0)
        return _tested(story, turn, await _prepared(story, turn, count))

    async def _story(self, owner: str, book: Item, question: Question) -> model.Story:
        if question.chat_id:
            found = await self._of_chat(owner, book, question.chat_id)
            if found:
                return found
        settings, _ = await self._database.read(lambda c: story_settings.read(c, owner))
        defaults = StoryDefaults.of(settings)
        story = model.Story(
            character=await self._character(owner, question.character_id),
            lore_settings=defaults.lore_settings("steady"),
        )
        return replace(story, lore=self._entries(book, v3=defaults.has_v3("steady")))

    async def _of_chat(self, owner: str, book: Item, chat_id: str) -> model.Story | None:
        """The story of the next turn; None where the model speaks as itself."""
        chat = await self._chats.get(owner, chat_id)
        path = [one for one in await self._chats.path(owner, chat_id) if not one.left_out]
        told = await self._stories.gathered(owner, chat, path[0].id if path else "")
        if told is None:
            return None
        story = self._stories.telling(told, told.cast[0], path, "reply").story
        if any(item.id == book.id for item in told.books.all):
            return story
        own = self._entries(book, v3=told.defaults.has_v3(told.settings.layout))
        return replace(story, lore=[*own, *story.lore])

    async def _character(self, owner: str, id: str) -> model.Character:
        if not id:
            return model.Character(name="Character")
        found = await self._characters.get(owner, id)
        card = found.card
        return model.Character(
            name=card.called, card=narrating.texts(card), file=card.name, tags=frozenset(found.tags)
        )

    def _entries(self, book: Item, *, v3: bool) -> list[Entry]:
        return ordered(0, everywhere=self._parsed.entries(book, book.name, v3=v3))


async def _prepared(story: model.Story, turn: model.Turn, count: Count) -> Prepared:
    table: dict[str, int] = {}
    now, seed = datetime.datetime.now().astimezone(), random.getrandbits(32)
    while True:
        world = World(draw=random.Random(seed).random, now=now, local=Variables({}), everywhere=Variables({}))
        found = prepare(story, turn, table, world)
        if not isinstance(found, NeedCounts):
            return found
        table |= dict(zip(found.texts, await count(found.texts), strict=True))


def _tested(story: model.Story, turn: model.Turn, made: Prepared) -> Tested:
    settings = story.lore_settings
    names = settings.include_names
    said = [f"{one.name}: {one.text}" if names else one.text for one in reversed(made.messages)]
    chat = Buffer(settings, said, {})
    verdicts = made.activation.verdicts
    return Tested(
        told=tuple(Told(one, _brought_by(one, verdicts, chat, made)) for one in verdicts),
        tokens=made.activation.tokens,
        budget=settings.tokens(turn.room),
        overflowed=made.activation.overflowed,
        searched=min(settings.depth, len(said)),
    )


def _brought_by(one: Verdict, verdicts: Sequence[Verdict], chat: Buffer, made: Prepared) -> str:
    """The text of which entry has the key, where the chat has not."""
    if not one.key:
        return ""
    key = made.resolve(one.key).strip()
    if one.step <= 1 or chat.finds(chat.text(one.entry, False), key, one.entry):
        return CHAT
    texts = {entry.id: entry.content for entry in made.activation.entries}
    earlier = (other for other in verdicts if other.fired and other.step < one.step)
    tellers = (other.entry for other in earlier if not other.entry.starts_no_recursion)
    found = (label(entry) for entry in tellers if chat.finds(texts.get(entry.id, ""), key, one.entry))
    return next(found, CHAT)


def label(entry: Entry) -> str:
    return entry.comment or ", ".join(entry.keys) or entry.uid
