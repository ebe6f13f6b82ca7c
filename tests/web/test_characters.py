"""The library of characters: cards come in by the picker and by a drop, are found, and talked to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from acts import PHONE, composer, message, said, until_written
from playwright.async_api import Page, expect

DROP = """async ([name, content]) => {
  const data = new DataTransfer();
  data.items.add(new File([content], name));
  const main = document.getElementById("main");
  main.dispatchEvent(new DragEvent("dragover", { dataTransfer: data, bubbles: true, cancelable: true }));
  main.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def card(name: str, **fields: Any) -> dict[str, Any]:
    data = {"name": name, "description": "Keeps the lighthouse.", "tags": ["sea"]}
    return {"spec": "chara_card_v3", "spec_version": "3.0", "data": data | fields}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two cards and something that is none."""
    mira = tmp_path / "mira.json"
    mira.write_text(
        json.dumps(card("Mira", first_mes="Come in, {{user}}.", alternate_greetings=["Who is there?"]))
    )
    bo = tmp_path / "bo.json"
    bo.write_text(json.dumps(card("Bo 阿波", description="Sails.")))
    (tmp_path / "none.json").write_text("{}")
    return [mira, bo, tmp_path / "none.json"]


@pytest_asyncio.fixture(loop_scope="session")
async def shelf(open_page: Any, client: Any) -> Page:
    """The page of characters, empty."""
    ids = [row["id"] for row in client.get("/characters", limit=500)["characters"]]
    client.post("/characters/erase", {"ids": ids})
    page: Page = await open_page("#/characters")
    await expect(page.get_by_text("No characters yet.")).to_be_visible()
    return page


async def taken(page: Page, files: list[Path], count: int) -> None:
    await page.locator("input[type=file]").set_input_files(files)
    await expect(page.get_by_role("button", name="Talk to")).to_have_count(count)


async def test_cards_are_picked_and_what_is_no_card_is_told(shelf: Page, files: list[Path]) -> None:
    await taken(shelf, files, 2)
    await expect(shelf.get_by_text("2 characters are here.")).to_be_visible()
    await expect(shelf.get_by_text("none.json")).to_be_visible()
    await expect(shelf.get_by_role("heading", name="Mira")).to_be_visible()


async def test_a_card_is_dropped_on_the_page(shelf: Page) -> None:
    await shelf.evaluate(DROP, ["mira.json", json.dumps(card("Mira"))])
    await expect(shelf.get_by_role("button", name="Talk to Mira")).to_be_visible()


async def test_a_character_is_found_by_words_in_any_script(shelf: Page, files: list[Path]) -> None:
    await taken(shelf, files[:2], 2)
    search = shelf.get_by_role("searchbox", name="Search characters")
    await search.fill("阿波")
    await expect(shelf.get_by_role("button", name="Talk to")).to_have_count(1)
    await search.fill("nobody")
    await expect(shelf.get_by_text("No character matches.")).to_be_visible()


async def test_a_talk_begins_with_the_greeting_and_its_alternatives(shelf: Page, files: list[Path]) -> None:
    await taken(shelf, files[:1], 1)
    await shelf.get_by_label("Your name in these chats").fill("Ann")
    await shelf.get_by_role("button", name="Talk to Mira").click()
    await expect(message(shelf, 1)).to_contain_text("Come in, Ann.")
    await expect(message(shelf, 1)).to_contain_text("1/2")
    await message(shelf, 1).focus()
    await shelf.keyboard.press("ArrowRight")
    await expect(message(shelf, 1)).to_contain_text("Who is there?")
    await said(shelf, "It is me.")
    await expect(message(shelf, 2).locator(".message-name")).to_have_text("Ann")
    await expect(message(shelf, 3).locator(".message-name")).to_have_text("Mira")
    assert await composer(shelf).is_visible()


async def test_under_a_reply_stands_what_broke_the_prefix(
    shelf: Page, files: list[Path], client: Any
) -> None:
    await taken(shelf, files[:1], 1)
    await shelf.get_by_role("button", name="Talk to Mira").click()
    await expect(message(shelf, 1)).to_contain_text("Come in")
    await said(shelf, "Hello.")
    [mira] = client.get("/characters")["characters"]
    fields = {"description": "Left the sea."}
    client.call("PATCH", f"/characters/{mira['id']}", json={"revision": mira["revision"], "fields": fields})
    await said(shelf, "Still here?")
    await until_written(shelf)
    await message(shelf, 5).locator(".facts-line").click()
    await expect(message(shelf, 5)).to_contain_text("known tokens: the character's description changed.")


async def test_the_trash_gives_back(shelf: Page, files: list[Path]) -> None:
    await taken(shelf, files[:1], 1)
    await shelf.get_by_role("button", name="More for Mira").click()
    await shelf.get_by_role("menuitem", name="Put into the trash").click()
    await expect(shelf.get_by_text("No characters yet.")).to_be_visible()
    await shelf.get_by_role("button", name="Undo").click()
    await expect(shelf.get_by_role("button", name="Talk to Mira")).to_be_visible()


async def test_the_page_fits_a_phone_in_chinese(
    open_page: Any, client: Any, shelf: Page, files: list[Path]
) -> None:
    await taken(shelf, files[:2], 2)
    page = await open_page("#/characters", locale="zh-TW", **PHONE)
    await expect(page.get_by_role("button", name="與 Mira 聊天")).to_be_visible()
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
