"""Several alternatives of a reply, written side by side."""

from __future__ import annotations

from acts import act, choose, message, said, say, texts, until_written
from playwright.async_api import expect


async def test_three_are_written_and_the_one_looked_at_stays(page, chat):
    await said(page, "Hello")
    first = (await texts(page))[1]
    await say(page, "Speak slowly")
    await expect(message(page, 4)).to_contain_text("word2")
    await page.keyboard.press("Escape")
    await until_written(page)
    await choose(page, 4, "Three alternatives at once")
    swipes = page.get_by_role("group", name="Alternatives being written")
    await expect(swipes).to_contain_text("1/3")
    await expect(message(page, 4)).to_contain_text("word3")
    await swipes.get_by_role("button", name="Next alternative").click()
    await expect(swipes).to_contain_text("2/3")
    await expect(message(page, 4)).to_contain_text("word6")
    await page.get_by_role("button", name="Stop").click()
    await until_written(page)
    await expect(message(page, 4)).to_contain_text("3/4")
    swipe = chat.messages[3]["swipe"]
    assert (swipe["index"], swipe["count"], (await texts(page))[1]) == (2, 4, first)


async def test_a_page_that_comes_later_sees_all_three(page, chat, open_page):
    await said(page, "Hello")
    chat.start(text="Speak slowly", count=3)
    other = await open_page(f"#/chat/{chat.id}")
    swipes = other.get_by_role("group", name="Alternatives being written")
    await expect(swipes).to_contain_text("1/3")
    await expect(message(other, 4)).to_contain_text("word2")
    await swipes.get_by_role("button", name="Next alternative").click()
    await expect(message(other, 4)).to_contain_text("word4")
    await other.get_by_role("button", name="Stop").click()
    await until_written(other)
    await expect(message(other, 4)).to_contain_text("2/3")
    await act(other, 4, "Previous alternative").click()
    await expect(message(other, 4)).to_contain_text("1/3")


async def test_one_that_ends_early_says_that_others_go_on(page, chat):
    await said(page, "Hello")
    await choose(page, 2, "Three alternatives at once")
    await expect(message(page, 2)).to_contain_text("2/4")
    await until_written(page)
    assert chat.messages[1]["swipe"]["count"] == 4
