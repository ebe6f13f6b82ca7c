"""Replies in a chat: from a press of Send to a stored message. Knows no HTTP and no engine.

What a turn needs for storing its text (chat, parent, kind …) goes into the journal's header before the first
token, so that `recover` can store the text of a studio that was killed, exactly once.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from fabula.chats.book import Chats
from fabula.chats.records import Change, PathMessage, Reason, TurnOutcome
from fabula.core.errors import BadParameter, ChatBusy, ChatNotFound, FabulaError, StaleRevision
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.request import Caller, Context
from fabula.core.sampling import Sampling
from fabula.core.seams import Journal
from fabula.core.stream import Finished, Prefill
from fabula.core.texts import phrase
from fabula.engine.presets.shelf import Presets
from fabula.turn.live import Live, Outcome, replay
from fabula.turn.request import TurnRequest
from fabula.turn.stream import Turns

BEGINNING_S = 0.01  # between looks at a turn whose question is still being stored
log = logging.getLogger(__name__)
Kind = Literal["reply", "swipe", "continue"]
FindModel = Callable[[str], LocalModel]
"""The model for a name; "" is the default one. Raises ModelNotFound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a person asks for in a chat; `message_id` "" means the head."""

    chat_id: str
    revision: int
    kind: Kind = "reply"
    text: str = ""
    message_id: str = ""
    model: str = ""
    sampling: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Started:
    turn_id: str
    message_id: str
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a turn's text goes; the journal keeps it. `base` is the text that a `continue` lengthens."""

    turn_id: str
    owner_id: str
    chat_id: str
    kind: Kind
    message_id: str
    parent_id: str
    head_id: str
    model: str
    tokenizer: str
    base_version_id: str = ""
    base: str = ""
    base_ids: tuple[int, ...] = ()
    base_reasoning: str = ""
    base_reasoning_ids: tuple[int, ...] = ()
    sampling: dict[str, Any] = field(default_factory=dict)

    def start_event(self) -> dict[str, Any]:
        shown = ("turn_id", "chat_id", "message_id", "parent_id", "kind", "model")
        base = {"text": self.base, "reasoning": self.base_reasoning}
        return {name: getattr(self, name) for name in shown} | base


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
    ):
        self._chats = chats
        self._turns = turns
        self._live = live
        self._journal = journal
        self._find = find
        self._presets = presets
        self._active: dict[str, str] = {}  # chat → turn

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
            try:
                if header:  # without one, nothing had been shown yet
                    await self._store(_Place(**header), replay(events))
            except (TypeError, FabulaError) as reason:
                log.warning("turn %s cannot be stored, its journal is kept: %s", turn_id, reason)
            else:
                self._journal.fold(turn_id)
        return len(unfinished)

    async def _begin(self, caller: Caller, ask: Ask, turn_id: str) -> Started:
        chat = await self._chats.get(caller.owner_id, ask.chat_id)
        if chat.revision != ask.revision:
            raise StaleRevision(ask.chat_id, ask.revision, chat.revision)
        model = self._find(ask.model or chat.model)
        sampling = await self._presets.sampling(caller.owner_id, chat.sampling, ask.sampling)
        change = await self._said(caller, ask) or Change(chat, None, chat.head_id)
        place, messages = await self._place(caller, ask, change, model, turn_id)
        place = dataclasses.replace(place, sampling=_journaled(sampling))
        request = TurnRequest(
            model=model.name,
            sampling=sampling,
            context=Context(caller, ask.chat_id, "chat"),
            messages=tuple(messages),
            continues=ask.kind == "continue",
            overflow="cut",
        )
        deltas = self._turns.stream(request)
        self._live.start(
            turn_id,
            dataclasses.asdict(place),
            place.start_event(),
            deltas,
            lambda end: self._settle(place, end),
            request.hurry.ask,
        )
        self._chats.announce(change.chat)
        return Started(turn_id, place.message_id, change)

    async def _said(self, caller: Caller, ask: Ask) -> Change | None:
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
            text=ask.text,
            parent_id=ask.message_id or None,
        )

    async def _place(
        self, caller: Caller, ask: Ask, change: Change, model: LocalModel, turn_id: str
    ) -> tuple[_Place, list[Message]]:
        """Where the text will go, and the conversation that the model sees."""
        chat = change.chat
        upto = change.message.id if change.message else ask.message_id or chat.head_id
        path = await self._chats.path(caller.owner_id, ask.chat_id, upto=upto)
        target = path[-1] if path else None
        place = _Place(
            turn_id=turn_id,
            owner_id=caller.owner_id,
            chat_id=ask.chat_id,
            kind=ask.kind,
            message_id=uuid.uuid4().hex,
            parent_id=target.id if target else "",
            head_id=chat.head_id,
            model=model.name,
            tokenizer=model.tokenizer,
        )
        if ask.kind != "reply":
            if target is None or target.role != "assistant":
                raise BadParameter("message_id", ask.message_id or chat.head_id, phrase("expected.reply"))
            place = dataclasses.replace(place, parent_id=path[-2].id if len(path) > 1 else "")
            if ask.kind == "swipe":
                path = path[:-1]
            else:
                place = _lengthened(place, target)
        system = [Message(role="system", text=chat.system)] if chat.system else []
        return place, [*system, *path]

    async def _settle(self, place: _Place, outcome: Outcome) -> dict[str, Any]:
        try:
            return await self._store(place, outcome)
        finally:
            self._active.pop(place.chat_id, None)
            with contextlib.suppress(ChatNotFound):  # deleted while it was written
                self._chats.announce(await self._chats.get(place.owner_id, place.chat_id))

    async def _store(self, place: _Place, outcome: Outcome) -> dict[str, Any]:
        """Put the text into the tree; the data of the turn's last event. Repeating it changes nothing."""
        facts = _facts(place, outcome)
        change = None
        if outcome.text or outcome.reasoning:
            ids, thought_ids = _whole_ids(place, outcome), _whole_reasoning_ids(place, outcome)
            change = await self._chats.finish_turn(
                TurnOutcome(
                    owner_id=place.owner_id,
                    chat_id=place.chat_id,
                    turn_id=place.turn_id,
                    kind=place.kind,
                    message_id=place.message_id,
                    parent_id=place.parent_id,
                    base_version_id=place.base_version_id,
                    head_id=place.head_id,
                    author=place.model,
                    text=place.base + outcome.text,
                    token_ids=ids,
                    tokenizer=place.tokenizer if ids or thought_ids else "",
                    reasoning=place.base_reasoning + outcome.reasoning,
                    reasoning_ids=thought_ids,
                    facts=facts,
                    reason=_reason(place, outcome),
                )
            )
        return {
            "reason": outcome.reason,
            "facts": facts,
            "change": dataclasses.asdict(change) if change else None,
        }


def _journaled(sampling: Sampling) -> dict[str, Any]:
    """What a recovered reply says of its sampling. A bias may be infinite, which JSON cannot hold."""
    return {name: value for name, value in sampling.all().items() if name != "logit_bias"}


def _lengthened(place: _Place, target: PathMessage) -> _Place:
    """The place of a continuation: the same message, from its present text on."""
    return dataclasses.replace(
        place,
        message_id=target.id,
        base_version_id=target.version_id,
        base=target.text,
        base_ids=target.token_ids if target.tokenizer == place.tokenizer else (),
        base_reasoning=target.reasoning,
        base_reasoning_ids=target.reasoning_ids if target.tokenizer == place.tokenizer else (),
    )


def _facts(place: _Place, outcome: Outcome) -> dict[str, Any]:
    finished = outcome.finished or _unfinished(place, outcome)
    return finished.facts(place.model) | {"finish_reason": outcome.reason}


def _unfinished(place: _Place, outcome: Outcome) -> Finished:
    """What is known of a generation that the engine did not end itself."""
    prefill, known = outcome.prefill or Prefill(0, 0, 0), outcome.prepared
    return Finished(
        reason=outcome.reason or "interrupted",
        prompt_tokens=prefill.total,
        reused_tokens=prefill.reused,
        processed_tokens=prefill.processed - prefill.reused,
        completion_tokens=len(outcome.token_ids) + len(outcome.reasoning_ids),
        reasoning_tokens=len(outcome.reasoning_ids),
        prompt_ms=0.0,
        predicted_ms=outcome.last_token_ms - outcome.first_token_ms,
        first_token_ms=outcome.first_token_ms,
        engine=known.engine if known else "",
        effective=known.effective if known else place.sampling,
        ignored=known.ignored if known else (),
        cut_messages=known.cut_messages if known else 0,
    )


def _whole_ids(place: _Place, outcome: Outcome) -> tuple[int, ...]:
    """Ids for the whole text, or none when a part of it was written without them."""
    if not outcome.has_ids or (place.base and not place.base_ids):
        return ()
    return (*place.base_ids, *outcome.token_ids)


def _whole_reasoning_ids(place: _Place, outcome: Outcome) -> tuple[int, ...]:
    if not outcome.has_reasoning_ids or (place.base_reasoning and not place.base_reasoning_ids):
        return ()
    return (*place.base_reasoning_ids, *outcome.reasoning_ids)


def _reason(place: _Place, outcome: Outcome) -> Reason:
    if outcome.reason == "interrupted":
        return "recovered"
    return "continued" if place.kind == "continue" else "generated"
