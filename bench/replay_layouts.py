"""Both layouts of the same turns as token ids, counted by a tokenizer. Knows no scenario and no cache.

Each layout keeps from turn to turn what a chat keeps: the steady one its memory, both the timers of lore.
"""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from bench.replay_script import Asked
from fabula.core.worker import Counts, Prompt
from fabula.prompt.faithful.formats import CONTEXTS, FORMATS
from fabula.prompt.faithful.model import Story, Turn
from fabula.prompt.faithful.prepare import World
from fabula.prompt.faithful.text import text_prompt
from fabula.prompt.lore.timed import Timers
from fabula.prompt.plan import NeedCounts
from fabula.prompt.steady.layout import SteadyPrompt, steady_prompt
from fabula.prompt.steady.memory import Memory
from fabula.prompt.template import ChatTemplate

SPECIAL = re.compile(r"(<\|im_start\|>|<\|im_end\|>)")
START, END = "<|im_start|>", "<|im_end|>"
BEGAN = datetime.datetime(2026, 5, 1, 9, tzinfo=datetime.UTC)
MINUTES_A_TURN = 3
REPLY_ROOM = 350
Found = TypeVar("Found")


class Tokens:
    """The ids of texts in ChatML. What stands between two special tokens is tokenized once and remembered:
    byte-pair merges never reach over a special token."""

    def __init__(self, counter: Counts) -> None:
        self._counter = counter
        self._known: dict[str, tuple[int, ...]] = {}

    async def ids(self, text: str) -> tuple[int, ...]:
        parts = [part for part in SPECIAL.split(text) if part]
        await self._learn([part for part in dict.fromkeys(parts) if part not in self._known])
        return tuple(id for part in parts for id in self._known[part])

    async def whole(self, text: str) -> tuple[int, ...]:
        """The same text in one piece, as the engine itself tokenizes it."""
        return tuple(await self._counter.tokenize(Prompt((text,), add_special=False)))

    async def counts(self, texts: Sequence[str]) -> dict[str, int]:
        return {text: len(await self.ids(text)) for text in texts}

    async def _learn(self, parts: Sequence[str]) -> None:
        """All in one request, told apart by a token that is in none of them."""
        if END not in self._known:
            first, last = await self.whole(START + END)
            self._known |= {START: (first,), END: (last,)}
        news = [part for part in parts if part not in self._known]
        found: list[list[int]] = [[]]
        for id in await self.whole("".join(part + END for part in news)) if news else ():
            if (id,) == self._known[END]:
                found.append([])
            else:
                found[-1].append(id)
        self._known |= {part: tuple(ids) for part, ids in zip(news, found, strict=False)}


@dataclass(frozen=True, slots=True)
class Sent:
    """One prompt: its text, its ids, and how many messages of the chat did not fit."""

    text: str
    ids: tuple[int, ...]
    cut: int


class Layout(Protocol):
    async def sent(self, asked: Asked) -> Sent: ...


@dataclass(slots=True)
class _Counted:
    """Lays out, counting what is asked for, until nothing is missing."""

    tokens: Tokens
    context: int
    table: dict[str, int] = field(default_factory=dict)
    timers: Timers = field(default_factory=Timers)

    def turn(self, asked: Asked) -> Turn:
        return Turn(kind=asked.kind, context=self.context, reply_room=REPLY_ROOM)

    def story(self, asked: Asked) -> Story:
        return replace(asked.story, timers=self.timers)

    def world(self, asked: Asked) -> World:
        now = BEGAN + datetime.timedelta(minutes=MINUTES_A_TURN * asked.number)
        return World(draw=random.Random(asked.number).random, now=now)

    async def until_counted(self, laid: Callable[[], Found | NeedCounts]) -> Found:
        while isinstance(found := laid(), NeedCounts):
            self.table |= await self.tokens.counts(found.texts)
        return found


class Faithful:
    """SillyTavern's text completion in ChatML, its instruct template for this model."""

    name = "faithful"

    def __init__(self, tokens: Tokens, context: int) -> None:
        self._with = _Counted(tokens, context)

    async def sent(self, asked: Asked) -> Sent:
        given = self._with
        found = await given.until_counted(
            lambda: text_prompt(
                given.story(asked),
                given.turn(asked),
                CONTEXTS["Default"],
                FORMATS["ChatML"],
                given.table,
                given.world(asked),
            )
        )
        given.timers = found.lore.timers
        return Sent(found.text, await given.tokens.ids(found.text), found.first_message)


class Steady:
    """The steady layout with the model's own template; its memory goes through what a chat stores."""

    name = "steady"

    def __init__(self, tokens: Tokens, context: int, template: ChatTemplate) -> None:
        self._with = _Counted(tokens, context)
        self._template = template
        self._memory = Memory()
        self.last: SteadyPrompt | None = None

    async def sent(self, asked: Asked) -> Sent:
        given = self._with
        found = await given.until_counted(
            lambda: steady_prompt(
                given.story(asked),
                given.turn(asked),
                self._template,
                given.table,
                given.world(asked),
                self._memory,
            )
        )
        self._memory, given.timers, self.last = Memory.of(found.memory.all()), found.lore.timers, found
        text = "".join(piece for piece in found.plan.pieces if isinstance(piece, str))
        return Sent(text, await given.tokens.ids(text), found.plan.cut_messages)
