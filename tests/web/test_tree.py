"""Swipes, edits, branches, deletions: nothing that was written is lost."""

from __future__ import annotations

import asyncio

import pytest_asyncio
from acts import act, choose, composer, message, prose, said, say, texts, until_they_say, until_written
from playwright.async_api import expect


@pytest_asyncio.fixture(loop_scope="session")
async def told(page, chat):
    """A chat of two exchanges."""
    await said(page, "First question")
    await said(page, "Second question")
    return page


async def test_a_swipe_writes_another_reply_and_the_first_stays(told, chat):
    first = (await texts(told))[3]
    await act(told, 4, "Write another alternative").click()
    await expect(message(told, 4)).to_contain_text("2/2")
    await until_written(told)
    second = (await texts(told))[3]
    await act(told, 4, "Previous alternative").click()
    await expect(message(told, 4)).to_contain_text("1/2")
    await expect(prose(told, 4)).to_have_text(first)
    assert first != second
    assert chat.messages[3]["swipe"]["count"] == 2


async def test_arrow_keys_swipe_on_a_focused_reply(told):
    await act(told, 4, "Regenerate").click()
    await expect(message(told, 4)).to_contain_text("2/2")
    await until_written(told)
    await message(told, 4).focus()
    await told.keyboard.press("ArrowLeft")
    await expect(message(told, 4)).to_contain_text("1/2")
    await told.keyboard.press("ArrowRight")
    await expect(message(told, 4)).to_contain_text("2/2")


async def test_an_edit_stays_in_place_and_keeps_its_versions(told, chat):
    await message(told, 2).focus()
    await act(told, 2, "Edit").click()
    await told.get_by_role("textbox", name="Text of the message").fill("Better words")
    await told.get_by_role("button", name="Save", exact=True).click()
    await expect(message(told, 2)).to_contain_text("Better words")
    await expect(told.get_by_role("article")).to_have_count(4)
    await choose(told, 2, "Versions (2)")
    await told.get_by_role("dialog").get_by_role("button", name="Use this version").click()
    await expect(message(told, 2)).to_contain_text("Reply number")
    assert chat.messages[1]["versions"] == 3


async def test_arrow_up_in_an_empty_composer_edits_the_last_own_message(told):
    await composer(told).press("ArrowUp")
    await expect(told.get_by_role("textbox", name="Text of the message")).to_have_value("Second question")
    await told.keyboard.press("Escape")
    await expect(told.get_by_role("textbox", name="Text of the message")).to_have_count(0)


async def test_an_own_message_saved_as_a_branch_is_answered_anew(told, chat):
    await composer(told).press("ArrowUp")
    await told.get_by_role("textbox", name="Text of the message").fill("Another question")
    await told.get_by_role("button", name="Save as a branch and reply").click()
    await expect(message(told, 3)).to_contain_text("Another question")
    await expect(message(told, 4)).to_contain_text("Reply number")
    await until_written(told)
    await message(told, 3).focus()
    await act(told, 3, "Previous alternative").click()
    await expect(message(told, 3)).to_contain_text("Second question")
    assert chat.messages[2]["swipe"]["count"] == 2


async def test_a_branch_starts_another_path_and_undo_brings_the_old_one_back(told):
    before = await texts(told)
    await choose(told, 2, "Branch from here")
    await expect(message(told, 3)).to_have_count(0)
    await message(told, 1).focus()  # the toast with its own Undo goes by itself
    await told.keyboard.press("Control+z")
    await until_they_say(told, before)


async def test_a_deleted_message_can_be_brought_back(told):
    await choose(told, 3, "Delete")
    await expect(message(told, 3)).to_have_count(0)
    await told.get_by_role("button", name="Undo").click()
    await expect(message(told, 4)).to_be_visible()


async def test_undo_and_redo_by_key(told):
    await choose(told, 3, "Delete")
    await expect(message(told, 3)).to_have_count(0)
    await message(told, 1).focus()
    await told.keyboard.press("Control+z")
    await expect(message(told, 4)).to_be_visible()
    await told.keyboard.press("Control+y")
    await expect(message(told, 3)).to_have_count(0)


async def test_continue_lengthens_the_same_message(told, chat):
    before = (await texts(told))[3]
    await act(told, 4, "Continue the reply").click()
    await expect(prose(told, 4)).not_to_have_text(before)
    await until_written(told)
    after = (await texts(told))[3]
    assert after.startswith(before)
    assert len(after) > len(before)
    assert (chat.messages[3]["version_reason"], chat.now["message_count"]) == ("continued", 4)


async def test_regenerating_in_the_middle_starts_from_there(told, chat):
    await message(told, 2).focus()
    await told.keyboard.press("ArrowRight")
    await expect(message(told, 2)).to_contain_text("2/2")
    await until_written(told)
    await expect(message(told, 3)).to_have_count(0)
    await act(told, 2, "Previous alternative").click()
    await expect(message(told, 4)).to_be_visible()


async def test_a_stopped_swipe_is_kept_beside_the_others(page, chat):
    await say(page, "Speak slowly")
    await expect(message(page, 2)).to_contain_text("word2")
    await page.keyboard.press("Escape")
    await until_written(page)
    await act(page, 2, "Regenerate").click()
    await expect(message(page, 2)).not_to_contain_text("Stopped")  # the first reply has made place
    await expect(message(page, 2)).to_contain_text("word2")
    await page.keyboard.press("Escape")
    await until_written(page)
    await expect(message(page, 2)).to_contain_text("2/2")


async def test_a_reading_that_comes_late_shows_nothing_older_than_what_is_shown(told, chat):
    asked, shown = asyncio.Event(), asyncio.Event()

    async def late(route):
        answer = await route.fetch()
        asked.set()
        await shown.wait()
        await route.fulfill(response=answer)

    await told.route("**/messages?**", late, times=1)
    chat.client.call("PATCH", chat.path, json=chat.at_revision(title="Another title"))
    await asked.wait()  # the page reads the chat again, and the answer is on its way
    chat.add("user", "Written elsewhere")
    await expect(message(told, 5)).to_be_visible()
    shown.set()
    await said(told, "Third question")
    await expect(message(told, 5)).to_contain_text("Written elsewhere")
    assert len(chat.texts) == 7
