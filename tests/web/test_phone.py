"""On a phone: one column, a tab bar, a drawer, targets for thumbs."""

from __future__ import annotations

import pytest
from acts import PHONE, act, composer, message, said
from playwright.async_api import expect

WIDTHS = [360, 390, 430]


TOO_WIDE = """() => [...document.querySelectorAll('main, main *')]
    .filter((node) => node.checkVisibility() && !node.closest('pre, table, .sr-only'))
    .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5)
    .map((node) => node.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("width", WIDTHS)
async def test_nothing_scrolls_sideways(open_page, chat, width):
    phone = PHONE | {"viewport": {"width": width, "height": 800}}
    page = await open_page(f"#/chat/{chat.id}", **phone)
    await said(page, "Tell me a story")
    assert await page.evaluate(TOO_WIDE) == []
    for where in ("Home", "Models", "Settings"):
        if where == "Settings":
            await page.get_by_role("button", name="More", exact=True).last.tap()
        await page.get_by_role("link", name=where, exact=True).tap()
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert await page.evaluate(TOO_WIDE) == []


async def test_targets_are_wide_enough_for_a_thumb(open_page, chat):
    page = await open_page(f"#/chat/{chat.id}", **PHONE)
    await said(page, "Hello")
    small = """() => [...document.querySelectorAll('main button, nav.rail a')]
        .filter(node => node.checkVisibility() && !node.closest('.prose'))
        .map(node => [node.ariaLabel ?? node.textContent, node.getBoundingClientRect()])
        .filter(([, box]) => Math.min(box.width, box.height) < 40).map(([name]) => name)"""
    assert await page.evaluate(small) == []


async def test_actions_are_there_without_hovering(open_page, chat):
    page = await open_page(f"#/chat/{chat.id}", **PHONE)
    await said(page, "Hello")
    await act(page, 2, "Regenerate").tap()
    await expect(message(page, 2)).to_contain_text("2/2")
    await act(page, 1, "Edit").tap()
    await expect(page.get_by_role("textbox", name="Text of the message")).to_have_value("Hello")


async def test_the_title_has_the_width_and_the_model_its_own_line(open_page, client):
    chat = client.new_chat(model="tiny", title="Write a short story")
    page = await open_page(f"#/chat/{chat.id}", **PHONE)
    title = page.get_by_role("button", name="Write a short story", exact=True)
    model = page.get_by_role("button", name="Model: tiny")
    cut = "node => node.scrollWidth > node.clientWidth"
    assert not await title.evaluate(cut)
    assert (await model.bounding_box())["y"] > (await title.bounding_box())["y"]


async def test_a_chat_opens_at_its_end(open_page, thinking_chat):
    for text in ("Tell me a story", "Please ponder"):
        thinking_chat.say(text, kind="reply")
    page = await open_page(f"#/chat/{thinking_chat.id}", **PHONE)
    await expect(message(page, 4).get_by_role("button", name="reused")).to_be_in_viewport()
    await expect(page.get_by_role("button", name="Go to the end")).to_have_count(0)


async def test_the_list_of_chats_is_a_drawer(open_page, client, chat):
    client.new_chat(title="Another chat")
    page = await open_page(f"#/chat/{chat.id}", **PHONE)
    await expect(page.get_by_role("link", name="Another chat")).to_be_hidden()
    await page.get_by_role("button", name="Open the list of chats").tap()
    await page.get_by_role("link", name="Another chat").tap()
    await expect(page.get_by_role("heading", name="Another chat")).to_be_visible()
    await expect(composer(page)).to_be_visible()
