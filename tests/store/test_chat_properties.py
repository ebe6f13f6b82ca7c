"""Whatever a person does: undoing all of it shows what was shown, and no word is ever lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from story import Story

from fabula.chats.book import Chats
from fabula.core.errors import MessageNotFound, NothingToUndo
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.schema.chats import messages, versions

ACTS = (
    "add",
    "add_at",
    "edit",
    "branch",
    "fork",
    "move_head",
    "hide",
    "reply",
    "swipe",
    "continue",
    "late",
    "undo",
    "redo",
)
STEPS = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 30)), max_size=25)


@settings(max_examples=40, deadline=None)
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
            await _act(story, database, act, pick, f"text {number}")
        assert await _is_sound(story, database)
        written |= (now := _all_texts(database))
        assert now == written, "a version that was written once stays as it was"
    end, count = await _shown(story), 0
    while (await chats.get("ann", story.id)).can_undo:
        await story.do("undo")
        count += 1
    assert await _shown(story) == []
    for _ in range(count):
        await story.do("redo")
    assert await _shown(story) == end
    assert _all_texts(database) == written


async def _act(story: Story, database: Database, act: str, pick: int, text: str) -> None:
    ids = database.read_sync(lambda c: list(c.scalars(select(messages.c.id).order_by(messages.c.id))))
    some = ids[pick % len(ids)] if ids else "nowhere"
    match act:
        case "add":
            await story.do("add", "user", text)
        case "add_at":
            await story.do("add", "user", text, parent_id=some)
        case "edit" | "branch":
            await story.do(act, some, text)
        case "fork":
            await story.do("branch", some)
        case "reply" | "swipe" | "continue":
            await story.reply(text, kind=act)
        case "late":  # the person had gone elsewhere when the turn ended
            await story.reply(text, parent_id=some if ids else "", head_id="elsewhere")
        case "undo" | "redo":
            await story.do(act)
        case _:
            await story.do(act, some)


async def _shown(story: Story) -> list[tuple[str, int, int]]:
    page = await story.chats.page("ann", story.id)
    return [(message.text, message.swipe.index, message.swipe.count) for message in page.messages]


async def _is_sound(story: Story, database: Database) -> bool:
    """Nothing hidden is on the shown path, each message points to the next, and all ways of reading agree."""
    chat = await story.chats.get("ann", story.id)
    page = await story.chats.page("ann", story.id)
    path = [message.id for message in await story.chats.path("ann", story.id)]
    rows = database.read_sync(lambda c: {row.id: row for row in c.execute(select(messages))})
    linked = all(rows[a].shown_id == b and not rows[b].hidden for a, b in itertools.pairwise(path))
    counted = all(m.swipe.ids[m.swipe.index] == m.id for m in page.messages)
    return linked and counted and [m.id for m in page.messages] == path and chat.message_count == len(path)


def _all_texts(database: Database) -> dict[str, str]:
    return database.read_sync(lambda c: {row.id: row.text for row in c.execute(select(versions))})
