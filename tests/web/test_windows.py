"""Two windows on one chat: the stale one is told, nothing is overwritten."""

from __future__ import annotations

import re

import pytest
from acts import act, composer, message, said, say, texts, until_written
from playwright.async_api import expect

API = re.compile(r"/api/fabula/v1/events$")


async def test_a_second_window_follows_the_reply(open_page, chat):
    one, two = await open_page(f"#/chat/{chat.id}"), await open_page(f"#/chat/{chat.id}")
    await say(one, "Speak slowly")
    await expect(message(two, 2)).to_contain_text("word3")
    await two.get_by_role("button", name="Stop", exact=True).click()
    await until_written(one)
    await until_written(two)
    assert await texts(one) == await texts(two)


async def test_a_change_elsewhere_shows_up(open_page, chat):
    one, two = await open_page(f"#/chat/{chat.id}"), await open_page(f"#/chat/{chat.id}")
    await said(one, "Hello")
    await expect(message(two, 2)).to_contain_text("Reply number")
    await until_written(two)
    await act(one, 2, "Edit").click()
    await one.get_by_role("textbox", name="Text of the message").fill("Other words")
    await one.get_by_role("button", name="Save", exact=True).click()
    await expect(message(two, 2)).to_contain_text("Other words")


async def test_an_edit_that_is_being_typed_stays(open_page, chat):
    chat.add("user", "Hello")
    chat.add("assistant", "Good evening")
    one, two = await open_page(f"#/chat/{chat.id}"), await open_page(f"#/chat/{chat.id}")
    await act(two, 2, "Edit").click()
    await two.get_by_role("textbox", name="Text of the message").fill("Half an edit")
    await said(one, "And now?")
    await expect(two.get_by_text("changed in another window")).to_be_visible()
    await expect(two.get_by_role("textbox", name="Text of the message")).to_have_value("Half an edit")
    await two.get_by_role("button", name="Save", exact=True).click()
    await expect(message(one, 2)).to_contain_text("Half an edit")


@pytest.mark.parametrize("verb", ["say", "edit"])
async def test_a_window_that_heard_nothing_is_told_and_keeps_the_text(open_page, chat, verb):
    chat.add("user", "Hello")
    page = await open_page()
    await page.route(API, lambda route: None)  # never answered: the news do not come
    await page.goto(page.url.rstrip("/#") + f"/#/chat/{chat.id}")
    await page.reload()
    await expect(message(page, 1)).to_contain_text("Hello")
    chat.add("assistant", "Written elsewhere")
    if verb == "say":
        await say(page, "My long thought")
    else:
        await act(page, 1, "Edit").click()
        await page.get_by_role("textbox", name="Text of the message").fill("My long thought")
        await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("changed elsewhere")).to_be_visible()
    await expect(message(page, 2)).to_contain_text("Written elsewhere")
    kept = composer(page) if verb == "say" else page.get_by_role("textbox", name="Text of the message")
    await expect(kept).to_have_value("My long thought")
    assert chat.texts == ["Hello", "Written elsewhere"]


async def test_a_chat_deleted_in_one_window_leaves_the_list_of_the_other(open_page, client):
    chat = client.new_chat(title="Soon gone")
    one, two = await open_page("#/chat"), await open_page("#/chat")
    row = two.get_by_role("link", name="Soon gone")
    await expect(row).to_be_visible()
    await one.get_by_role("link", name="Soon gone").hover()
    await one.get_by_role("button", name="More for “Soon gone”").click()
    await one.get_by_role("menuitem", name="Delete the chat").click()
    await expect(row).to_have_count(0)
    await one.get_by_role("button", name="Undo").click()
    await expect(row).to_be_visible()
    assert client.get(f"/chats/{chat.id}")["title"] == "Soon gone"
