"""What a person does with a chat: say, edit, branch, swipe, delete, undo."""

from __future__ import annotations

import pytest
from story import Story

from fabula.chats.book import Chats
from fabula.core.errors import ChatNotFound, MessageNotFound, NothingToUndo, StaleRevision
from fabula.store.events import MemoryEvents


async def test_what_is_said_is_shown_in_order(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.", "How are you?")
    page = await chats.page("ann", story.id)
    assert [(m.role, m.text) for m in page.messages] == [
        ("user", "Hello"),
        ("assistant", "Hi."),
        ("user", "How are you?"),
    ]
    assert (page.total, page.more) == (3, False)


async def test_editing_an_old_message_keeps_what_follows_it(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.", "Bye")
    change = await story.do("edit", await story.id_of("Hi."), "Good evening.")
    assert await story.texts() == ["Hello", "Good evening.", "Bye"]
    assert change.path_from == await story.id_of("Hello")
    assert change.message
    assert (change.message.versions, change.message.version_reason) == (2, "edited")


async def test_all_versions_of_a_message_can_be_read(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    id = await story.id_of("Hello")
    await story.do("edit", id, "Hallo")
    versions = await chats.versions("ann", story.id, id)
    assert [(version.text, version.reason) for version in versions] == [
        ("Hello", "written"),
        ("Hallo", "edited"),
    ]


async def test_an_edit_that_changes_nothing_is_no_change(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    before = await chats.get("ann", story.id)
    change = await story.do("edit", before.head_id, "Hello")
    assert change.chat == before


async def test_a_branch_with_text_is_an_alternative_and_the_old_path_stays(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.", "Bye")
    hello = await story.id_of("Hello")
    change = await story.do("branch", hello, "Good evening")
    assert await story.texts() == ["Good evening"]
    assert change.message
    assert change.message.swipe.ids == (hello, change.message.id)
    await story.do("move_head", hello)
    assert await story.texts() == ["Hello", "Hi.", "Bye"]


async def test_a_branch_without_text_lets_the_next_message_start_another_path(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.", "Bye")
    await story.do("branch", await story.id_of("Hi."))
    assert await story.texts() == ["Hello", "Hi."]
    await story.do("add", "user", "Stay")
    page = await chats.page("ann", story.id)
    assert await story.texts() == ["Hello", "Hi.", "Stay"]
    assert (page.messages[-1].swipe.index, page.messages[-1].swipe.count) == (1, 2)


async def test_swipes_are_counted_and_each_can_be_shown(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    first = await story.reply("Hi.")
    await story.reply("Hey.", kind="swipe")
    third = await story.reply("Yo.", kind="swipe")
    assert third.message
    assert (third.message.swipe.index, third.message.swipe.count) == (2, 3)
    assert first.message
    change = await story.do("move_head", first.message.id)
    assert await story.texts() == ["Hello", "Hi."]
    assert change.message
    assert change.message.swipe.index == 0


async def test_showing_a_swipe_again_goes_down_to_where_it_was_left(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.", "One")
    hi = await story.id_of("Hi.")
    await story.do("branch", await story.id_of("One"), "Two")
    await story.do("move_head", await story.id_of("Hi."))
    one = (await chats.page("ann", story.id)).messages[-1].swipe.ids[0]
    await story.do("move_head", one)
    await story.do("branch", hi, "Hey.")
    await story.do("move_head", hi)
    assert await story.texts() == ["Hello", "Hi.", "One"]


async def test_deleting_hides_the_message_and_all_below_and_undo_brings_it_back(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.", "Bye")
    await story.do("hide", await story.id_of("Hi."))
    assert await story.texts() == ["Hello"]
    change = await story.do("undo")
    assert await story.texts() == ["Hello", "Hi.", "Bye"]
    assert change.chat.can_redo


async def test_deleting_a_swipe_shows_the_one_before(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.")
    await story.reply("Hey.", kind="swipe")
    await story.do("hide", await story.id_of("Hey."))
    assert await story.texts() == ["Hello", "Hi."]
    await story.do("undo")
    await story.do("move_head", (await chats.page("ann", story.id)).messages[-1].swipe.ids[0])
    await story.do("hide", await story.id_of("Hi."))
    assert await story.texts() == ["Hello", "Hey."]


async def test_deleting_on_another_branch_leaves_the_shown_path(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.")
    hi = await story.id_of("Hi.")
    await story.reply("Hey.", kind="swipe")
    await story.do("hide", hi)
    page = await chats.page("ann", story.id)
    assert [message.text for message in page.messages] == ["Hello", "Hey."]
    assert page.messages[-1].swipe.count == 1


async def test_a_deleted_message_can_neither_be_shown_nor_answered(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.", "Bye")
    bye = await story.id_of("Bye")
    await story.do("hide", await story.id_of("Hi."))
    for verb, arguments in (("move_head", [bye]), ("hide", [bye]), ("branch", [bye])):
        with pytest.raises(MessageNotFound):
            await story.do(verb, *arguments)
    with pytest.raises(MessageNotFound):
        await story.do("add", "user", "?", parent_id=bye)


async def test_undo_goes_back_step_by_step_and_redo_forward_again(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.")
    await story.do("edit", await story.id_of("Hi."), "Hey.")
    for expected in (["Hello", "Hi."], ["Hello"], []):
        await story.do("undo")
        assert await story.texts() == expected
    with pytest.raises(NothingToUndo):
        await story.do("undo")
    for expected in (["Hello"], ["Hello", "Hi."], ["Hello", "Hey."]):
        await story.do("redo")
        assert await story.texts() == expected
    with pytest.raises(NothingToUndo):
        await story.do("redo")


async def test_a_new_change_after_undo_ends_redo_but_not_undo(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.")
    await story.do("undo")
    change = await story.do("add", "user", "Anyone?")
    assert (change.chat.can_undo, change.chat.can_redo) == (True, False)
    await story.do("undo")
    await story.do("undo")
    assert await story.texts() == []


async def test_a_swipe_that_was_undone_is_not_counted(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.")
    await story.reply("Hey.", kind="swipe")
    await story.do("undo")
    assert (await chats.page("ann", story.id)).messages[-1].swipe.count == 1


async def test_a_stale_revision_changes_nothing(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    seen = (await chats.get("ann", story.id)).revision
    await story.do("add", "assistant", "Hi.")
    id = await story.id_of("Hello")
    calls = {
        "add": ["user", "?"],
        "edit": [id, "?"],
        "branch": [id, "?"],
        "move_head": [id],
        "hide": [id],
        "undo": [],
        "redo": [],
    }
    before = await chats.get("ann", story.id)
    for verb, arguments in calls.items():
        with pytest.raises(StaleRevision) as told:
            await getattr(chats, verb)("ann", story.id, seen, *arguments)
        assert (told.value.given, told.value.current) == (seen, seen + 1)
    with pytest.raises(StaleRevision):
        await chats.update("ann", story.id, seen, title="?")
    assert await chats.get("ann", story.id) == before
    assert await story.texts() == ["Hello", "Hi."]


async def test_nobody_sees_or_changes_the_chats_of_another(chats: Chats) -> None:
    story = await Story.begin(chats, "Secret")
    id = await story.id_of("Secret")
    revision = (await chats.get("ann", story.id)).revision
    assert await chats.list("bob") == []
    reads = {
        "get": [],
        "page": [],
        "path": [],
        "message": [id],
        "versions": [id],
        "delete": [],
        "restore": [],
    }
    for verb, arguments in reads.items():
        with pytest.raises(ChatNotFound):
            await getattr(chats, verb)("bob", story.id, *arguments)
    for verb, arguments in {"edit": [id, "?"], "hide": [id], "undo": [], "move_head": [id]}.items():
        with pytest.raises(ChatNotFound):
            await getattr(chats, verb)("bob", story.id, revision, *arguments)
    assert await story.texts() == ["Secret"]


async def test_a_message_of_another_chat_is_not_found(chats: Chats) -> None:
    one, other = await Story.begin(chats, "One"), await Story.begin(chats, "Other")
    foreign = await other.id_of("Other")
    for verb, arguments in {"edit": [foreign, "?"], "hide": [foreign], "move_head": [foreign]}.items():
        with pytest.raises(MessageNotFound):
            await one.do(verb, *arguments)


async def test_each_change_is_told_to_the_studio(chats: Chats, events: MemoryEvents) -> None:
    story = await Story.begin(chats, "Hello")
    await chats.delete("ann", story.id)
    events.end("studio")
    told = [event async for event in events.follow("studio")]
    assert [event.kind for event in told] == ["chat"] * 3
    assert [event.data["deleted"] for event in told] == [False, False, True]
    assert [event.data["revision"] for event in told] == [1, 2, 3]
