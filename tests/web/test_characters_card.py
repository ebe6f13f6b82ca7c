"""The page of one character: what is written is kept, nothing else is lost, and it says what it costs."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any

import pytest
import pytest_asyncio
from acts import composer, message
from playwright.async_api import Page, expect

DATA: dict[str, Any] = {
    "name": "Mira",
    "description": "{{char}} keeps the **light**.",
    "first_mes": "Come in, {{user}}.\n\n![map](https://tracker.example.org/pixel.png)",
    "alternate_greetings": ["Who is there?", "Late again."],
    "extensions": {
        "depth_prompt": {"prompt": "Rain.", "depth": 2, "role": "user", "odd": 1},
        "other/one": [1],
    },
    "from_elsewhere": {"kept": True},
}
PATIENCE_S = 30
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def mira(client: Any) -> dict[str, Any]:
    document = {"spec": "chara_card_v3", "spec_version": "3.0", "data": DATA}
    return dict(client.post("/characters", {"card": document}, 201))


@pytest_asyncio.fixture(loop_scope="session")
async def card(open_page: Any, mira: dict[str, Any]) -> Page:
    page: Page = await open_page(f"#/characters/{mira['id']}")
    await expect(page.get_by_role("heading", name="Mira", exact=True)).to_be_visible()
    return page


def data(client: Any, mira: dict[str, Any]) -> dict[str, Any]:
    return dict(client.get(f"/characters/{mira['id']}")["card"]["data"])


async def test_what_is_typed_is_kept_and_all_else_stays(card: Page, client: Any, mira: Any) -> None:
    await card.get_by_label("Description", exact=True).fill("Keeps nothing.")
    await card.get_by_text("Prompts and notes").click()
    await card.get_by_label("Note at a depth").last.fill("Snow.")
    await card.get_by_role("textbox", name="Personality").click()
    await expect(card.get_by_text("Saved", exact=True)).to_be_visible()
    note = {"prompt": "Snow.", "depth": 2, "role": "user", "odd": 1}
    wanted = {"description": "Keeps nothing.", "extensions": {"depth_prompt": note, "other/one": [1]}}
    assert data(client, mira) == DATA | wanted


async def test_what_was_typed_last_is_kept_when_the_page_is_left(card: Page, client: Any, mira: Any) -> None:
    await card.get_by_label("Scenario", exact=True).fill("A storm.")
    await card.goto("about:blank")
    async with asyncio.timeout(PATIENCE_S):
        while data(client, mira) == DATA:
            await asyncio.sleep(0)
    assert data(client, mira) == DATA | {"scenario": "A storm."}


async def test_a_change_is_taken_back_and_made_again(card: Page, client: Any, mira: Any) -> None:
    description = card.get_by_label("Description", exact=True)
    await description.fill("Gone.")
    await description.blur()
    await card.get_by_role("button", name="Undo the last change").click()
    await expect(description).to_have_value(DATA["description"])
    await card.get_by_role("button", name="Redo").click()
    await expect(description).to_have_value("Gone.")
    assert data(client, mira) == DATA | {"description": "Gone."}


async def test_greetings_are_added_moved_and_cut(card: Page, client: Any, mira: Any) -> None:
    await card.get_by_role("button", name="Greeting 3 earlier").click()
    await card.get_by_role("button", name="Delete Greeting 3").click()
    await card.get_by_role("button", name="Another greeting").click()
    await card.get_by_role("textbox", name="Greeting 3").fill("Good night.")
    await card.get_by_label("Scenario", exact=True).click()
    await expect(card.get_by_text("Saved", exact=True)).to_be_visible()
    assert data(client, mira)["alternate_greetings"] == ["Late again.", "Good night."]


async def test_who_wrote_in_another_window_is_not_overwritten_unasked(
    card: Page, client: Any, mira: Any
) -> None:
    theirs = {"revision": 1, "fields": {"description": "Theirs."}}
    client.call("PATCH", f"/characters/{mira['id']}", json=theirs)
    description = card.get_by_label("Description", exact=True)
    await description.fill("Mine.")
    await description.blur()
    await expect(card.get_by_role("alert")).to_contain_text("Nothing was overwritten")
    assert data(client, mira)["description"] == "Theirs."
    await expect(description).to_have_value("Mine.")
    await card.get_by_role("button", name="Put mine over it").click()
    await expect(card.get_by_role("alert")).to_have_count(0)
    await expect(card.get_by_text("Saved", exact=True)).to_be_visible()
    assert data(client, mira)["description"] == "Mine."


async def test_the_preview_reads_like_a_chat_and_loads_nothing_from_elsewhere(card: Page) -> None:
    preview = card.get_by_role("complementary", name="Preview")
    await expect(preview).to_contain_text("Come in, User.")
    await expect(preview.locator("img")).to_have_count(0)
    await preview.get_by_text("Description").click()
    await expect(preview.locator("strong", has_text="light")).to_be_visible()
    await preview.get_by_role("button", name="Next").click()
    await expect(preview).to_contain_text("Who is there?")
    await preview.get_by_role("button", name="Begin like this").click()
    await expect(message(card, 1)).to_contain_text("Who is there?")
    await expect(message(card, 1)).to_contain_text("2/3")
    await expect(composer(card)).to_be_visible()


async def test_a_card_says_what_it_costs_and_who_counted(card: Page, client: Any) -> None:
    await card.get_by_role("tab", name="Size").click()
    size = card.get_by_role("complementary", name="Size")
    await expect(size.get_by_role("row", name="Description")).to_be_visible()
    await expect(size).to_contain_text("In every prompt")
    await expect(
        size.get_by_text("Estimated from the length").or_(size.get_by_text("Counted by"))
    ).to_be_visible()


async def test_a_picture_is_changed(card: Page, client: Any, mira: Any) -> None:
    file = {"name": "face.png", "mimeType": "image/png", "buffer": PIXEL}
    await card.locator("input[type=file]").set_input_files(file)
    await expect(card.get_by_role("img", name="Picture of Mira")).to_be_visible()
    assert client.get(f"/characters/{mira['id']}")["picture"]


async def test_a_copy_is_another_one(card: Page, client: Any, mira: Any) -> None:
    await card.get_by_role("button", name="More for Mira").click()
    await card.get_by_role("menuitem", name="Make a copy").click()
    await expect(card.get_by_role("heading", name="Mira (copy)")).to_be_visible()
    assert mira["id"] not in card.url


async def test_the_lorebook_inside_a_card_becomes_one_of_its_own(
    open_page: Any, client: Any, mira: Any
) -> None:
    book = {
        "name": "Tide tables",
        "entries": [{"keys": ["tide"], "content": "High at nine.", "comment": "Tide"}],
    }
    client.call(
        "PATCH", f"/characters/{mira['id']}", json={"revision": 1, "fields": {"character_book": book}}
    )
    page: Page = await open_page(f"#/characters/{mira['id']}")
    await page.get_by_text("Lorebook, assets and the rest").click()
    await page.get_by_role("button", name="Make it a lorebook of its own").click()
    await page.get_by_role("button", name="Open", exact=True).click()
    await expect(page.get_by_label("Name of the lorebook")).to_have_value("Tide tables")
    assert "character_book" not in data(client, mira)


async def test_the_model_writes_a_field_and_the_person_takes_it(card: Page, client: Any, mira: Any) -> None:
    await card.get_by_role("button", name="Write for me: Scenario").click()
    desk = card.get_by_role("dialog")
    await desk.get_by_label("What should it say").fill("A lighthouse")
    await desk.get_by_role("button", name="Write for me").click()
    await expect(desk.get_by_label("What it wrote")).to_have_value(re.compile("^The keeper"))
    await desk.get_by_role("button", name="Take it").click()
    await expect(card.get_by_label("Scenario", exact=True)).to_have_value(re.compile("^The keeper"))
    await expect(card.get_by_text("Saved", exact=True)).to_be_visible()
    assert data(client, mira)["scenario"].startswith("The keeper")
