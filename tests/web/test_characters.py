"""The library of characters: files come in by the picker and by a drop, are found, marked, and talked to."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from acts import PHONE, composer, message, nodes, said, until_written
from playwright.async_api import Locator, Page, expect

DROP = """async ([name, content]) => {
  const data = new DataTransfer();
  data.items.add(new File([content], name));
  const main = document.getElementById("main");
  main.dispatchEvent(new DragEvent("dragover", { dataTransfer: data, bubbles: true, cancelable: true }));
  main.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""
MANY = 600
# Up to the beginning, a screen and more in each frame.
FLING = """main => new Promise((done) => {
    const step = () => {
        main.scrollTop -= 1200;
        if (main.scrollTop > 0) requestAnimationFrame(step);
        else done();
    };
    requestAnimationFrame(step);
})"""


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
    bo.write_text(json.dumps(card("Bo 阿波", description="Sails.", tags=[])))
    (tmp_path / "none.json").write_text("{}")
    return [mira, bo, tmp_path / "none.json"]


@pytest_asyncio.fixture(loop_scope="session")
async def shelf(open_page: Any, client: Any) -> Page:
    """The page of characters, empty."""
    for trashed in (False, True):
        client.post("/characters/erase", {"ids": client.get("/characters/ids", trashed=trashed)["ids"]})
    page: Page = await open_page("#/characters")
    await expect(page.get_by_text("No characters yet.")).to_be_visible()
    return page


def tile(page: Page, name: str) -> Locator:
    return page.get_by_role("link", name=re.compile(rf"^{name}\b"))


async def taken(page: Page, files: list[Path], count: int) -> None:
    await page.get_by_label("Import files").set_input_files(files)
    await expect(page.get_by_role("button", name="Talk to")).to_have_count(count)


async def choose(page: Page, *names: str) -> None:
    for name in names:
        await page.get_by_role("checkbox", name=f"Choose {name}").check(force=True)


async def test_every_file_is_reported_and_what_is_no_card_says_why(shelf: Page, files: list[Path]) -> None:
    await taken(shelf, files, 2)
    report = shelf.get_by_role("region", name="What became of the files")
    await expect(report).to_contain_text("2 taken, 1 not")
    await expect(report).to_contain_text("none.json")
    await report.get_by_text("2 are here").click()
    await expect(report.get_by_role("link", name="Mira")).to_be_visible()
    await report.get_by_role("button", name="Take it back").click()
    await expect(shelf.get_by_text("No characters yet.")).to_be_visible()


async def test_a_drop_takes_cards_and_lorebooks_out_of_an_archive(shelf: Page, client: Any) -> None:
    await shelf.evaluate(DROP, ["mira.json", json.dumps(card("Mira"))])
    await expect(tile(shelf, "Mira")).to_be_visible()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("cards/bo.json", json.dumps(card("Bo")))
        archive.writestr("Isle.json", json.dumps({"entries": {"0": {"uid": 0, "key": ["a"]}}}))
    drop = DROP.replace("[content]", "[new Uint8Array(content)]")
    await shelf.evaluate(drop, ["all.zip", list(packed.getvalue())])
    await expect(tile(shelf, "Bo")).to_be_visible()
    await expect(shelf.get_by_text("2 taken, 0 not")).to_be_visible()
    assert "Isle" in [one["name"] for one in client.get("/lorebooks")["lorebooks"]]


async def test_a_character_is_found_by_words_in_any_script(shelf: Page, files: list[Path]) -> None:
    await taken(shelf, files[:2], 2)
    search = shelf.get_by_role("searchbox", name="Search characters")
    await search.fill("阿波")
    await expect(shelf.get_by_role("button", name="Talk to")).to_have_count(1)
    await search.fill("nobody")
    await expect(shelf.get_by_text("No character matches.")).to_be_visible()
    await shelf.get_by_role("button", name="Show all").click()
    await expect(shelf.get_by_role("button", name="Talk to")).to_have_count(2)


async def test_what_is_marked_is_found_by_its_marks(shelf: Page, files: list[Path]) -> None:
    await taken(shelf, files[:2], 2)
    await tile(shelf, "Mira").hover()
    await shelf.get_by_role("button", name="Mira is a favourite").click()
    await shelf.get_by_role("button", name="Favourites").click()
    await expect(tile(shelf, "Bo")).to_have_count(0)
    await expect(tile(shelf, "Mira")).to_be_visible()
    await shelf.get_by_role("button", name="Favourites").click()
    await shelf.get_by_label("Tag", exact=True).fill("sea")
    await expect(tile(shelf, "Bo")).to_have_count(0)
    await shelf.get_by_role("button", name="No longer only sea").click()
    await expect(tile(shelf, "Bo")).to_be_visible()


async def test_many_are_moved_at_once_and_moved_back(shelf: Page, files: list[Path], client: Any) -> None:
    await taken(shelf, files[:2], 2)
    await choose(shelf, "Mira", "Bo")
    await shelf.get_by_role("button", name="Move").click()
    await shelf.get_by_label("Folder for 2 characters").last.fill("Coast")
    await shelf.keyboard.press("Enter")
    await expect(shelf.get_by_text("2 moved to Coast.")).to_be_visible()
    assert client.get("/characters/tags")["folders"] == {"Coast": 2}
    await shelf.get_by_role("button", name="Undo").click()
    await expect(shelf.get_by_label("Folder", exact=True)).to_have_count(0)
    assert client.get("/characters/tags")["folders"] == {}


async def test_the_trash_gives_back_and_can_be_emptied(shelf: Page, files: list[Path]) -> None:
    await taken(shelf, files[:1], 1)
    await tile(shelf, "Mira").focus()
    await shelf.keyboard.press("Delete")
    await expect(shelf.get_by_text("No characters yet.")).to_be_visible()
    await shelf.get_by_role("button", name="Undo").click()
    await tile(shelf, "Mira").focus()
    await shelf.keyboard.press("Delete")
    await shelf.get_by_role("button", name="Trash", exact=True).click()
    await choose(shelf, "Mira")
    await shelf.get_by_role("button", name="Erase for good").click()
    await shelf.get_by_role("dialog").get_by_role("button", name="Erase for good").click()
    await expect(shelf.get_by_text("No character matches.")).to_be_visible()


async def test_a_talk_begins_with_the_greeting_and_its_alternatives(shelf: Page, files: list[Path]) -> None:
    await taken(shelf, files[:1], 1)
    await tile(shelf, "Mira").click()
    await shelf.get_by_role("tab", name="Chats").click()
    await shelf.get_by_label("Your name in these chats").fill("Ann")
    await shelf.get_by_role("button", name="New chat").click()
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
    await tile(shelf, "Mira").hover()
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


async def test_several_talk_in_a_group(shelf: Page, files: list[Path], client: Any) -> None:
    await taken(shelf, files[:2], 2)
    await choose(shelf, "Mira", "Bo")
    await shelf.get_by_role("button", name="Group chat").click()
    group = shelf.get_by_role("dialog")
    await group.get_by_label("Who answers").select_option("1")
    await group.get_by_role("button", name="Begin").click()
    await expect(composer(shelf)).to_be_visible()
    chat = client.get("/chats", limit=1)["chats"][0]
    assert (len(chat["story"]["group"]["members"]), chat["story"]["group"]["order"]) == (2, 1)


async def test_of_many_only_those_near_the_screen_are_in_the_page(shelf: Page, client: Any) -> None:
    lines = [json.dumps(card(f"Nr {number:03}")) for number in range(MANY)]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, line in enumerate(lines):
            archive.writestr(f"{number}.json", line)
    client.call("POST", "/take", params={"name": "all.zip"}, content=packed.getvalue())
    await shelf.reload()
    await shelf.get_by_label("Sorting").select_option("name")
    await tile(shelf, "Nr 000").focus()
    await shelf.keyboard.press("End")
    await expect(tile(shelf, f"Nr {MANY - 1}")).to_be_focused()
    assert await nodes(shelf) < 1000
    await shelf.keyboard.press("Control+a")
    await expect(shelf.get_by_text(f"{MANY} chosen")).to_be_visible()
    await shelf.get_by_role("searchbox").focus()
    await shelf.locator("main").evaluate(FLING)
    await expect(tile(shelf, "Nr 000")).to_be_in_viewport()
    await expect(shelf.locator(".is-flung")).to_have_count(0)


async def test_the_page_fits_a_phone_in_chinese(
    open_page: Any, client: Any, shelf: Page, files: list[Path]
) -> None:
    await taken(shelf, files[:2], 2)
    page = await open_page("#/characters", locale="zh-TW", **PHONE)
    await expect(page.get_by_role("button", name="與 Mira 聊天")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    await tile(page, "Mira").click()
    await expect(page.get_by_label("描述", exact=True)).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
