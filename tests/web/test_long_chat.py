"""A chat of 5,000 messages: a window onto it, not all of it."""

from __future__ import annotations

import pytest
import pytest_asyncio
import shelf
from acts import message, nodes, read_back, say
from playwright.async_api import expect
from talking import Chat

LENGTH = 5_000
LINE = "The rain went on and the lamps burned low. "


def line(number: int) -> str:
    return f"Message number {number}. {LINE * (number % 4 + 1)}" + "\n\nMore *words*." * (number % 3 == 0)


@pytest.fixture(scope="session")
def long_chat(client, web_home) -> Chat:
    chat = client.new_chat(model="tiny", title="A long night")
    shelf.fill(web_home.database, chat.id, [line(number) for number in range(1, LENGTH + 1)])
    return chat


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page, long_chat):
    page = await open_page(f"#/chat/{long_chat.id}")
    await expect(page.get_by_text(f"Message number {LENGTH}.")).to_be_visible()
    return page


async def scroll(page, top: str) -> None:
    await page.get_by_role("feed").evaluate(f"feed => feed.closest('.list').scrollTop = {top}")


async def test_it_opens_at_its_end_with_few_nodes(page):
    await expect(page.get_by_role("article").nth(19)).to_be_attached()
    assert await nodes(page) < 1_000
    assert await page.get_by_role("article").count() <= 70


async def test_reading_back_brings_older_messages_without_moving_what_is_read(page):
    await read_back(page, 100)  # from then on, as many go as come
    for _ in range(5):
        seen = page.get_by_role("article").first
        label = await seen.get_attribute("aria-label")
        await scroll(page, "20")
        await expect(page.get_by_role("article").first).not_to_have_attribute("aria-label", label)
        await expect(page.get_by_role("article", name=label.split(",")[0] + ",")).to_be_in_viewport()
    assert await nodes(page) < 1_300


async def test_jump_to_the_start_and_back(page):
    await page.get_by_role("heading", name="A long night").click()
    await page.keyboard.press("Escape")
    await message(page, LENGTH).focus()
    await page.keyboard.press("Control+Home")
    await expect(page.get_by_text("Message number 1.")).to_be_in_viewport()
    await page.keyboard.press("Control+End")
    await expect(page.get_by_text(f"Message number {LENGTH}.")).to_be_in_viewport()
    assert await nodes(page) < 1_000


async def test_another_chat_opens_at_its_end_whatever_was_looked_at_in_this_one(page, client):
    other = client.new_chat(model="tiny", title="Another night")
    for number in range(8):
        other.add("user" if number % 2 == 0 else "assistant", LINE * 20)
    await message(page, LENGTH).focus()
    await page.keyboard.press("Control+Home")
    await expect(page.get_by_text("Message number 1.")).to_be_in_viewport()
    await page.evaluate(f"location.hash = '#/chat/{other.id}'")
    await expect(message(page, 8)).to_be_in_viewport()


async def test_reading_on_from_the_start_brings_newer_messages(page):
    await message(page, LENGTH).focus()
    await page.keyboard.press("Control+Home")
    await expect(page.get_by_text("Message number 1.")).to_be_in_viewport()
    await scroll(page, "1e9")
    await expect(page.get_by_text("Message number 51.")).to_have_count(1)


async def test_new_text_is_followed_only_at_the_bottom(open_page, client):
    chat = client.new_chat(model="tiny", title="Tall")
    for number in range(12):
        chat.add("user" if number % 2 == 0 else "assistant", LINE * 20)
    page = await open_page(f"#/chat/{chat.id}")
    await expect(message(page, 12)).to_be_in_viewport()
    chat.start(kind="reply", text="Speak slowly")
    await expect(message(page, 14)).to_be_in_viewport()
    await expect(message(page, 14)).to_contain_text("word3")
    await scroll(page, "0")
    await expect(page.get_by_role("button", name="New text")).to_be_visible()
    await expect(message(page, 1)).to_be_in_viewport()
    await page.get_by_role("button", name="New text").click()
    await expect(message(page, 14)).to_be_in_viewport()
    await page.keyboard.press("Escape")


async def test_a_message_sent_from_far_above_goes_to_the_end(page):
    await message(page, LENGTH).focus()
    await page.keyboard.press("Control+Home")
    await expect(page.get_by_text("Message number 1.")).to_be_in_viewport()
    await say(page, "Here I am")
    await expect(page.get_by_text("Here I am")).to_be_in_viewport()
