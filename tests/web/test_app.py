"""The studio as an app: it can be installed, opens while the studio is away, and is never an old one."""

from __future__ import annotations

import re
import struct
from urllib.parse import urljoin

import httpx
import pytest_asyncio
from acts import said
from playwright.async_api import expect

from fabula.server import static

ROOMS = re.compile("Rooms|主要页面|主要頁面")
READY = "async () => (await navigator.serviceWorker.ready).active.state"
KEPT = """async () => {
    const names = await caches.keys(), found = [];
    for (const name of names) found.push(...await (await caches.open(name)).keys());
    return [names, found.map((request) => request.url)];
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def app(browser):
    """A browser that lets the studio keep files."""
    context = await browser.new_context(locale="en-GB")
    yield context
    await context.close()


async def opened(context, address):
    page = await context.new_page()
    await page.goto(address)
    await page.get_by_role("navigation", name=ROOMS).wait_for()
    return page


def test_the_manifest_names_icons_of_the_size_they_have(client):
    told = httpx.get(client.address + "/manifest.webmanifest")
    assert told.headers["content-type"].startswith("application/manifest+json")
    for icon in told.json()["icons"]:
        answer = httpx.get(urljoin(client.address + "/", icon["src"]))
        assert answer.headers["content-type"] == icon["type"]
        if icon["type"] == "image/png":
            width, height = struct.unpack(">II", answer.content[16:24])
            assert icon["sizes"] == f"{width}x{height}"


async def test_it_opens_while_the_studio_is_away(app, client):
    page = await opened(app, client.address)
    assert await page.evaluate(READY) in ("activating", "activated")
    await page.reload()
    await app.set_offline(True)
    await page.reload()
    await expect(page.get_by_role("navigation", name=ROOMS)).to_be_visible()
    await expect(page.get_by_text("The studio cannot be reached")).to_be_visible()
    await app.set_offline(False)
    await expect(page.get_by_role("heading", name="Loaded now")).to_be_visible()


async def test_what_the_studio_tells_is_never_kept(app, client, chat):
    page = await opened(app, f"{client.address}/#/chat/{chat.id}")
    await page.evaluate(READY)
    await page.reload()
    await said(page, "A secret")
    names, addresses = await page.evaluate(KEPT)
    assert len(names) == 1
    assert len(addresses) > 20  # or nothing was kept, and nothing tested
    assert not [address for address in addresses if "/api/" in address]


async def test_an_updated_studio_is_never_shown_old(app, start, monkeypatch):
    client, end = start()
    page = await opened(app, client.address)
    await page.evaluate(READY)
    end()
    monkeypatch.setattr(static, "stamp", lambda: "9.9.9-new")
    start()
    await expect(page.get_by_text("The studio has been updated")).to_be_visible()
    await page.get_by_role("button", name="Read again").click()
    await expect(page.locator("script[type=module]")).to_have_attribute("src", re.compile("9.9.9-new"))
    await page.get_by_role("navigation", name=ROOMS).wait_for()
    await expect(page.get_by_text("The studio has been updated")).to_have_count(0)
