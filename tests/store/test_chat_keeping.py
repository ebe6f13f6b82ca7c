"""Chats as things to keep: checkpoints, moving, leaving out, merging, comparing, finding."""

from __future__ import annotations

import pytest
from story import Story

from fabula.chats.book import Chats
from fabula.chats.characters.shelf import Marks
from fabula.chats.finding import excerpt_of
from fabula.chats.records import ChatFilter
from fabula.core.errors import MessageNotFound, NothingToUndo, StaleRevision


async def test_a_message_changes_places_with_the_one_before_it_and_undo_puts_it_back(chats: Chats) -> None:
    story = await Story.begin(chats, "one", "two", "three", "four")
    await story.do("move", await story.id_of("three"))
    assert await story.texts() == ["one", "three", "two", "four"]
    await story.do("move", await story.id_of("three"), later=True)
    assert await story.texts() == ["one", "two", "three", "four"]
    await story.do("undo")
    assert await story.texts() == ["one", "three", "two", "four"]


async def test_alternatives_move_with_their_message(chats: Chats) -> None:
    story = await Story.begin(chats, "Hello", "Hi.")
    await story.reply("Good evening.", kind="swipe")
    await story.do("move", await story.id_of("Good evening."))
    page = await chats.page("ann", story.id)
    assert [(m.text, m.swipe.count) for m in page.messages] == [("Good evening.", 2), ("Hello", 1)]


async def test_the_first_message_cannot_be_moved_up(chats: Chats) -> None:
    story = await Story.begin(chats, "one", "two")
    with pytest.raises(MessageNotFound):
        await story.do("move", await story.id_of("one"))


async def test_a_message_is_deleted_alone_and_what_follows_it_stays(chats: Chats) -> None:
    story = await Story.begin(chats, "one", "two", "three")
    await story.do("hide", await story.id_of("two"), alone=True)
    assert await story.texts() == ["one", "three"]
    assert (await chats.get("ann", story.id)).message_count == 2
    await story.do("undo")
    assert await story.texts() == ["one", "two", "three"]


async def test_what_is_left_out_stays_in_sight_and_is_marked_for_prompts(chats: Chats) -> None:
    story = await Story.begin(chats, "one", "two")
    await story.do("leave_out", [await story.id_of("one")])
    assert [m.left_out for m in (await chats.page("ann", story.id)).messages] == [True, False]
    assert [m.left_out for m in await chats.path("ann", story.id)] == [True, False]
    await story.do("undo")
    assert [m.left_out for m in await chats.path("ann", story.id)] == [False, False]


async def test_a_checkpoint_has_a_name_and_is_listed(chats: Chats) -> None:
    story = await Story.begin(chats, "one", "two", "three")
    await story.do("checkpoint", await story.id_of("two"), "Before the storm")
    [found] = await chats.checkpoints("ann", story.id)
    assert (found.name, found.number, found.preview) == ("Before the storm", 2, "two")
    await story.do("checkpoint", found.id, "")
    assert await chats.checkpoints("ann", story.id) == []


async def test_two_branches_are_compared_from_where_they_part(chats: Chats) -> None:
    story = await Story.begin(chats, "one", "two", "three")
    first = await story.id_of("three")
    await story.do("branch", await story.id_of("two"), "another two")
    second = (await story.do("add", "user", "another three")).chat.head_id
    compared = await chats.compare("ann", story.id, first, second)
    assert (compared.common, compared.common_id) == (1, await story.id_of("one"))
    assert [m.text for m in compared.left] == ["two", "three"]
    assert [m.text for m in compared.right] == ["another two", "another three"]


async def test_the_ends_of_all_branches_are_listed_with_what_they_have_of_their_own(chats: Chats) -> None:
    story = await Story.begin(chats, "one", "two", "three")
    fork = await story.id_of("one")
    await story.do("branch", await story.id_of("two"), "another two")
    shown, other = await chats.branches("ann", story.id)
    assert (shown.shown, shown.preview, shown.messages) == (True, "another two", 2)
    assert (other.shown, other.preview, other.fork_id, other.own) == (False, "three", fork, 2)


async def test_a_branch_is_merged_back_below_the_head_and_stays_where_it_was(chats: Chats) -> None:
    story = await Story.begin(chats, "one", "two")
    main = await story.id_of("two")
    await story.do("branch", main, "a dream")
    dream = (await story.do("add", "user", "of the sea")).chat.head_id
    await story.do("move_head", main)
    await story.do("merge", dream)
    assert await story.texts() == ["one", "two", "a dream", "of the sea"]
    await story.do("undo")
    assert await story.texts() == ["one", "two"]
    await story.do("move_head", dream)
    assert await story.texts() == ["one", "a dream", "of the sea"]


async def test_title_and_settings_are_undone_too_and_turning_a_knob_is_one_step(chats: Chats) -> None:
    story = await Story.begin(chats)
    await story.do("update", title="A night")
    for value in (0.1, 0.2, 0.3):
        await story.do("update", sampling={"temperature": value})
    await story.do("undo")
    chat = await chats.get("ann", story.id)
    assert (chat.title, chat.sampling) == ("A night", {})
    await story.do("undo")
    assert (await chats.get("ann", story.id)).title == ""
    with pytest.raises(NothingToUndo):
        await story.do("undo")


@pytest.mark.parametrize("verb", ["move", "hide", "merge"])
async def test_who_saw_an_older_revision_changes_nothing(chats: Chats, verb: str) -> None:
    story = await Story.begin(chats, "one", "two")
    with pytest.raises(StaleRevision):
        await getattr(chats, verb)("ann", story.id, 1, await story.id_of("two"))
    assert await story.texts() == ["one", "two"]


# ── finding ─────────────────────────────────────────────────────────────────────────────────────────


async def found(chats: Chats, words: str, **more: object) -> list[str]:
    return [hit.excerpt for hit in await chats.search("ann", words, **more)]  # type: ignore[arg-type]


async def test_messages_of_all_chats_are_found_the_newest_first(chats: Chats) -> None:
    await Story.begin(chats, "The lamp is lit", "Good")
    later = await Story.begin(chats, "Light the lamp")
    assert await found(chats, "lamp") == ["Light the lamp", "The lamp is lit"]
    assert await found(chats, "lamp", chat_id=later.id) == ["Light the lamp"]
    assert await chats.search("bob", "lamp") == []


@pytest.mark.parametrize("words", ["燈塔", "塔", "守燈塔", "看守"])
async def test_two_characters_of_chinese_are_found_inside_a_sentence(chats: Chats, words: str) -> None:
    await Story.begin(chats, "她看守燈塔已經很久了。", "另一句話")
    assert await found(chats, words) == ["她看守燈塔已經很久了。"]


async def test_an_edit_is_found_by_its_new_words_and_after_undo_by_the_old_ones(chats: Chats) -> None:
    story = await Story.begin(chats, "a storm")
    await story.do("edit", await story.id_of("a storm"), "a calm")
    assert (await found(chats, "storm"), await found(chats, "calm")) == ([], ["a calm"])
    await story.do("undo")
    assert await found(chats, "storm") == ["a storm"]


async def test_what_was_deleted_or_lies_in_the_trash_is_not_found(chats: Chats) -> None:
    story = await Story.begin(chats, "one lamp", "two lamps", "three lamps")
    await story.do("hide", await story.id_of("two lamps"))
    assert await found(chats, "lamp") == ["one lamp"]
    await story.do("undo")
    assert len(await found(chats, "lamp")) == 3
    await chats.delete("ann", story.id)
    assert await found(chats, "lamp") == []


async def test_pages_of_hits_follow_each_other(chats: Chats) -> None:
    await Story.begin(chats, *(f"lamp {number}" for number in range(7)))
    first = await chats.search("ann", "lamp", limit=4)
    second = await chats.search("ann", "lamp", limit=4, before=first[-1].number)
    assert [hit.excerpt for hit in first + second] == [f"lamp {number}" for number in range(6, -1, -1)]


def test_an_excerpt_shows_where_the_word_stands() -> None:
    excerpt, match = excerpt_of("x" * 500 + " the LAMP went out", "lamp")
    assert match
    assert excerpt[slice(*match)] == "LAMP"
    assert len(excerpt) < 200


# ── many chats ──────────────────────────────────────────────────────────────────────────────────────


async def test_chats_have_folders_tags_and_favourites_and_are_found_by_their_titles(chats: Chats) -> None:
    storm = await chats.create("ann", title="The storm")
    calm = await chats.create("ann", title="The calm")
    await chats.mark("ann", [storm.id], Marks(folder="Sea", favourite=True, add_tags=["dark"]))
    for wanted in (
        ChatFilter(words="storm"),
        ChatFilter(folder="Sea"),
        ChatFilter(favourite=True),
        ChatFilter(tags=("dark",)),
    ):
        rows, total = await chats.find("ann", wanted)
        assert ([row.title for row in rows], total) == (["The storm"], 1)
    assert await chats.drawers("ann") == ({"Sea": 1}, {"dark": 1})
    assert await chats.ids("ann", ChatFilter(favourite=False)) == [calm.id]


async def test_many_chats_go_into_the_trash_at_once_and_come_back(chats: Chats) -> None:
    ids = [(await chats.create("ann", title=f"Night {n}")).id for n in range(3)]
    assert await chats.mark("ann", ids[:2], Marks(trashed=True)) == 2
    assert (await chats.find("ann", ChatFilter(words="night")))[1] == 1
    assert (await chats.find("ann", ChatFilter(words="night", trashed=True)))[1] == 2
    assert await chats.mark("bob", ids, Marks(trashed=False)) == 0
    await chats.mark("ann", ids, Marks(trashed=False))
    assert (await chats.find("ann", ChatFilter()))[1] == 3
