"""Chats as things to keep: found by their words and marks, marked many at a time, taken in and given out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from acts import PHONE, eventually, message, prose
from playwright.async_api import Page, expect

SEARCH = "Search chats and messages"


def told(client: Any, title: str, *texts: str, **marks: Any) -> Any:
    chat = client.new_chat(model="tiny", title=title)
    for number, text in enumerate(texts):
        chat.add("assistant" if number % 2 else "user", text)
    if marks:
        client.post("/chats/mark", {"ids": [chat.id], **marks})
    return chat


def rows(page: Page, name: str) -> Any:
    return page.get_by_role("navigation", name="List of chats").get_by_role("link", name=name)


async def test_words_are_found_in_titles_and_in_messages(open_page, client):
    told(client, "Marzipan harbour", "Nothing of it.")
    other = told(client, "Elsewhere", "First.", "Marzipan is sold here.", "Third.")
    page = await open_page("#/chat")
    await page.get_by_role("searchbox", name=SEARCH).fill("marzipan")
    await expect(rows(page, "Marzipan harbour")).to_be_visible()
    await rows(page, "Marzipan is sold here.").click()
    await expect(page).to_have_url(re.compile(f"#/chat/{other.id}/"))
    await expect(message(page, 2)).to_be_focused()
    await expect(prose(page, 2)).to_have_text("Marzipan is sold here.")


async def test_a_message_of_another_branch_is_shown_where_it_is(open_page, client):
    chat = told(client, "Forked", "One.", "Two quagga.", "Three.")
    second = chat.messages[1]["id"]
    client.post(f"{chat.path}/messages/{second}/branch", chat.at_revision(text="Another two."))
    page = await open_page("#/chat")
    await page.get_by_role("searchbox", name=SEARCH).fill("quagga")
    await rows(page, "Two quagga.").click()
    await expect(prose(page, 2)).to_have_text("Two quagga.")


async def test_filters_narrow_the_list(open_page, client):
    told(client, "In the drawer", "Hello.", folder="Velvet", add_tags=["plum"], favourite=True)
    told(client, "Not in the drawer", "Hello.")
    page = await open_page("#/chat")
    await page.get_by_role("button", name="Filters").click()
    await page.get_by_role("combobox", name="Folder").select_option("/Velvet")
    await expect(rows(page, "In the drawer")).to_contain_text("Velvet · #plum")
    await expect(rows(page, "Not in the drawer")).to_have_count(0)
    await page.get_by_role("combobox", name="Folder").select_option("*")
    await page.get_by_role("combobox", name="Tag").select_option("plum")
    await page.get_by_label("Favourites only").check()
    await expect(rows(page, "In the drawer")).to_have_count(1)
    await expect(rows(page, "Not in the drawer")).to_have_count(0)
    await page.get_by_role("button", name="Clear the filters").click()
    await expect(rows(page, "Not in the drawer")).to_be_visible()


async def test_a_chat_gets_a_folder_and_tags(open_page, client):
    chat = told(client, "Soon sorted")
    page = await open_page("#/chat")
    await rows(page, "Soon sorted").hover()
    await page.get_by_role("button", name="More for “Soon sorted”").click()
    await page.get_by_role("menuitem", name="Folder and tags").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Folder").fill("Ochre")
    await dialog.get_by_label("Tags").fill("salt, sand")
    await dialog.get_by_role("button", name="Save").click()
    await expect(rows(page, "Soon sorted")).to_contain_text("Ochre · #salt · #sand")
    await eventually(lambda: chat.now["folder"] == "Ochre")


async def test_many_are_marked_thrown_away_and_brought_back(open_page, client):
    for number in (1, 2, 3):
        told(client, f"Kumquat {number}")
    page = await open_page("#/chat")
    await page.get_by_role("searchbox", name=SEARCH).fill("kumquat")
    await expect(rows(page, "Kumquat")).to_have_count(3)
    await page.get_by_role("button", name="More for the list of chats").click()
    await page.get_by_role("menuitem", name="Select several").click()
    await page.get_by_role("button", name="Select all").click()
    await expect(page.get_by_text("3 selected")).to_be_visible()
    await page.get_by_role("checkbox", name="Kumquat 2").uncheck()
    await page.get_by_role("button", name="Move to the trash").click()
    await expect(page.get_by_role("checkbox", name="Kumquat")).to_have_count(1)
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("checkbox", name="Kumquat")).to_have_count(3)


async def test_the_trash_gives_back_and_forgets(open_page, client):
    for name in ("Tamarind one", "Tamarind two"):
        told(client, name, trashed=True)
    page = await open_page("#/chat")
    await page.get_by_role("button", name="More for the list of chats").click()
    await page.get_by_role("menuitem", name="Trash").click()
    await page.get_by_role("button", name="More for “Tamarind one”").click()
    await page.get_by_role("menuitem", name="Take out of the trash").click()
    await expect(page.get_by_role("button", name="More for “Tamarind one”")).to_have_count(0)
    await page.get_by_role("button", name="More for “Tamarind two”").click()
    await page.get_by_role("menuitem", name="Delete for ever").click()
    await expect(page.get_by_role("button", name="More for “Tamarind two”")).to_have_count(0)
    kept = client.get("/chats", words="tamarind")["chats"]
    assert [row["title"] for row in kept] == ["Tamarind one"]


async def test_a_chat_is_given_out_as_a_file(open_page, client):
    told(client, "To be read", "The lamp is lit.")
    page = await open_page("#/chat")
    await rows(page, "To be read").hover()
    await page.get_by_role("button", name="More for “To be read”").click()
    async with page.expect_download() as waited:
        await page.get_by_role("menuitem", name="Export as Markdown").click()
    file = await (await waited.value).path()
    assert "The lamp is lit." in Path(file).read_text(encoding="utf-8")


TAVERN = [
    {"user_name": "Ann", "character_name": "Mira", "create_date": "2025-01-02@03h04m05s"},
    {"name": "Ann", "is_user": True, "mes": "Is the lamp lit?", "send_date": "2025-01-02T03:04:05Z"},
    {"name": "Mira", "is_user": False, "mes": "It is, tonight.", "send_date": "2025-01-02T03:05:05Z"},
]


@pytest.fixture
def tavern(tmp_path: Path) -> Path:
    file = tmp_path / "Mira - lamps.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in TAVERN), encoding="utf-8")
    return file


async def test_a_file_of_another_program_comes_in_with_a_report(open_page, client, tavern, tmp_path):
    (tmp_path / "broken.jsonl").write_text("nothing", encoding="utf-8")
    page = await open_page("#/chat")
    await page.get_by_role("button", name="More for the list of chats").click()
    await page.get_by_role("menuitem", name="Take in chats from elsewhere").click()
    dialog = page.get_by_role("dialog", name="Chats from elsewhere")
    async with page.expect_file_chooser() as waited:
        await dialog.get_by_text("Choose files").click()
    await (await waited.value).set_files([tavern, tmp_path / "broken.jsonl"])
    await expect(dialog).to_contain_text("SillyTavern, 2 messages")
    await expect(dialog).to_contain_text("broken.jsonl")
    await dialog.get_by_role("link").click()
    await expect(prose(page, 2)).to_have_text("It is, tonight.")


DROP = """async ([name, content]) => {
  const data = new DataTransfer();
  data.items.add(new File([content], name));
  const main = document.getElementById("main");
  for (const kind of ["dragenter", "dragover", "drop"])
    main.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


async def test_a_file_is_dropped_anywhere(open_page, client, tavern):
    page = await open_page("#/chat")
    await expect(page.get_by_role("searchbox", name=SEARCH)).to_be_visible()
    await page.evaluate(DROP, [tavern.name, tavern.read_text(encoding="utf-8")])
    await expect(page.get_by_role("dialog", name="Chats from elsewhere")).to_contain_text("2 messages")


@pytest.mark.parametrize("locale", ["en-GB", "zh-TW"])
async def test_the_list_fits_a_phone(open_page, client, locale):
    told(client, "A long title that goes on and on and on", folder="Velvet", add_tags=["plum"])
    page = await open_page("#/chat", locale=locale, **PHONE)
    await expect(page.get_by_role("link", name="A long title").first).to_be_visible()
    await page.get_by_role("button", name=re.compile("Filters|篩選")).tap()
    await expect(page.locator(".filters")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
