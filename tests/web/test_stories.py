"""What stories are told with, on the screen: lorebooks, personas, the author's note, layouts, groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest_asyncio
from acts import composer, message, said, say, until_written
from playwright.async_api import Locator, Page, expect

WORLD = {"entries": {"0": {"uid": 0, "key": ["lamp"], "content": "It burns oil.", "comment": "The lamp"}}}


@pytest_asyncio.fixture(loop_scope="session")
async def lore(open_page: Any, client: Any) -> Page:
    """The page of lorebooks, empty."""
    for kind in ("lorebooks", "personas", "scripts"):
        for row in client.get(f"/{kind}")[kind]:
            client.call("DELETE", f"/{kind}/{row['id']}", 204)
    page: Page = await open_page("#/lore")
    await expect(page.get_by_text("No lorebooks yet.")).to_be_visible()
    return page


def mira(client: Any, name: str = "Mira", **data: Any) -> dict[str, Any]:
    fields = {"name": name, "description": "Keeps the light.", "first_mes": "Come in, {{user}}."} | data
    return dict(client.post("/characters", {"card": {"data": fields}}, 201))


async def ticked(box: Locator) -> None:
    """It is ticked once the studio has taken the change."""
    await box.click()
    await expect(box).to_be_checked()


async def test_a_lorebook_is_taken_from_a_file_and_edited(lore: Page, client: Any, tmp_path: Path) -> None:
    file = tmp_path / "Coast.json"
    file.write_text(json.dumps(WORLD))
    await lore.locator("input[type=file]").set_input_files(file)
    await lore.get_by_role("link", name="Coast").click()
    await lore.get_by_text("The lamp", exact=True).click()
    content = lore.get_by_label("What the model is told")
    await content.fill("It is out.")
    await content.blur()
    await ticked(lore.get_by_label("always told"))
    await lore.get_by_role("button", name="New entry").click()
    await expect(lore.get_by_text("Entry without a name")).to_be_visible()
    await expect(lore.get_by_text("The lamp", exact=True)).to_be_visible()
    [book] = client.get("/lorebooks")["lorebooks"]
    entries = client.get(f"/lorebooks/{book['id']}")["entries"]
    assert (entries[0]["content"], entries[0]["constant"], len(entries)) == ("It is out.", True, 2)


async def test_a_persona_is_made_and_becomes_the_usual_one(lore: Page, client: Any) -> None:
    await lore.get_by_label("Name of a new persona").fill("Ann")
    await lore.get_by_role("button", name="New persona").click()
    await ticked(lore.get_by_label("the usual one"))
    description = lore.get_by_label("Description of Ann")
    await description.fill("A sailor.")
    async with lore.expect_response(lambda answer: answer.request.method == "PATCH"):
        await description.blur()
    await lore.reload()
    await expect(lore.get_by_label("Description of Ann")).to_have_value("A sailor.")
    await expect(lore.get_by_label("the usual one")).to_be_checked()


async def test_the_panel_sets_what_holds_in_a_chat(lore: Page, open_page: Any, client: Any) -> None:
    client.post("/lorebooks", {"name": "Coast"}, 201)
    chat = client.new_chat(character_id=mira(client)["id"])
    page: Page = await open_page(f"#/chat/{chat.id}")
    await page.get_by_role("button", name="Chat settings").click()
    await ticked(page.get_by_label("Coast"))
    note = page.get_by_label("Author's note")
    await note.fill("[Slowly.]")
    await note.blur()
    await ticked(page.get_by_label("Text", exact=True))
    await page.get_by_label("Instruct template").select_option("Alpaca")
    await expect(page.get_by_label("Instruct template")).to_have_value("Alpaca")
    story = client.get(f"{chat.path}/story")
    assert (story["note"]["text"], story["layout"], len(story["lorebooks"])) == ("[Slowly.]", "text", 1)
    await expect(message(page, 1)).to_be_visible()
    await said(page, "Hello.")
    assert chat.messages[-1]["facts"]["story"]["layout"] == "text"


async def test_a_chat_becomes_a_group_and_all_answer(lore: Page, open_page: Any, client: Any) -> None:
    mira_, bo = mira(client), mira(client, "Bo")
    chat = client.new_chat(character_id=mira_["id"])
    page: Page = await open_page(f"#/chat/{chat.id}")
    await page.get_by_role("button", name="Chat settings").click()
    await page.get_by_label("Add a character").select_option(bo["id"])
    await page.get_by_label("Who answers").select_option("1")
    await expect(page.get_by_label("Who answers")).to_have_value("1")
    await say(page, "Good evening.")
    await expect(message(page, 4).locator(".message-name")).to_have_text("Bo")
    await until_written(page)
    assert [one["author"] for one in chat.messages[1:]] == ["User", "Mira", "Bo"]


async def test_the_model_writes_for_the_person(lore: Page, open_page: Any, client: Any) -> None:
    chat = client.new_chat(character_id=mira(client)["id"])
    page: Page = await open_page(f"#/chat/{chat.id}")
    await page.get_by_role("button", name="Write for me").click()
    await expect(composer(page)).not_to_be_empty()
    await expect(page.get_by_role("button", name="Write for me")).to_have_count(0)
    assert len(chat.texts) == 1


async def test_what_scripts_want_is_on_the_screen(lore: Page, open_page: Any, client: Any) -> None:
    fields = {"findRegex": "/light/g", "replaceString": "**lamp**", "placement": [1, 2], "markdownOnly": True}
    client.post("/scripts", {"fields": fields}, 201)
    chat = client.new_chat(character_id=mira(client)["id"])
    page: Page = await open_page(f"#/chat/{chat.id}")
    await expect(message(page, 1)).to_be_visible()
    await said(page, "The light!")
    await until_written(page)
    await expect(message(page, 2).locator("strong")).to_have_text("lamp")
    assert chat.texts[1] == "The light!"
