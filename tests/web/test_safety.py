"""Text of a model or a person is text: nothing in it runs, loads or leaves the page."""

from __future__ import annotations

from acts import message, said
from playwright.async_api import expect
from script import ATTACK


async def test_an_attack_in_a_reply_does_nothing(page):
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    await said(page, "Now attack")
    reply = message(page, 2)
    await expect(reply).to_contain_text("Harmless words")
    assert await page.evaluate("window.stolen") is None
    assert (
        await reply.locator("script, iframe, form, svg[onload], [style], [onerror], [onclick]").count() == 0
    )
    assert not [url for url in requests if "example" in url]


async def test_an_attack_typed_by_a_person_does_nothing(page, chat):
    chat.add("user", ATTACK)
    await page.reload()
    await expect(message(page, 1)).to_contain_text("Harmless words")
    assert await page.evaluate("window.stolen") is None


async def test_links_open_elsewhere_and_scripts_in_them_are_gone(page, chat):
    chat.add("assistant", ATTACK)
    await page.reload()
    links = message(page, 1).locator(".prose a[href]")
    await expect(links).to_have_count(2)
    for link in await links.all():
        assert await link.get_attribute("target") == "_blank"
        assert await link.get_attribute("rel") == "noopener noreferrer"
        assert (await link.get_attribute("href") or "").startswith("https://")


async def test_a_remote_picture_is_a_link_and_not_loaded(page, chat):
    chat.add("assistant", "![a picture](https://tracker.example.org/pixel.png)")
    await page.reload()
    await expect(message(page, 1).get_by_role("link", name="a picture")).to_be_visible()
    assert await message(page, 1).locator("img").count() == 0


async def test_a_title_is_text(open_page, client):
    chat = client.new_chat(title="<img src=x onerror=window.stolen=7>")
    page = await open_page(f"#/chat/{chat.id}")
    await expect(page.get_by_role("heading", name="<img src=x")).to_be_visible()
    assert await page.evaluate("window.stolen") is None
