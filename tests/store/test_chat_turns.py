"""What a turn leaves in the tree, also when it is told twice or the chat went on meanwhile."""

from __future__ import annotations

import pytest
from story import Story

from fabula.chats.book import Chats
from fabula.chats.records import TurnOutcome
from fabula.core.errors import ChatNotFound, MessageNotFound, NothingToUndo


async def test_a_reply_is_kept_with_its_facts_and_token_ids(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    ids = (1, 2, 2**31 - 1)
    change = await story.reply("Hi.", token_ids=ids, tokenizer="t", facts={"model": "m"}, author="m")
    assert change.message
    assert (change.message.facts, change.message.author) == ({"model": "m"}, "m")
    last = (await chats.path("ann", story.id))[-1]
    assert (last.text, last.token_ids, last.tokenizer, last.name) == ("Hi.", ids, "t", "m")


async def test_a_turn_that_is_told_twice_is_taken_in_once(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    first = await story.reply("Hi.", turn_id="t")
    parent = await story.id_of("Hello")
    again = await story.reply("Hi.", turn_id="t", parent_id=parent)
    assert again == first


async def test_a_turn_told_again_after_undo_stays_undone(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    await story.reply("Hi.", turn_id="t")
    await story.do("undo")
    await story.reply("Hi.", turn_id="t")
    assert await story.texts() == ["Hello"]
    await story.do("redo")
    assert await story.texts() == ["Hello", "Hi."]


async def test_continue_is_a_new_version_of_the_same_message(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    first = await story.reply("Once")
    change = await story.reply("Once upon a time", kind="continue", reason="continued")
    assert change.message
    assert first.message
    assert change.message.id == first.message.id
    assert (change.message.versions, change.message.version_reason) == (2, "continued")
    await story.do("undo")
    assert await story.texts() == ["Hello", "Once"]


async def test_continue_does_not_overwrite_an_edit_made_meanwhile(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Once")
    page = await chats.page("ann", story.id)
    once = page.messages[-1]
    await story.do("edit", once.id, "Twice")
    await story.reply("Once upon", kind="continue", base_version_id=once.version_id)
    assert await story.texts() == ["Hello", "Twice"]
    assert "Once upon" in [v.text for v in await chats.versions("ann", story.id, once.id)]


async def test_a_reply_to_a_chat_that_went_on_leaves_what_is_shown(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    hello = await story.id_of("Hello")
    await story.do("branch", hello, "Good evening")
    change = await story.reply("Hi.", parent_id=hello)
    assert await story.texts() == ["Good evening"]
    await story.do("undo")
    assert await story.texts() == ["Hello"], "the reply is no step of its own to undo"
    assert change.message
    await story.do("move_head", change.message.id)
    assert await story.texts() == ["Hello", "Hi."]


async def test_a_swipe_is_shown_only_if_the_head_is_where_the_turn_found_it(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.")
    head = (await chats.get("ann", story.id)).head_id
    await story.do("add", "user", "Well?")
    hello = await story.id_of("Hello")
    await story.reply("Hey.", kind="swipe", parent_id=hello, head_id=head)
    assert await story.texts() == ["Hello", "Hi.", "Well?"]
    now = (await chats.get("ann", story.id)).head_id
    await story.reply("Yo.", kind="swipe", parent_id=hello, head_id=now)
    assert await story.texts() == ["Hello", "Yo."]


async def test_a_reply_to_a_message_that_was_taken_back_is_not_lost(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    hello = await story.id_of("Hello")
    await story.do("undo")
    change = await story.reply("Hi.", parent_id=hello)
    assert await story.texts() == []
    await story.do("redo")
    assert change.message
    await story.do("move_head", change.message.id)
    assert await story.texts() == ["Hello", "Hi."]


async def test_a_reply_to_a_chat_in_the_trash_is_there_when_it_comes_back(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    hello = await story.id_of("Hello")
    await chats.delete("ann", story.id)
    await chats.finish_turn(_outcome(story, hello))
    await chats.restore("ann", story.id)
    assert await story.texts() == ["Hello", "Hi."]


async def test_a_reply_to_what_does_not_exist_is_refused(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    with pytest.raises(MessageNotFound):
        await story.reply("Hi.", parent_id="nowhere")
    await chats.delete("ann", story.id, forever=True)
    with pytest.raises(ChatNotFound):
        await chats.finish_turn(_outcome(story, "x"))


async def test_a_first_message_may_be_a_reply(chats: Chats) -> None:
    story = await Story.begin(chats)
    await story.reply("Welcome.")
    assert await story.texts() == ["Welcome."]
    await story.do("undo")
    with pytest.raises(NothingToUndo):
        await story.do("undo")


def _outcome(story: Story, parent_id: str) -> TurnOutcome:
    return TurnOutcome(
        owner_id="ann",
        chat_id=story.id,
        turn_id="t",
        kind="reply",
        message_id="m",
        parent_id=parent_id,
        text="Hi.",
    )
