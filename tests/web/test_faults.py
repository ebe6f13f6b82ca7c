"""The studio goes away and comes back: the reader is told, and nothing that was shown or typed is lost."""

from __future__ import annotations

from acts import composer, message, said, say
from playwright.async_api import expect


async def test_a_studio_that_stops_and_starts_again(open_page, start):
    client, end = start()
    chat = client.new_chat(model="tiny")
    page = await open_page(f"#/chat/{chat.id}", address=client.address)
    await said(page, "Hello")
    end()
    await expect(page.get_by_text("The studio cannot be reached")).to_be_visible()
    await say(page, "Are you there?")
    await expect(page.get_by_text("The studio does not answer")).to_be_visible()
    await expect(composer(page)).to_have_value("Are you there?")
    start()
    await expect(page.get_by_text("The studio cannot be reached")).to_have_count(0)
    await composer(page).press("Enter")
    await expect(message(page, 4)).to_contain_text("Reply number")
