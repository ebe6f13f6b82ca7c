"""The frame: little is fetched at first, rooms come when they are entered, each by its address."""

from __future__ import annotations

import asyncio
import re

import pytest
from acts import PHONE, composer
from playwright.async_api import expect

MOST_REQUESTS = 37
ROOMS = re.compile("Rooms|主要页面|主要頁面")
FIRST = [
    ("#/", "This machine"),
    ("#/lore", "Lore"),
    ("#/settings", "Settings"),
]


async def first_visit(browser, address):
    """What the first page asks for, until it shows what the studio told."""
    context = await browser.new_context(locale="en-GB", service_workers="block")
    page, asked = await context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(address)
    await page.locator("main h2").first.wait_for()
    await page.wait_for_load_state("load")
    await context.close()
    return asked


async def test_the_first_page_asks_for_little_and_for_nothing_twice(browser, start):
    """In a studio of its own: another has jobs by now, whose cards are code of their own."""
    client, _ = start()
    client.new_chat(model="tiny", title="A chat")
    asked = await first_visit(browser, client.address)
    assert len(asked) <= MOST_REQUESTS, "\n".join(asked)
    assert sorted(asked) == sorted(set(asked))
    assert not [url for url in asked if re.search(r"marked|dompurify|/views/(?!home)", url)]


@pytest.mark.parametrize("where", ["#/", "#/chat/"])
async def test_a_visit_asks_while_its_code_is_on_its_way_and_for_nothing_twice(open_page, chat, where):
    """Until the news are heard: what was read before that may be read again."""
    page, told = await open_page(where + chat.id * where.endswith("chat/")), asyncio.Event()

    async def news(route):
        await told.wait()
        await route.fallback()

    await page.route("**/api/fabula/v1/events", news)
    await page.reload()
    await (page.locator("main h2").first if where == "#/" else composer(page)).wait_for()
    await expect(page.get_by_text("Loading")).to_have_count(0)
    assert await page.evaluate("ahead.asked.size") == 0  # all that was asked has been taken
    # All that has come by now.
    asked = await page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    assert len([url for url in asked if re.search(r"/api/|/texts/", url)]) > 2
    assert sorted(asked) == sorted(set(asked))
    told.set()


async def test_a_room_that_the_address_names_is_asked_for_with_the_page(browser, client, chat):
    context = await browser.new_context(locale="en-GB", service_workers="block")
    page = await context.new_page()
    # Whatever the app would ask for itself is never asked for.
    await page.route("**/app.js", lambda route: route.abort())
    async with (
        page.expect_request("**/parts/renderMarkdown.js"),
        page.expect_request("**/style/chat.css"),
        page.expect_request(f"**/chats/{chat.id}/messages?**"),
    ):
        await page.goto(f"{client.address}/#/chat/{chat.id}")
    await context.close()


@pytest.mark.parametrize(("address", "title"), FIRST, ids=[address for address, _ in FIRST])
async def test_a_room_is_entered_by_its_address(open_page, address, title):
    page = await open_page(address)
    await expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()
    await expect(page.locator("main")).to_have_count(1)


async def test_an_address_of_no_room_leads_home(open_page):
    page = await open_page("#/nowhere/%E0%A4%A/else")
    await expect(page.get_by_role("heading", level=1, name="This machine")).to_be_visible()


async def test_a_room_brings_its_style_sheet_once(open_page, chat):
    page = await open_page("#/")
    sheets = page.locator("link[rel=stylesheet][href$='/chat.css']")
    await expect(sheets).to_have_count(0)
    for address in (f"#/chat/{chat.id}", "#/", f"#/chat/{chat.id}"):
        await page.evaluate(f"location.hash = '{address}'")
        await expect(composer(page)).to_have_count(0 if address == "#/" else 1)
    await expect(sheets).to_have_count(1)


async def test_a_room_that_cannot_be_fetched_says_so_and_can_be_asked_for_again(open_page):
    page = await open_page("#/")
    await page.route("**/views/settings.js", lambda route: route.abort())
    await page.get_by_role("navigation", name=ROOMS).get_by_role("link", name="Settings").click()
    await expect(page.get_by_role("alert")).to_contain_text("could not be loaded")
    await page.unroute("**/views/settings.js")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("heading", level=1, name="Settings")).to_be_visible()


async def test_on_a_phone_the_other_rooms_are_behind_more(open_page):
    page = await open_page("#/", **PHONE)
    bar = page.get_by_role("navigation", name=ROOMS)
    assert await bar.get_by_role("link").count() == 4
    await bar.get_by_role("button", name="More").tap()
    await page.get_by_role("dialog").get_by_role("link", name="Settings").tap()
    await expect(page.get_by_role("heading", level=1, name="Settings")).to_be_visible()
    await expect(page.get_by_role("dialog")).to_have_count(0)
