"""Paths that are held from turn to turn: whoever changes a chat, and however, it is told as it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, select
from story import ACTS, Story

from fabula.chats import pages
from fabula.chats.book import Chats
from fabula.chats.counting import RememberedCounts
from fabula.chats.paths import EACH, Paths
from fabula.chats.retelling import Retelling, said
from fabula.core.errors import ChatNotFound, MessageNotFound, NothingToUndo
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.home import Home
from fabula.store.schema.chats import messages


@pytest.fixture
def elsewhere(home: Home, database: Database) -> Iterator[Database]:
    """The same file, opened by another program."""
    other = Database(home.database)
    yield other
    other.close()


def test_however_chats_are_changed_what_is_held_is_what_plain_reading_finds(
    database: Database, elsewhere: Database
) -> None:
    writers = [Chats(one, MemoryEvents()) for one in (database, elsewhere)]

    class Telling(RuleBasedStateMachine):
        """Two programs write into two chats, and readers with more and less room are told both."""

        def __init__(self) -> None:
            super().__init__()
            self.held = [Paths(), Paths(most=5 * EACH), Paths(most=0)]
            self.loop = asyncio.Runner()
            self.ids = [self.loop.run(Story.begin(writers[0], "one", "two")).id for _ in range(2)]
            self.written = 0

        @rule(
            who=st.sampled_from(writers),
            chat=st.integers(0, 1),
            act=st.sampled_from(ACTS),
            pick=st.integers(0, 200),
        )
        def change(self, who: Chats, chat: int, act: str, pick: int) -> None:
            self.written += 1
            story = Story(who, self.ids[chat])
            story.turns = self.written
            with contextlib.suppress(MessageNotFound, NothingToUndo):
                self.loop.run(story.act(database, act, pick, f"text {self.written}"))

        @rule(chat=st.integers(0, 1), pick=st.integers(0, 200))
        def look_at_another_path(self, chat: int, pick: int) -> None:
            def is_same(connection: Connection) -> bool:
                mine = select(messages.c.id).where(messages.c.chat_id == self.ids[chat])
                ids = list(connection.scalars(mine.order_by(messages.c.created_at)))
                return self.is_same(connection, self.ids[chat], ids[pick % len(ids)])

            assert database.read_sync(is_same)

        @invariant()
        def all_read_alike(self) -> None:
            assert database.read_sync(lambda c: all(self.is_same(c, id) for id in self.ids))

        @invariant()
        def branches_end_where_nothing_follows(self) -> None:
            def told(connection: Connection) -> set[tuple[str, str, int]]:
                found = pages.branches(connection, "ann", self.ids[0], 200)
                return {(one.id, one.fork_id, one.own) for one in found}

            assert database.read_sync(lambda c: told(c) == ends(c, self.ids[0]))

        def is_same(self, connection: Connection, id: str, upto: str | None = None) -> bool:
            plain = pages.path(connection, "ann", id, upto)
            return all(one.read(connection, "ann", id, upto) == plain for one in self.held)

        def teardown(self) -> None:
            self.loop.close()

    run_state_machine_as_test(
        Telling, settings=settings(max_examples=10, stateful_step_count=15, deadline=None)
    )


def ends(connection: Connection, id: str) -> set[tuple[str, str, int]]:
    """Of all branches, as whole paths tell it: the end, the last one that is shown too, and what is own."""
    tree = pages.outline(connection, "ann", id)
    shown = [one.id for one in pages.path(connection, "ann", id, None)]
    inner = {tree.ids[place] for place in tree.parents if place >= 0} - {tree.head_id}
    found = set()
    for end in set(tree.ids) - inner:
        way = [one.id for one in pages.path(connection, "ann", id, end)]
        both = [one for one, other in zip(way, shown, strict=False) if one == other]
        found.add((end, both[-1] if both else "", len(way) - len(both)))
    return found


def test_who_reads_an_older_state_is_told_that_one(database: Database, elsewhere: Database) -> None:
    held, chats = Paths(), Chats(database, MemoryEvents())
    story = asyncio.run(Story.begin(chats, "one", "two"))

    def told(connection: Connection) -> list[str]:
        return [one.text for one in held.read(connection, "ann", story.id)]

    def older(connection: Connection) -> list[str]:
        assert told(connection) == ["one", "two"]
        asyncio.run(story.do("add", "user", "three"))
        assert database.read_sync(told) == ["one", "two", "three"]
        return told(connection)

    assert elsewhere.read_sync(older) == ["one", "two"]
    assert elsewhere.read_sync(told) == ["one", "two", "three"]


async def test_what_nobody_may_read_is_not_read_from_what_is_held(chats: Chats) -> None:
    story = await Story.begin(chats, "one")
    assert len(await chats.path("ann", story.id)) == 1
    with pytest.raises(ChatNotFound):
        await chats.path("bob", story.id)
    with pytest.raises(MessageNotFound):
        await chats.path("ann", story.id, upto="elsewhere")
    await chats.delete("ann", story.id, forever=True)
    with pytest.raises(ChatNotFound):
        await chats.path("ann", story.id)


class Asked(Chats):
    """Keeps for which versions the store was asked."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, MemoryEvents())
        self.asked: list[str] = []

    async def counts(self, tokenizer: str, version_ids: Sequence[str]) -> dict[str, int]:
        self.asked += version_ids
        return await super().counts(tokenizer, version_ids)


async def test_the_store_is_asked_once_how_long_a_version_is(database: Database) -> None:
    chats = Asked(database)
    story = await Story.begin(chats, "one", "two")
    one, two = await chats.path("ann", story.id)
    counts = RememberedCounts(chats)
    await counts.remember("tokenizer", (one,), {"one": 7})
    assert await counts.recall("tokenizer", (one, two)) == {"one": 7}
    await counts.remember("tokenizer", (one, two), {"two": 8})
    assert await counts.recall("tokenizer", (one, two)) == {"one": 7, "two": 8}
    assert chats.asked == [two.version_id]
    assert await RememberedCounts(chats).recall("tokenizer", (one, two)) == {"one": 7, "two": 8}
    assert await counts.recall("another", (one, two)) == {}


async def test_a_story_has_the_messages_of_its_path_however_that_was_changed(chats: Chats) -> None:
    story, retelling = await Story.begin(chats, "one", "two", "three"), Retelling()

    async def told(user: str = "Ann") -> list[tuple[str, str]]:
        path = await chats.path("ann", story.id)
        found = retelling.messages(story.id, path, user, "Mira", "steady")
        assert found == [said(message, user, "Mira") for message in path]
        return [(message.name, message.text) for message in found]

    assert await told() == [("Ann", "one"), ("Mira", "two"), ("Ann", "three")]
    await story.do("edit", await story.id_of("two"), "another")
    assert await told() == [("Ann", "one"), ("Mira", "another"), ("Ann", "three")]
    await story.do("hide", await story.id_of("one"), alone=True)
    assert await told() == [("Mira", "another"), ("Ann", "three")]
    await story.do("undo")
    assert await told("Bob") == [("Bob", "one"), ("Mira", "another"), ("Bob", "three")]
    assert (await told())[0] == ("Ann", "one")
