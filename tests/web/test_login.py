"""A browser that needs a key: it is asked once, in its language, and a link does it without typing."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator

import httpx
import pytest
import script
import tiny_model
from playwright.async_api import expect
from talking import NATIVE

from fabula.server.run import serve
from fabula.store import settings
from fabula.store.home import Home
from fabula.store.studio import running

ROOMS = re.compile("Rooms|主要页面|主要頁面")
Studio = tuple[str, httpx.Client]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One that asks for keys on this machine too: its address, and its own commands' way in."""
    home = Home(tmp_path_factory.mktemp("login") / "home").create()
    tiny_model.write(home.models / "tiny.gguf")
    settings.save(home, {"server.key_on_loopback": True})
    stop, ready = threading.Event(), queue.SimpleQueue[str]()
    run = {"ready": ready.put, "stop": stop, "make_worker": lambda model: script.Actor()}
    thread = threading.Thread(target=serve, args=(home, {"port": 0}), kwargs=run)
    thread.start()
    address = ready.get(timeout=60)
    info = running(home)
    assert info
    with httpx.Client(base_url=address + NATIVE, headers={"authorization": f"Bearer {info.key}"}) as own:
        yield address, own
    stop.set()
    thread.join()


async def opened(browser, address, **options):
    context = await browser.new_context(**options)
    page = await context.new_page()
    await page.goto(address)
    return page


@pytest.mark.parametrize(
    ("locale", "asks", "enter"),
    [("en-GB", "asks for a key", "Enter"), ("zh-TW", "需要金鑰", "進入"), ("zh-CN", "需要密钥", "进入")],
)
async def test_the_first_page_asks_for_the_key_once(browser, studio, locale, asks, enter):
    address, own = studio
    secret = own.post("/keys", json={"name": locale, "scopes": ["chat", "models", "admin"]}).json()["secret"]
    page = await opened(browser, address, locale=locale)
    field = page.get_by_label(re.compile(asks))
    await field.fill("fab_wrong")
    await page.get_by_role("button", name=enter).click()
    await expect(page.get_by_role("alert")).to_contain_text("fabula key list")
    await field.fill(secret)
    await page.get_by_role("button", name=enter).click()
    await page.get_by_role("navigation", name=ROOMS).wait_for()
    await page.reload()
    await page.get_by_role("navigation", name=ROOMS).wait_for()
    await page.context.close()


async def test_a_link_signs_in_and_leaves_no_trace_in_the_address(browser, studio):
    address, own = studio
    own.post("/keys", json={"name": "link", "scopes": ["chat"]})
    path = own.post("/keys/link/link").json()["path"]
    page = await opened(browser, address + path, locale="en-GB")
    await page.get_by_role("navigation", name=ROOMS).wait_for()
    assert "#" not in page.url or path.partition("#")[2] not in page.url
    await page.context.close()
    late = await opened(browser, address + path, locale="en-GB")
    await expect(late.get_by_role("alert")).to_contain_text("does not know that key")
    await late.context.close()
