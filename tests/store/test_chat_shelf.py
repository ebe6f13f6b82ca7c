"""Chats as a whole: listing, renaming, trash, pages, token counts."""

from __future__ import annotations

import pytest
from story import Story

from fabula.chats.book import Chats
from fabula.core.errors import BadParameter, ChatNotFound, MessageNotFound
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.home import Home
from fabula.store.journal import FileJournal
from fabula.store.schema import metadata


async def test_chats_are_listed_newest_first_with_a_preview(chats: Chats) -> None:
    first = await Story.begin(chats, "Long " * 100)
    second = await Story.begin(chats, "Hello", "Hi.")
    listed = await chats.list("ann")
    assert [chat.id for chat in listed] == [second.id, first.id]
    assert [chat.preview for chat in listed] == ["Hi.", ("Long " * 100)[:120]]
    assert [chat.message_count for chat in listed] == [2, 1]
    older = await chats.list("ann", before=listed[0].updated_at)
    assert [chat.id for chat in older] == [first.id]


async def test_a_chat_without_messages_has_an_empty_preview(chats: Chats) -> None:
    await chats.create("ann", title="Empty")
    [chat] = await chats.list("ann")
    assert (chat.title, chat.preview, chat.message_count, chat.head_id) == ("Empty", "", 0, "")


async def test_a_chat_is_renamed_and_gets_other_sampling(chats: Chats) -> None:
    chat = await chats.create("ann", model="smollm2", sampling={"temperature": 1})
    changed = await chats.update("ann", chat.id, chat.revision, title="Dragons", sampling={"top_k": 5})
    assert (changed.title, changed.model, changed.sampling) == ("Dragons", "smollm2", {"top_k": 5})
    assert changed.revision == chat.revision + 1


@pytest.mark.parametrize("fields", [{"head_id": "x"}, {"title": 5}, {"sampling": "hot"}])
async def test_a_wrong_field_is_refused(chats: Chats, fields: dict[str, object]) -> None:
    chat = await chats.create("ann")
    with pytest.raises(BadParameter):
        await chats.update("ann", chat.id, chat.revision, **fields)
    assert await chats.get("ann", chat.id) == chat


async def test_a_chat_goes_to_the_trash_and_comes_back(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    await chats.delete("ann", story.id)
    assert await chats.list("ann") == []
    assert [chat.id for chat in await chats.list("ann", deleted=True)] == [story.id]
    with pytest.raises(ChatNotFound):
        await chats.page("ann", story.id)
    await chats.restore("ann", story.id)
    assert await story.texts() == ["Hello"]


async def test_deleting_for_ever_leaves_no_row_and_no_journal(
    database: Database, events: MemoryEvents, home: Home
) -> None:
    journal = FileJournal(home.journal)
    chats = Chats(database, events, journal)
    story = await Story.begin(chats, "Hello")
    reply = await story.reply("Hi.")
    assert reply.message
    await chats.remember_counts("t", {reply.message.version_id: 2})
    journal.begin("mine", {"chat_id": story.id}).close()
    journal.begin("other", {"chat_id": "another"}).close()
    with pytest.raises(ChatNotFound):
        await chats.delete("bob", story.id, forever=True)
    assert journal.unfinished() == ["mine", "other"]
    await chats.delete("ann", story.id, forever=True)
    rows = database.read_sync(
        lambda c: {t.name: len(c.execute(t.select()).all()) for t in metadata.sorted_tables}
    )
    assert set(rows.values()) == {0}
    assert journal.unfinished() == ["other"]


async def test_pages_follow_the_path_backwards_and_by_offset(chats: Chats) -> None:
    story = await Story.begin(chats, *(f"{number}" for number in range(10)))
    last = await chats.page("ann", story.id, limit=4)
    assert ([m.text for m in last.messages], last.more, last.total) == (["6", "7", "8", "9"], True, 10)
    before = await chats.page("ann", story.id, before=last.messages[0].id, limit=6)
    assert ([m.text for m in before.messages], before.more) == (["0", "1", "2", "3", "4", "5"], False)
    middle = await chats.page("ann", story.id, offset=3, limit=2)
    assert ([m.text for m in middle.messages], middle.more) == (["3", "4"], True)
    assert (await chats.page("ann", story.id, offset=10)).messages == []
    assert (await chats.page("ann", story.id, before=before.messages[0].id)).messages == []
    with pytest.raises(MessageNotFound):
        await chats.page("ann", story.id, before="nowhere")


async def test_the_path_for_a_prompt_may_end_earlier(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.", "Bye")
    path = await chats.path("ann", story.id, upto=await story.id_of("Hi."))
    assert [(message.role, message.text) for message in path] == [("user", "Hello"), ("assistant", "Hi.")]
    assert await chats.path("ann", story.id, upto="") == []


async def test_token_counts_are_kept_by_version_and_tokenizer(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.")
    one, two = (message.version_id for message in await chats.path("ann", story.id))
    await chats.remember_counts("t", {one: 1, "gone": 9})
    await chats.remember_counts("t", {one: 1, two: 2})
    assert await chats.counts("t", [one, two, "gone"]) == {one: 1, two: 2}
    assert await chats.counts("other", [one, two]) == {}
