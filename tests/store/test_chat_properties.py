"""Whatever a person does: undoing all of it shows what was shown, and no word is ever lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from story import ACTS, Story

from fabula.chats.book import Chats
from fabula.core.errors import MessageNotFound, NothingToUndo
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.schema.chats import messages, versions

STEPS = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 30)), max_size=25)


@settings(max_examples=30, deadline=None)
@example([("add", 0), ("add", 0), ("add_at", 0), ("later", 0), ("add", 0)])
@example([("reply", 24), ("late", 5), ("alone", 0), ("alone", 0), ("later", 2), ("fork", 0)])
@given(STEPS)
def test_undoing_everything_shows_the_beginning_and_redoing_the_end(steps: list[tuple[str, int]]) -> None:
    asyncio.run(_in_a_new_home(lambda chats, database: _there_and_back(chats, database, steps)))


async def _in_a_new_home(test: Callable[[Chats, Database], Awaitable[None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "fabula.db")
        database.open()
        try:
            await test(Chats(database, MemoryEvents()), database)
        finally:
            database.close()


async def _there_and_back(chats: Chats, database: Database, steps: list[tuple[str, int]]) -> None:
    story = await Story.begin(chats)
    written: dict[str, str] = {}
    for number, (act, pick) in enumerate(steps):
        with contextlib.suppress(MessageNotFound, NothingToUndo):
            await story.act(database, act, pick, f"text {number}")
        assert await _is_sound(story, database)
        written |= (now := _all_texts(database))
        assert now == written, "a version that was written once stays as it was"
    end, count = await _shown(story), 0
    title = (await chats.get("ann", story.id)).title
    while (await chats.get("ann", story.id)).can_undo:
        await story.do("undo")
        assert await _is_sound(story, database)
        count += 1
    assert await _shown(story) == []
    assert (await chats.get("ann", story.id)).title == ""
    for _ in range(count):
        await story.do("redo")
    assert await _shown(story) == end
    assert (await chats.get("ann", story.id)).title == title
    assert _all_texts(database) == written


async def _shown(story: Story) -> list[tuple[object, ...]]:
    page = await story.chats.page("ann", story.id)
    return [
        (message.text, message.swipe.index, message.swipe.count, message.checkpoint, message.left_out)
        for message in page.messages
    ]


async def _is_sound(story: Story, database: Database) -> bool:
    """Nothing hidden is on the shown path, each message points to the next, and all ways of reading agree."""
    chat = await story.chats.get("ann", story.id)
    page = await story.chats.page("ann", story.id)
    path = [message.id for message in await story.chats.path("ann", story.id)]
    rows = database.read_sync(lambda c: {row.id: row for row in c.execute(select(messages))})
    linked = all(rows[a].shown_id == b and not rows[b].hidden for a, b in itertools.pairwise(path))
    counted = all(m.swipe.ids[m.swipe.index] == m.id for m in page.messages)
    deep = all(row.depth == (rows[row.parent_id].depth + 1 if row.parent_id else 1) for row in rows.values())
    return (
        linked
        and counted
        and deep
        and [m.id for m in page.messages] == path
        and chat.message_count == len(path)
    )


def _all_texts(database: Database) -> dict[str, str]:
    return database.read_sync(lambda c: {row.id: row.text for row in c.execute(select(versions))})
