"""Each room for a screen reader, a weak eye and a keyboard: axe finds nothing serious, in light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from acts import PHONE, composer, message, said
from playwright.async_api import expect

import fabula

async_playwright = pytest.importorskip(
    "axe_playwright_python.async_playwright", reason="needs web: axe-playwright-python is not installed"
)

ROOMS_JS = (Path(fabula.__file__).parent / "web" / "rooms.js").read_text(encoding="utf-8")
WORDS = re.findall(r'^  \{ name: "(\w+)".* words: "([\w.]+)"', ROOMS_JS, re.MULTILINE)
ROOMS = list({words: room for room, words in reversed(WORDS)}.values())
SERIOUS = {"serious", "critical"}


def faults(found: Iterable[dict[str, Any]]) -> list[str]:
    """What is serious, by rule and place."""
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]}"
        for rule in found
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
    ]


async def check(page: Any) -> None:
    """Whole in light, and the contrasts again in dark."""
    axe = async_playwright.Axe()
    for scheme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        answer = await axe.run(page, options={"resultTypes": ["violations"], **options})
        assert faults(answer.response["violations"]) == [], scheme


async def settled(page: Any) -> None:
    """Until the room is there and says no more that it is loading."""
    await page.locator("main").wait_for()
    await expect(page.get_by_text("Loading…")).to_have_count(0)


@pytest.mark.parametrize("room", ROOMS)
async def test_a_room_has_no_serious_fault(open_page, room):
    page = await open_page(f"#/{room}")
    await settled(page)
    await check(page)


@pytest.mark.parametrize("room", ["home", "chat", "settings"])
async def test_a_room_has_no_serious_fault_on_a_phone(open_page, room):
    page = await open_page(f"#/{room}", locale="zh-TW", **PHONE)
    await page.locator("main:visible, .chats:visible").first.wait_for()  # on a phone the list hides the room
    await expect(page.get_by_text("載入中…")).to_have_count(0)
    await check(page)


async def test_a_chat_with_nothing_in_it_has_no_serious_fault(page):
    await expect(page.get_by_text("Write the first message below.")).to_be_visible()
    await check(page)


async def test_a_chat_with_all_that_opens_has_no_serious_fault(page):
    await said(page, "Tell me a story")
    await page.get_by_role("button", name="Chat settings").click()
    await message(page, 2).focus()
    await check(page)


@pytest.mark.parametrize("kind", ["novel", "notebook"])
async def test_what_is_written_has_no_serious_fault(open_page, client, kind):
    body = {"title": "The tide tables"} | ({"text": "Once."} if kind == "notebook" else {})
    work = client.post(f"/{kind}s", body, 201)
    page = await open_page(f"#/{kind}/{work['id']}")
    await settled(page)
    await check(page)


@pytest.mark.parametrize("key", ["Control+k", "?"])
async def test_what_lies_over_a_room_has_no_serious_fault(open_page, key):
    page = await open_page("#/")
    await settled(page)
    await page.keyboard.press(key)
    await page.get_by_role("dialog").wait_for()
    await check(page)


# ── by keyboard alone ───────────────────────────────────────────────────────────────────────────────


async def tab_to(page: Any, name: str) -> None:
    """With the Tab key, as far as it takes."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement?.textContent?.trim()") == name:
            return
    raise AssertionError(f"{name} is not reached with the Tab key")


async def test_the_first_tab_skips_to_the_content(open_page):
    page = await open_page("#/settings")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()


async def test_rooms_are_reached_with_tab_and_enter(open_page):
    page = await open_page("#/")
    await settled(page)
    for name in await page.locator("nav.rail .rail-room[href]").all_inner_texts():
        await tab_to(page, name.strip())
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name=name.strip(), exact=True).first).to_have_attribute(
            "aria-current", "page"
        )
        await page.evaluate("document.activeElement.blur()")


async def test_focus_comes_back_from_a_dialog(page):
    await said(page, "Hello")
    await message(page, 2).focus()
    for key in ("?", "Control+k"):
        await page.keyboard.press(key)
        await page.get_by_role("dialog").wait_for()
        await page.keyboard.press("Escape")
        await expect(message(page, 2)).to_be_focused()


async def test_the_title_of_the_page_names_the_room(open_page):
    page = await open_page("#/settings")
    await expect(page).to_have_title("Settings · Fabula")
    await page.evaluate("location.hash = '#/'")
    await expect(page).to_have_title("Home · Fabula")


async def test_nothing_moves_for_who_wants_no_motion(open_page, chat):
    page = await open_page(f"#/chat/{chat.id}", reduced_motion="reduce")
    await composer(page).fill("Hello")
    await composer(page).press("Enter")
    await expect(message(page, 2)).to_contain_text("Reply number")
    moving = "document.getAnimations().filter((one) => one.playState === 'running').length"
    assert await page.evaluate(moving) == 0
