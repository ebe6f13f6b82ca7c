"""Lorebooks and personas on the screen: edited, sorted, tried, linked, put back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from acts import PHONE, eventually
from playwright.async_api import Locator, Page, expect

WORLD = {
    "entries": {
        "0": {"uid": 0, "key": ["lamp"], "content": "The keeper lit it.", "comment": "The lamp", "odd": [1]},
        "1": {"uid": 1, "key": ["keeper"], "content": "She is old.", "comment": "The keeper"},
        "2": {"uid": 2, "key": ["whale"], "content": "Grey.", "comment": "Whales"},
    }
}


@pytest_asyncio.fixture(loop_scope="session")
async def lore(open_page: Any, client: Any) -> Page:
    """The page of lorebooks, empty."""
    for kind in ("lorebooks", "personas"):
        for row in client.get(f"/{kind}")[kind]:
            client.call("DELETE", f"/{kind}/{row['id']}", 204)
    page: Page = await open_page("#/lore")
    await expect(page.get_by_text("No lorebooks yet.")).to_be_visible()
    return page


@pytest.fixture
def coast(client: Any) -> dict[str, Any]:
    content = json.dumps(WORLD)
    return dict(client.call("POST", "/lorebooks/import", 201, params={"name": "Coast"}, content=content))


@pytest_asyncio.fixture(loop_scope="session")
async def book(open_page: Any, coast: dict[str, Any]) -> Page:
    page: Page = await open_page(f"#/lore/{coast['id']}")
    await expect(page.get_by_label("Name of the lorebook")).to_have_value("Coast")
    return page


def entries(client: Any, coast: dict[str, Any]) -> list[dict[str, Any]]:
    return list(client.get(f"/lorebooks/{coast['id']}")["entries"])


def names(page: Page) -> Locator:
    return page.get_by_role("list", name="Entries").locator(".lore-line > span")


async def ticked(box: Locator) -> None:
    """It is ticked once the studio has taken the change."""
    await box.click()
    await expect(box).to_be_checked()


async def test_a_lorebook_is_taken_from_a_file_and_edited(lore: Page, client: Any, tmp_path: Path) -> None:
    file = tmp_path / "Coast.json"
    file.write_text(json.dumps(WORLD))
    await lore.locator("form input[type=file]").first.set_input_files(file)
    await lore.get_by_role("link", name="Coast").click()
    content = lore.get_by_label("What the model is told")
    await content.fill("It is out.")
    await content.blur()
    await ticked(lore.get_by_label("always told", exact=True))
    await lore.get_by_text("Chance and time").click()
    await lore.get_by_label("Stays for so many messages").fill("3")
    await lore.get_by_role("button", name="New entry").click()
    await expect(lore.get_by_text("Entry without a name")).to_be_visible()
    [coast] = client.get("/lorebooks")["lorebooks"]
    first, *_, last = entries(client, coast)
    assert (first["content"], first["constant"], first["sticky"]) == ("It is out.", True, 3)
    assert (first["odd"], last["order"]) == ([1], 100)


async def test_a_message_tells_what_comes_in_and_why(book: Page) -> None:
    await book.get_by_label("Say something").fill("Who lit the lamp?")
    tester = book.get_by_role("region", name="Try it")
    fired = tester.get_by_role("listitem").filter(has_text="a key was found")
    await expect(fired).to_have_count(2)
    await expect(fired.first).to_contain_text("lamp")
    await expect(fired.last).to_contain_text("(in the text of The lamp)")
    await tester.get_by_text("1 stay out").click()
    await expect(tester.get_by_role("listitem").filter(has_text="no key was found")).to_contain_text("Whales")
    await tester.get_by_role("button", name="The keeper").click()
    await expect(book.get_by_label("What the model is told")).to_have_value("She is old.")


async def test_what_is_changed_is_tried_anew(book: Page) -> None:
    await book.get_by_label("Say something").fill("A whale!")
    tester = book.get_by_role("region", name="Try it")
    await expect(tester).to_contain_text("1 come in")
    await book.get_by_role("switch", name="Whales is on").click()
    await expect(tester).to_contain_text("Nothing comes in.")


async def test_a_chat_can_be_asked_too(book: Page, open_page: Any, client: Any, coast: Any) -> None:
    mira = client.post("/characters", {"card": {"data": {"name": "Mira", "first_mes": "A whale!"}}}, 201)
    client.new_chat(character_id=mira["id"], title="At sea")
    page: Page = await open_page(f"#/lore/{coast['id']}")
    await page.get_by_label("In which chat").select_option(label="At sea")
    await expect(page.get_by_role("region", name="Try it")).to_contain_text("Whales")


async def test_entries_are_walked_moved_and_cut_by_keys(book: Page, client: Any, coast: Any) -> None:
    await book.get_by_role("button", name="The lamp").first.focus()
    await book.keyboard.press("Alt+ArrowDown")
    await expect(names(book)).to_have_text(["The keeper", "The lamp", "Whales"])
    await expect(book.get_by_role("button", name="The lamp").first).to_be_focused()
    await book.keyboard.press("ArrowDown")
    await expect(book.get_by_label("What the model is told")).to_have_value("Grey.")
    await book.keyboard.press("Delete")
    await expect(names(book)).to_have_text(["The keeper", "The lamp"])
    await book.get_by_role("button", name="Undo").click()
    await expect(names(book)).to_have_text(["The keeper", "The lamp", "Whales"])
    assert [row["comment"] for row in entries(client, coast)] == ["The keeper", "The lamp", "Whales"]


async def test_several_are_turned_off_at_once(book: Page, client: Any, coast: Any) -> None:
    for name in ("The lamp", "Whales"):
        await book.get_by_role("checkbox", name=f"Choose {name}").check()
    await book.get_by_role("button", name="Turn off").click()
    await expect(book.get_by_role("switch", name="Whales is on")).not_to_be_checked()
    assert [row["disable"] for row in entries(client, coast) if "disable" in row] == [True, True]


async def test_a_lorebook_that_was_deleted_comes_back_as_it_was(lore: Page, client: Any) -> None:
    content = json.dumps(WORLD)
    made = client.call("POST", "/lorebooks/import", 201, params={"name": "Coast"}, content=content)
    await lore.reload()
    await lore.get_by_role("button", name="More for Coast").click()
    await lore.get_by_role("menuitem", name="Delete").click()
    await expect(lore.get_by_text("No lorebooks yet.")).to_be_visible()
    await lore.get_by_role("button", name="Undo").click()
    await expect(lore.get_by_role("link", name="Coast")).to_be_visible()
    assert client.get(f"/lorebooks/{made['id']}/file") == WORLD


async def test_a_persona_is_made_and_becomes_the_usual_one(lore: Page, client: Any) -> None:
    await lore.get_by_label("Name of a new persona").fill("Ann")
    await lore.get_by_role("button", name="New persona").click()
    await ticked(lore.get_by_label("the usual one"))
    description = lore.get_by_label("Description of Ann")
    await description.fill("A sailor.")
    await description.blur()
    await eventually(lambda: client.get("/personas")["personas"][0]["description"] == "A sailor.")
    await lore.reload()
    await expect(lore.get_by_label("Description of Ann")).to_have_value("A sailor.")
    await expect(lore.get_by_label("the usual one")).to_be_checked()


async def test_a_persona_is_deleted_and_put_back_into_its_chats(lore: Page, client: Any) -> None:
    ann = client.post("/personas", {"name": "Ann", "description": "A sailor."}, 201)
    mira = client.post("/characters", {"card": {"data": {"name": "Mira"}}}, 201)
    client.new_chat(character_id=mira["id"], story={"persona_id": ann["id"]}, title="With Ann")
    await lore.reload()
    await lore.get_by_role("button", name="Delete Ann").click()
    await expect(lore.get_by_label("Description of Ann")).to_have_count(0)
    await lore.get_by_role("button", name="Undo").click()
    await lore.get_by_role("listitem").filter(has_text="Ann").get_by_text("More", exact=True).click()
    await lore.get_by_role("button", name="Chats that name it").click()
    await expect(lore.get_by_role("link", name="With Ann")).to_be_visible()


async def test_a_lorebook_fits_a_phone_in_chinese(open_page: Any, coast: dict[str, Any]) -> None:
    page: Page = await open_page(f"#/lore/{coast['id']}", locale="zh-CN", **PHONE)
    await page.get_by_role("button", name="The lamp").click()
    await expect(
        page.get_by_label("告诉模型的内容").or_(page.locator(".entry-form textarea"))
    ).to_be_visible()
    await page.get_by_role("tab", name="测试").click()
    await expect(page.get_by_label("说点什么")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
