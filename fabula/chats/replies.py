"""Replies in a chat: from a press of Send to a stored message. Knows no HTTP and no engine.

What a turn needs for storing its text (see `places`) goes into the journal's header before the first token,
so that `recover` can store the text of a studio that was killed, exactly once. A turn may write several
alternatives of one prompt side by side; the engine reads it once for all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fabula.chats import places
from fabula.chats.book import Chats
from fabula.chats.characters.shelf import Character
from fabula.chats.gathering import Gathered
from fabula.chats.narrating import SOMEBODY, persona_of
from fabula.chats.packs import Pack
from fabula.chats.pictures import Pictures
from fabula.chats.places import Kind, Place
from fabula.chats.records import Change, Chat, PathMessage
from fabula.chats.stories import Stories, Tidy, is_story
from fabula.core.errors import BadParameter, ChatBusy, ChatNotFound, FabulaError, StaleRevision
from fabula.core.load import Wish, wish_of
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.request import Caller, Context
from fabula.core.sampling import Sampling
from fabula.core.seams import Journal
from fabula.core.texts import phrase
from fabula.engine.presets.shelf import Presets
from fabula.prompt.lore.entry import Entry
from fabula.prompt.macros.evaluate import resolved
from fabula.prompt.macros.scene import Scene
from fabula.turn.live import Live, Outcome, replay
from fabula.turn.looking import Looked
from fabula.turn.request import TurnRequest
from fabula.turn.seeds import alternatives
from fabula.turn.stream import Turns
from fabula.turn.telling import Telling

BEGINNING_S = 0.01  # between looks at a turn whose question is still being stored
ASIDE = "(Write what I might say next, in my words and nothing else.)"
MOST_REPLIES = 16  # that one turn writes side by side
IN_CHATS = {"loop_count": 12}
"""What holds in a chat where nobody said otherwise. In 1.7 million tokens of prose, code, tables, lists and
Chinese nothing came more than four times in a row; a small model's loops fill the context."""
log = logging.getLogger(__name__)
FindModel = Callable[[str], LocalModel]
"""The model for a name; "" is the default one. Raises ModelNotFound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a person asks for in a chat; `message_id` "" means the head. `count` alternatives are written side
    by side; `load` and `keep_alive` are wishes for the worker that serves it."""

    chat_id: str
    revision: int
    kind: Kind = "reply"
    text: str = ""
    message_id: str = ""
    model: str = ""
    sampling: dict[str, Any] = field(default_factory=dict)
    count: int = 1
    load: dict[str, Any] = field(default_factory=dict)
    keep_alive: str | float | None = None
    reasoning_format: str = ""
    speaker: str = ""  # the character who answers in a group, "" = as its order wants


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """What is written beside a chat and not put into it: what the person might say next, or the answer to a
    quiet `prompt`."""

    chat_id: str
    kind: Literal["impersonate", "quiet"] = "impersonate"
    prompt: str = ""
    model: str = ""
    sampling: dict[str, Any] = field(default_factory=dict)
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """`message_ids` are those that are being written, in the order of their index; `then` are the characters
    of a group who want to speak after this one."""

    turn_id: str
    message_ids: tuple[str, ...]
    change: Change
    then: tuple[str, ...] = ()

    @property
    def message_id(self) -> str:
        return self.message_ids[0]


class Companion:
    """Follows the turns of chats, and brings in what they remember. This one remembers nothing."""

    def begun(self, chat_id: str) -> None:
        """A turn is about to begin."""

    def settled(self, owner: str, chat_id: str) -> None:
        """A turn has ended, and its text is stored."""

    async def recalled(self, owner: str, chat_id: str, path: Sequence[PathMessage]) -> list[Entry]:
        """What fits the end of a path, as lore."""
        return []

    async def in_mind(self, owner: str, chat_id: str, path: Sequence[PathMessage]) -> str:
        """What is told in every turn, for a chat in which the model speaks as itself."""
        return ""


class Replies:
    """All turns that belong to chats, one at a time in each."""

    def __init__(
        self,
        chats: Chats,
        turns: Turns,
        live: Live,
        journal: Journal,
        find: FindModel,
        presets: Presets,
        stories: Stories,
    ):
        self._chats = chats
        self._turns = turns
        self._live = live
        self._journal = journal
        self._find = find
        self._presets = presets
        self._stories = stories
        self._active: dict[str, str] = {}  # chat → turn
        self.companion: Companion = Companion()
        self.pictures: Pictures | None = None  # who knows what is attached to messages

    def turn_of(self, chat_id: str) -> str:
        """The turn that is being written in a chat, or ""."""
        return self._active.get(chat_id, "")

    def require_idle(self, chat_id: str) -> None:
        """Raises ChatBusy: a reply to what is taken back would be stored out of sight."""
        if running := self.turn_of(chat_id):
            raise ChatBusy(chat_id, running)

    async def start(self, caller: Caller, ask: Ask) -> Started:
        """Add the person's text, if there is one, and begin to write. Nothing is changed when this raises
        ChatBusy, StaleRevision, BadParameter, or that a model, chat, message or preset does not exist."""
        self.require_idle(ask.chat_id)
        self.companion.begun(ask.chat_id)
        turn_id = self._active[ask.chat_id] = uuid.uuid4().hex
        try:
            return await self._begin(caller, ask, turn_id)
        except BaseException:
            del self._active[ask.chat_id]
            raise

    async def stop_in(self, chat_id: str) -> None:
        """Stop the turn of a chat that goes away, if one runs, and wait until its text is stored."""
        while (turn_id := self.turn_of(chat_id)) and not self._live.running(turn_id):
            await asyncio.sleep(BEGINNING_S)
        if turn_id:
            self._live.stop(turn_id)
            async for _ in self._live.follow(turn_id):
                pass

    async def recover(self) -> int:
        """Store the text of turns that a killed studio left in the journal; the number of them."""
        unfinished = self._journal.unfinished()
        for turn_id in unfinished:
            header, events = self._journal.read(turn_id)
            if header.get("room"):  # not a chat's
                continue
            try:
                if header:  # without one, nothing had been shown yet
                    place = Place(**header)
                    await self._store(place, replay(events, len(place.message_ids)))
            except (TypeError, LookupError, FabulaError) as reason:
                log.warning("turn %s cannot be stored, its journal is kept: %s", turn_id, reason)
            else:
                self._journal.fold(turn_id)
        return len(unfinished)

    async def _begin(self, caller: Caller, ask: Ask, turn_id: str) -> Started:
        chat = await self._chats.get(caller.owner_id, ask.chat_id)
        if chat.revision != ask.revision:
            raise StaleRevision(ask.chat_id, ask.revision, chat.revision, text=ask.text)
        wish = _checked(ask)
        model = self._find(ask.model or chat.model)
        if self.pictures:
            self.pictures.require_seen(ask.text, model, is_story=is_story(chat))
        sampling = await self._sampling(caller, chat.sampling, ask.sampling)
        told = await self._stories.gathered(caller.owner_id, chat, books=False)
        if told and ask.kind == "reply":
            self._stories.require_somebody(told, ask.speaker)
        change = await self._said(caller, ask, chat, told) or Change(chat, None, chat.head_id)
        place, path = await self._place(caller, ask, change, model, turn_id)
        asked = bool(ask.text)
        telling, then = await self._telling(caller, change.chat, path, ask.kind, ask.speaker, asked=asked)
        place = dataclasses.replace(place, author=telling.story.character.name if telling else "")
        request = TurnRequest(
            model=model.name,
            sampling=sampling,
            context=Context(caller, ask.chat_id, "chat", siblings=ask.count),
            messages=await self._conversation(caller, chat, path, ask.kind, model),
            continues=ask.kind == "continue",
            overflow="cut",
            wish=wish,
            reasoning_format=ask.reasoning_format,
            story=self._stories.keeping(caller.owner_id, telling) if telling else None,
        )
        asked_for = alternatives(request, ask.count)
        place = dataclasses.replace(place, sampling=places.journaled(asked_for[0].sampling))
        streams = [self._turns.stream(each) for each in asked_for]
        self._live.start(
            turn_id,
            dataclasses.asdict(place),
            place.start_event(),
            streams,
            _Keeper(self, place),
            request.hurry.ask,
        )
        self._chats.announce(change.chat)
        return Started(turn_id, place.message_ids, change, then)

    async def look(self, caller: Caller, chat_id: str, upto: str = "", model: str = "") -> tuple[str, Looked]:
        """The model, and the prompt of the last reply (or of the one `upto`) as it would be made now; where
        the person spoke last, that of the next. Nothing is kept of it. `model` is another than the chat's."""
        chat = await self._chats.get(caller.owner_id, chat_id)
        chat = dataclasses.replace(chat, model=model) if model else chat
        request = await self.asked_now(caller, chat, upto=upto)
        return request.model, await self._labelled(caller, chat, await self._turns.look(request))

    async def asked_now(
        self, caller: Caller, chat: Chat, *, goes_on: bool = False, upto: str = ""
    ) -> TurnRequest:
        """What would be asked for the last reply; where the person spoke last, for the next. With `goes_on`,
        how the last reply would be lengthened. Nothing is kept of it."""
        model = self._find(chat.model)
        path = await self._chats.path(caller.owner_id, chat.id, upto=upto or None)
        kind: Kind = "swipe" if len(path) > 1 and path[-1].role == "assistant" else "reply"
        kind = "continue" if goes_on and kind == "swipe" else kind
        path = _told(path, kind)
        telling, _ = await self._telling(caller, chat, path, kind)
        return TurnRequest(
            model=model.name,
            context=Context(caller, chat.id, "chat"),
            messages=await self._conversation(caller, chat, path, kind),
            continues=kind == "continue",
            sampling=await self._sampling(caller, chat.sampling),
            overflow="cut",
            story=telling,
        )

    async def _labelled(self, caller: Caller, chat: Chat, looked: Looked) -> Looked:
        """With the name of the system prompt, where it is one of the library."""
        pack = None if chat.system or is_story(chat) else await self._pack(caller, chat)
        segments = looked.plan.segments
        if pack is None or not segments or segments[0].source != "system":
            return looked
        named = (segments[0]._replace(label=pack.name), *segments[1:])
        return dataclasses.replace(looked, plan=dataclasses.replace(looked.plan, segments=named))

    async def aside(self, caller: Caller, aside: Aside) -> tuple[TurnRequest, Tidy]:
        """What has to be streamed for it, and what puts its text in order. Nothing is kept of it."""
        chat = await self._chats.get(caller.owner_id, aside.chat_id)
        model = self._find(aside.model or chat.model)
        path = await self._chats.path(caller.owner_id, aside.chat_id)
        telling, _ = await self._telling(caller, chat, path, aside.kind, aside.speaker, quiet=aside.prompt)
        messages = await self._conversation(caller, chat, path, "reply")
        if telling is None:
            asked = aside.prompt or ASIDE
            messages = (*messages, Message(role="user", text=asked))
        request = TurnRequest(
            model=model.name,
            context=Context(caller, aside.chat_id, "chat"),
            messages=messages,
            sampling=await self._sampling(caller, chat.sampling, aside.sampling),
            overflow="cut",
            story=telling,
        )
        told = await self._stories.gathered(caller.owner_id, chat, books=False)
        return request, self._stories.tidying(telling, told)

    async def speakers(self, caller: Caller, chat_id: str, *, asked: bool) -> list[Character]:
        """Who of a chat would answer now, in order. Raises NobodyAnswers where a person has to say it."""
        chat = await self._chats.get(caller.owner_id, chat_id)
        path = await self._chats.path(caller.owner_id, chat_id)
        told = await self._stories.gathered(caller.owner_id, chat, books=False)
        if told is None:
            return []
        first, then = self._stories.speaker(told, path, "reply", asked=asked)
        return [first, *then]

    async def _telling(
        self,
        caller: Caller,
        chat: Chat,
        path: Sequence[PathMessage],
        kind: str,
        speaker: str = "",
        *,
        asked: bool = False,
        quiet: str = "",
    ) -> tuple[Telling | None, tuple[str, ...]]:
        """What a turn is told with, and who speaks after it; None where the model speaks as itself."""
        first = path[0].id if path else ""
        told = await self._stories.gathered(caller.owner_id, chat, first)
        if told is None:
            return None, ()
        who, then = self._stories.speaker(told, path, kind, speaker, asked=asked)
        running = self.model_of(chat).name
        telling = self._stories.telling(told, who, path, kind, quiet, running)
        if kind != "quiet":
            recalled = await self.companion.recalled(caller.owner_id, chat.id, path)
            story = dataclasses.replace(telling.story, lore=[*telling.story.lore, *recalled])
            telling = dataclasses.replace(telling, story=story)
        return telling, tuple(character.id for character in then)

    async def _conversation(
        self,
        caller: Caller,
        chat: Chat,
        path: Sequence[PathMessage],
        kind: str,
        model: LocalModel | None = None,
    ) -> tuple[Message, ...]:
        """What the model sees where no story is told: a reply that is told anew is not part of it."""
        kept = "" if is_story(chat) else await self.companion.in_mind(caller.owner_id, chat.id, path)
        own = chat.system or await self._pack_text(caller, chat)
        text = "\n\n".join(part for part in (own, kept) if part)
        system = [Message(role="system", text=text)] if text else []
        said: Sequence[Message] = path[:-1] if kind == "swipe" else path
        if self.pictures and not is_story(chat):
            said = await asyncio.to_thread(self.pictures.told, said, model or self.model_of(chat))
        return (*system, *said)

    async def _pack(self, caller: Caller, chat: Chat) -> Pack | None:
        return await self._stories.pack(caller.owner_id, chat, self.model_of(chat).name)

    async def _pack_text(self, caller: Caller, chat: Chat) -> str:
        """The system prompt that was chosen for a chat without a story; "" for none."""
        pack = None if is_story(chat) else await self._pack(caller, chat)
        return resolved(pack.text, Scene(user=SOMEBODY)) if pack else ""

    def model_of(self, chat: Chat) -> LocalModel:
        """The one that answers in it. Raises ModelNotFound."""
        return self._find(chat.model)

    async def _sampling(self, caller: Caller, *layers: dict[str, Any]) -> Sampling:
        return Sampling.of(IN_CHATS | await self._presets.laid(caller.owner_id, *layers))

    async def _said(self, caller: Caller, ask: Ask, chat: Chat, told: Gathered | None) -> Change | None:
        """The person's text becomes a message, below the head or the message that was named."""
        if not ask.text:
            return None
        if ask.kind != "reply":
            raise BadParameter("text", ask.text[:80], phrase("expected.empty"))
        return await self._chats.add(
            caller.owner_id,
            ask.chat_id,
            ask.revision,
            role="user",
            text=self._stories.said(told, ask.text) if told else ask.text,
            author=persona_of(told).name if told else "",
            parent_id=ask.message_id or None,
        )

    async def _place(
        self, caller: Caller, ask: Ask, change: Change, model: LocalModel, turn_id: str
    ) -> tuple[Place, list[PathMessage]]:
        """Where the text will go, and the path to the message that is answered, swiped or lengthened."""
        chat = change.chat
        upto = change.message.id if change.message else ask.message_id or chat.head_id
        path = await self._chats.path(caller.owner_id, ask.chat_id, upto=upto)
        target = path[-1] if path else None
        place = Place(
            turn_id=turn_id,
            owner_id=caller.owner_id,
            chat_id=ask.chat_id,
            kind=ask.kind,
            message_id=uuid.uuid4().hex,
            parent_id=target.id if target else "",
            head_id=chat.head_id,
            model=model.name,
            tokenizer=model.tokenizer,
            beside=tuple(uuid.uuid4().hex for _ in range(ask.count - 1)),
        )
        if ask.kind != "reply":
            if target is None or target.role != "assistant":
                raise BadParameter("message_id", ask.message_id or chat.head_id, phrase("expected.reply"))
            place = dataclasses.replace(place, parent_id=path[-2].id if len(path) > 1 else "")
            if ask.kind == "continue":
                place = place.lengthening(target)
        return place, _told(path, ask.kind)

    async def settle(self, place: Place, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        """The end of a turn: its texts are stored, and its chat is free for the next one."""
        try:
            return await self._store(place, outcomes)
        finally:
            self._active.pop(place.chat_id, None)
            self.companion.settled(place.owner_id, place.chat_id)
            with contextlib.suppress(ChatNotFound):  # deleted while it was written
                self._chats.announce(await self._chats.get(place.owner_id, place.chat_id))

    async def _store(self, place: Place, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        """Put the texts into the tree; the data of the turn's last event. Repeating it changes nothing."""
        brought = [places.brought(place, number, outcome) for number, outcome in enumerate(outcomes)]
        written = [await self._stories.settled(each, place.base) for each in brought if each]
        change = await self._chats.finish_turn(*written) if written else None
        shown = next((number for number, each in enumerate(brought) if each), 0)
        return {
            "reason": outcomes[shown].reason,
            "facts": places.facts(place, outcomes[shown]),
            "change": dataclasses.asdict(change) if change else None,
        }


@dataclass(frozen=True, slots=True)
class _Keeper:
    """Implements `turn.live.Keeper` for one turn."""

    replies: Replies
    place: Place

    def facts(self, outcome: Outcome) -> dict[str, Any]:
        return places.facts(self.place, outcome)

    async def settle(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        return await self.replies.settle(self.place, outcomes)


def _told(path: list[PathMessage], kind: Kind) -> list[PathMessage]:
    """Without what is left out of prompts; a reply that is swiped or lengthened is what it is about."""
    last = path[-1:] if kind != "reply" else []
    return [message for message in path[: len(path) - len(last)] if not message.left_out] + last


def _checked(ask: Ask) -> Wish:
    """The wish for its worker. Raises BadParameter, before anything is changed."""
    most = 1 if ask.kind == "continue" else MOST_REPLIES
    if not 1 <= ask.count <= most:
        raise BadParameter("count", f"{ask.count}", phrase("expected.whole_range", low=1, high=most))
    return wish_of(ask.load, ask.keep_alive)
