"""Banned texts in a chat's panel: one to a line, over those of the preset."""

from __future__ import annotations

import pytest_asyncio
from acts import composer, eventually
from playwright.async_api import expect


@pytest_asyncio.fixture(loop_scope="session")
async def panel(page):
    await page.get_by_role("button", name="Chat settings").click()
    return page.get_by_role("complementary", name="Chat settings")


async def test_each_line_is_a_text_of_its_own(page, panel, chat):
    await panel.get_by_text("Banned words and phrases").click()
    await panel.get_by_role("textbox", name="Words and phrases").fill("shivers down\n\na tapestry of")
    await panel.get_by_role("textbox", name="Patterns").fill(r"not just \w+, but")
    await composer(page).click()
    await expect(panel.get_by_text("Banned words and phrases (3)")).to_be_visible()
    await eventually(lambda: "banned_regexes" in chat.now["sampling"])
    sampling = chat.now["sampling"]
    assert sampling["banned_strings"] == ["shivers down", "a tapestry of"]
    assert sampling["banned_regexes"] == [r"not just \w+, but"]


async def test_a_preset_brings_its_list_and_a_chat_may_have_its_own(open_page, client, chat):
    client.post("/presets", {"name": "calm", "sampling": {"banned_strings": ["whisper"]}}, 201)
    client.call("PATCH", chat.path, json=chat.at_revision(sampling={"preset": "calm"}))
    page = await open_page(f"#/chat/{chat.id}")
    await page.get_by_role("button", name="Chat settings").click()
    await page.get_by_text("Banned words and phrases (1)").click()
    lines = page.get_by_role("textbox", name="Words and phrases")
    await expect(lines).to_have_value("whisper")
    await lines.fill("whisper\nhush")
    await composer(page).click()
    await expect(page.get_by_text("Banned words and phrases (2)")).to_be_visible()
    await lines.fill("whisper")
    await composer(page).click()
    await expect(page.get_by_text("Banned words and phrases (1)")).to_be_visible()
    await eventually(lambda: chat.now["sampling"] == {"preset": "calm"})
