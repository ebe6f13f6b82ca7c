"""Every action by its name: Ctrl-K, a few letters, Enter. And the list of keys is true."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from acts import PHONE, composer, message, said
from playwright.async_api import expect

import fabula

PARTS = Path(fabula.__file__).parent / "web" / "parts"


def field(page):
    return page.get_by_role("combobox", name=re.compile("Commands|指令|命令"))


async def do(page, words):
    """By keyboard alone."""
    await page.keyboard.press("Control+k")
    await field(page).fill(words)
    await page.keyboard.press("Enter")


async def test_a_few_letters_lead_to_a_room_and_back(open_page):
    page = await open_page("#/")
    await do(page, "go to settings")
    await expect(page.get_by_role("heading", level=1, name="Settings")).to_be_visible()
    await do(page, "lore")
    await expect(page.get_by_role("heading", level=1, name="Lore")).to_be_visible()


async def test_arrows_choose_and_escape_leaves_everything_as_it_was(page):
    await composer(page).fill("half a sentence")
    await composer(page).press("Control+k")
    await expect(page.get_by_role("option", selected=True)).to_have_count(1)
    first = await page.get_by_role("option", selected=True).inner_text()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("option", selected=True)).not_to_have_text(first)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(composer(page)).to_be_focused()
    await expect(composer(page)).to_have_value("half a sentence")


async def test_a_chat_is_found_by_its_title(open_page, client):
    client.new_chat(model="tiny", title="The lamps of Ouessant")
    page = await open_page("#/")
    await page.keyboard.press("Control+k")
    await field(page).fill("ouess")
    await page.get_by_role("option", name="The lamps of Ouessant").click()
    await expect(page.get_by_role("heading", name="The lamps of Ouessant")).to_be_visible()


async def test_what_is_called_just_that_comes_before_what_fits_loosely(open_page, client):
    """It is that, it begins so, a word of it does, its letters are in it: chats and commands in one order."""
    for title in ("The goose", "Goose", "Goose feathers"):
        client.new_chat(model="tiny", title=title)
    client.post("/models/tiny/unload", status=204)
    page = await open_page("#/")
    await page.keyboard.press("Control+k")
    await field(page).fill("goose")
    rows = page.get_by_role("option")
    await expect(rows.first).to_contain_text("Goose")
    titles = [text.split("\n")[0].strip() for text in await rows.all_inner_texts()]
    assert titles[:3] == ["Goose", "Goose feathers", "The goose"], titles
    assert len(titles) > 3  # what has its letters somewhere
    await field(page).fill("load t")
    await expect(rows.first).to_contain_text("Load tiny")
    client.new_chat(model="tiny", title="Load T")
    await field(page).fill("load  t")
    await expect(rows.first).to_contain_text("Load T")


@pytest.mark.parametrize(
    ("typed", "first"),
    [("sett", "Talk to Sett"), ("tiny", "New chat with tiny"), ("settings", "Go to: Settings")],
)
async def test_a_name_alone_means_what_is_called_that(open_page, client, typed, first):
    client.post("/characters", {"card": {"data": {"name": "Sett"}}}, 201)
    page = await open_page("#/")
    await page.keyboard.press("Control+k")
    await field(page).fill(typed)
    await expect(page.get_by_role("option").first).to_contain_text(first)
    await expect(page.get_by_role("option", selected=True)).to_contain_text(first)


async def test_what_was_chosen_stays_chosen_when_something_better_is_found(open_page, client):
    client.new_chat(model="tiny", title="Lo")
    client.post("/models/tiny/unload", status=204)
    page = await open_page("#/")
    await page.keyboard.press("Control+k")
    asked = asyncio.Event()

    async def answer(route):
        await asked.wait()
        await route.fallback()

    await page.route("**/chats?**", answer)
    await field(page).fill("lo")
    await expect(page.get_by_role("option").nth(1)).to_be_visible()
    await page.keyboard.press("ArrowDown")
    chosen = await page.get_by_role("option", selected=True).inner_text()
    asked.set()
    await expect(page.get_by_role("option").first).to_contain_text(re.compile(r"^\s*Lo\d"))
    await expect(page.get_by_role("option", selected=True)).to_have_text(chosen)
    await expect(page.get_by_role("option").nth(2)).to_have_attribute("aria-selected", "true")


async def test_the_open_chat_offers_its_own_actions(page):
    await said(page, "Hello")
    await do(page, "regenerate")
    await expect(message(page, 2)).to_contain_text("2/2")
    await do(page, "undo the last")
    await expect(message(page, 2)).not_to_contain_text("2/2")


async def test_the_look_and_the_language_change(open_page):
    page = await open_page("#/")
    await do(page, "colours dark")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await do(page, "繁體")
    await expect(page.get_by_role("link", name="首頁")).to_be_visible()
    await do(page, "淺色")
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")


async def test_what_was_done_last_comes_first(open_page):
    page = await open_page("#/")
    await do(page, "go to lore")
    await do(page, "go to home")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("option")).to_contain_text(["Go to: Home", "Go to: Lore"])


async def test_nothing_found_is_told(open_page):
    page = await open_page("#/")
    await page.keyboard.press("Control+k")
    await field(page).fill("qqqxxqqq")
    await expect(page.get_by_text("Nothing is called that.")).to_be_visible()


@pytest.mark.parametrize("locale", ["en-GB", "zh-TW", "zh-CN"])
async def test_a_phone_opens_it_without_keys(open_page, locale):
    page = await open_page("#/", locale=locale, **PHONE)
    await page.get_by_role("button", name=re.compile("^(More|更多)$")).tap()
    await page.get_by_role("button", name=re.compile("^(Commands|指令|命令)$")).tap()
    await expect(field(page)).to_be_focused()
    assert await page.get_by_role("option").count() > 10
    assert not [text for text in await page.get_by_role("option").all_inner_texts() if "web." in text]


async def test_the_list_of_keys_has_what_rooms_offer(open_page):
    page = await open_page("#/")
    await page.keyboard.press("?")
    for words in ("Commands", "New chat", "Stop the reply", "Undo the last change of the chat"):
        await expect(page.get_by_role("definition").filter(has_text=words)).to_be_visible()


def test_the_list_of_keys_has_those_of_a_focused_message():
    verbs = (
        (PARTS / "Message.js").read_text(encoding="utf-8").partition("const VERBS = {")[2].partition("};")[0]
    )
    keys = set(re.findall(r"^  (\w+):", verbs, re.MULTILINE))
    assert keys == {"ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "e", "c", "b", "Delete"}
    shown = (PARTS / "Shortcuts.js").read_text(encoding="utf-8")
    for key in ("← →", "↑ ↓", '"E"', '"C"', '"B"', '"Del"'):
        assert key in shown
