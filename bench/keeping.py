"""Chats and characters in numbers: what each operation takes among 100,000 messages and 20,000 cards.

The texts are drawn from a vocabulary in which word number n comes n times as rarely as the first
(Zipf), as in what people write; one word stands in every fifth message and card.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from bench.paired import median
from bench.report import Report, at_most, reported
from fabula.app import Studio
from fabula.chats.book import Chats
from fabula.chats.characters import shelf as cards
from fabula.chats.characters.card import card
from fabula.chats.characters.library import Characters
from fabula.chats.characters.shelf import Filter, Marks
from fabula.chats.exchange import planting
from fabula.chats.exchange.desk import Exchange
from fabula.chats.exchange.said import Growth, Said
from fabula.chats.records import ChatFilter
from fabula.chats.replies import Ask
from fabula.core.request import LOCAL_OWNER, Caller
from fabula.engine.scripted import ScriptedWorker
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.home import Home
from fabula.store.media import Media
from tests.api import tiny_model

Work = Callable[[], Awaitable[Any]]
ME = LOCAL_OWNER
WORDS = [f"word{number}" for number in range(20_000)]
WEIGHTS = list(itertools.accumulate(1 / (number + 10) for number in range(len(WORDS))))
CHINESE = "她看守燈塔已經很多年夜裡海上有霧船在遠處鳴笛他說話的聲音像風一樣輕"
SLOW_MS = 100.0  # an operation that a person waits for


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench keeping", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of all: to see that it works")
    parser.add_argument("--processor", action="store_true", help="its time, where others use the machine too")
    given = parser.parse_args(arguments)
    share = 100 if given.quick else 1
    what = "operations among 100,000 messages and 20,000 cards"
    with reported("keeping", what) as report, tempfile.TemporaryDirectory(prefix="fabula-keeping-") as folder:
        clock = time.process_time if given.processor else time.perf_counter
        asyncio.run(_Bench(report, Home(Path(folder)).create(), share, clock).run())


class _Bench:
    def __init__(self, report: Report, home: Home, share: int, clock: Callable[[], float]) -> None:
        self._report, self._home, self._share, self._clock = report, home, share, clock
        self._dice = random.Random(1)
        self._database = Database(home.database)
        self._database.open()
        self._chats = Chats(self._database, MemoryEvents())
        self._library = Characters(self._database, Media(home.path / "media"))
        self._exchange = Exchange(self._database, self._chats)

    async def run(self) -> None:
        try:
            await self._fill()
            await self._finding()
            await self._one_chat("a chat of 20 messages", self._small)
            await self._one_chat(f"a chat of {20_000 // self._share:,} messages", self._large)
            await self._lists()
        finally:
            self._database.close()
        await self._turns()

    # ── filling ─────────────────────────────────────────────────────────────────────────────────────

    async def _fill(self) -> None:
        begun = time.perf_counter()
        count = 5000 // self._share
        ids: list[str] = []
        for _ in range(0, count, 50):  # a transaction for each chat would be a sync of the disk for each
            ids += await self._database.write(lambda c: [self._plant(c, 16) for _ in range(50)])
        self._small = ids[count // 2]
        self._large = await self._database.write(lambda c: self._plant(c, 20_000 // self._share))
        for start in range(0, 20_000 // self._share, 1000):
            await self._database.write(lambda c, start=start: self._cards(c, start))  # type: ignore[misc]
        self._report.measure("filling all of it", time.perf_counter() - begun, "s")

    def _plant(self, connection: Connection, count: int) -> str:
        growth, end = Growth(), ""
        for number in range(count):
            role: Any = "assistant" if number % 2 else "user"
            end = growth.add(
                end, Said(role=role, author="Mira", text=self._text(), created=1.7e9 + number)
            ).id
        growth.show(end)
        fields = {"title": self._text(4), "character_id": f"c{self._dice.randrange(200)}"}
        return planting.plant(connection, ME, fields, growth, end, {}).id

    def _cards(self, connection: Connection, start: int) -> None:
        for number in range(start, min(start + 1000, 20_000 // self._share)):
            tags = self._dice.sample(TAGS, 5)
            data = {"name": f"Card {number} {self._text(2)}", "description": self._text(120), "tags": tags}
            cards.add(connection, ME, card({"data": data}))

    def _text(self, count: int = 60) -> str:
        words = self._dice.choices(WORDS, cum_weights=WEIGHTS, k=count)
        if self._dice.random() < 0.2:
            words.append("everyfifth")
        if self._dice.random() < 0.3:
            start = self._dice.randrange(len(CHINESE) - 8)
            words.append(CHINESE[start : start + 8])
        return " ".join(words)

    # ── measuring ───────────────────────────────────────────────────────────────────────────────────

    async def _take(self, name: str, work: Work, rounds: int = 7, before: Work | None = None) -> None:
        """`before` is done before each round, and takes no part in it."""
        times = []
        for _ in range(rounds):
            if before:
                await before()
            begun = self._clock()
            await work()
            times.append((self._clock() - begun) * 1000)
        self._report.measure(name, median(times), "ms", at_most(SLOW_MS))

    async def _finding(self) -> None:
        self._report.heading("full text search over all messages")
        for name, words in SEARCHES.items():
            await self._take(name, lambda words=words: self._chats.search(ME, words))  # type: ignore[misc]
        within = self._large
        await self._take(
            "a common word in one chat", lambda: self._chats.search(ME, "everyfifth", chat_id=within)
        )

    async def _one_chat(self, name: str, id: str) -> None:
        self._report.heading(name)
        chats = self._chats
        total = (await chats.get(ME, id)).message_count
        ends = (await chats.page(ME, id, limit=3)).messages
        middle = (await chats.page(ME, id, offset=total // 2, limit=3)).messages

        async def change(verb: str, *arguments: Any, **named: Any) -> Any:
            revision = (await chats.get(ME, id)).revision
            return await getattr(chats, verb)(ME, id, revision, *arguments, **named)

        await self._take("the last page", lambda: chats.page(ME, id))
        await self._take("a page in the middle", lambda: chats.page(ME, id, offset=total // 2))
        await self._take("open at a message in the middle", lambda: chats.page(ME, id, around=middle[1].id))
        await self._take("the map of the tree", lambda: chats.outline(ME, id))
        await self._take("say", lambda: change("add", "user", self._text()))
        away = itertools.cycle((lambda: change("hide", middle[0].id, True), lambda: change("undo")))
        changes: dict[str, Work] = {
            "nothing": lambda: chats.get(ME, id),
            "something was said": lambda: change("add", "user", self._text()),
            "an edit in the middle": lambda: change("edit", middle[1].id, self._text()),
            "one went or came back": lambda: next(away)(),
        }
        await self._take(
            "all of it for a first prompt", lambda: Chats(self._database, MemoryEvents()).path(ME, id)
        )
        for name, work in changes.items():
            await self._take(f"all of it after {name}", lambda: chats.path(ME, id), 8, work)
        for place, found in (("at the end", ends), ("in the middle", middle)):
            await self._one_message(id, place, found[1].id)
        branches = await chats.branches(ME, id)
        await self._take("list branches", lambda: chats.branches(ME, id))
        await self._take("compare two", lambda: chats.compare(ME, id, branches[0].id, branches[-1].id, 100))
        await self._take("checkpoints", lambda: chats.checkpoints(ME, id))
        begun = self._clock()
        await self._exchange.files(ME, id)
        self._report.measure("SillyTavern's files of it, all at once", (self._clock() - begun) * 1000, "ms")

    async def _one_message(self, id: str, place: str, message_id: str) -> None:
        async def change(verb: str, *arguments: Any) -> Any:
            revision = (await self._chats.get(ME, id)).revision
            return await getattr(self._chats, verb)(ME, id, revision, *arguments)

        def or_undo(verb: str, *arguments: Any) -> Work:
            works = itertools.cycle((lambda: change(verb, *arguments), lambda: change("undo")))
            return lambda: next(works)()

        await self._take(f"edit {place}", lambda: change("edit", message_id, self._text()))
        await self._take(f"branch {place}", lambda: change("branch", message_id, self._text()))
        await self._take(f"show the old branch {place}, or undo that", or_undo("move_head", message_id), 8)
        await change("move_head", message_id)
        await self._take(f"move {place}", lambda: change("move", message_id))
        await self._take(f"leave out {place}, or undo that", or_undo("leave_out", [message_id]), 8)
        await self._take(f"delete alone {place}, or undo that", or_undo("hide", message_id, True), 8)
        await self._take(f"delete with all below {place}, or undo that", or_undo("hide", message_id), 8)

    async def _turns(self) -> None:
        """The first one of a chat that came in reads and counts all of its texts, once for good."""
        self._report.heading("a whole turn, with an engine that takes no time")
        tiny_model.write(self._home.models / "tiny.gguf")
        studio = Studio(self._home, {}, lambda model: ScriptedWorker(["Yes."]))
        await studio.open()
        try:
            [card] = (await studio.characters.find(ME, Filter()))[:1]
            for told, who in (("a plain chat", ""), ("a story", card)):
                for count, id in ((20, self._small), (20_000 // self._share, self._large)):
                    now = await studio.chats.get(ME, id)
                    await studio.chats.update(ME, id, now.revision, character_id=who)
                    begun = self._clock()
                    await self._turn(studio, id)
                    name, first = f"{told} of {count:,} messages", (self._clock() - begun) * 1000
                    self._report.measure(f"{name}, the first", first, "ms")
                    await self._take(f"{name}, the next", lambda id=id: self._turn(studio, id))  # type: ignore[misc]
        finally:
            await studio.close()

    async def _turn(self, studio: Studio, id: str) -> None:
        now = await studio.chats.get(ME, id)
        ask = Ask(chat_id=id, revision=now.revision, text=self._text(), model="tiny")
        started = await studio.replies.start(Caller(ME), ask)
        async for _ in studio.live.follow(started.turn_id):
            pass

    async def _lists(self) -> None:
        self._report.heading("lists of chats and characters")
        chats, library = self._chats, self._library
        ids = (await chats.ids(ME, ChatFilter()))[:1000]
        await self._take("50 chats", lambda: chats.find(ME, ChatFilter()))
        await self._take("chats of one character", lambda: chats.find(ME, ChatFilter(character_id="c7")))
        await self._take(
            "chats by a common word of the title", lambda: chats.find(ME, ChatFilter(words="everyfifth"))
        )
        await self._take("put 1,000 chats into a folder", lambda: chats.mark(ME, ids, Marks(folder="A")))
        await self._take("chats of a folder", lambda: chats.find(ME, ChatFilter(folder="A")))
        for name, wanted in FILTERS.items():
            await self._take(name, lambda wanted=wanted: library.page(ME, wanted))  # type: ignore[misc]
        await self._take(
            "the last page of characters", lambda: library.page(ME, Filter(), 19_900 // self._share)
        )
        await self._take("tags with their counts", lambda: library.tags(ME))
        named = (await library.find(ME, Filter()))[:1000]
        await self._take("tag 1,000 characters", lambda: library.mark(ME, named, Marks(add_tags=["new"])))
        await self._take(
            "trash 1,000 characters", lambda: library.mark(ME, named, Marks(trashed=True)), rounds=1
        )
        await self._take("take them back", lambda: library.mark(ME, named, Marks(trashed=False)), rounds=1)


TAGS = [f"tag {number}" for number in range(300)]
SEARCHES = {
    "a rare word": "word19000",
    "a word of every fifth message": "everyfifth",
    "the most common word": "word0",
    "two words": "everyfifth word3",
    "two characters of Chinese": "燈塔",
    "one character of Chinese": "塔",
    "the beginning of a word": "every",
    "nothing": "nowhere",
}
FILTERS = {
    "100 characters": Filter(),
    "characters by a rare word": Filter(words="word19000"),
    "characters by a word of every fifth": Filter(words="everyfifth"),
    "characters by the most common word": Filter(words="word0"),
    "characters by a common word and a tag": Filter(words="everyfifth", tags=("tag 7",)),
    "characters of a tag": Filter(tags=("tag 7",)),
    "characters by two characters of Chinese": Filter(words="燈塔"),
}


if __name__ == "__main__":
    main()
