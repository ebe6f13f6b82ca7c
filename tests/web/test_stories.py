"""What stories are told with, on the screen: lorebooks, personas, the author's note, layouts, groups."""

from __future__ import annotations

from typing import Any

import pytest_asyncio
from acts import composer, eventually, message, said, say, until_written
from playwright.async_api import Locator, Page, expect


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
    await eventually(lambda: client.get(f"{chat.path}/story")["instruct"] == "Alpaca")  # the last of them
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


async def test_edits_of_a_group_in_quick_succession_keep_each_other(
    lore: Page, open_page: Any, client: Any
) -> None:
    members = [{"character_id": mira(client, name)["id"], "muted": False} for name in ("Mira", "Bo", "Cy")]
    chat = client.new_chat(
        character_id=members[0]["character_id"], story={"group": {"members": members, "order": 1}}
    )
    page: Page = await open_page(f"#/chat/{chat.id}")
    await page.get_by_role("button", name="Chat settings").click()
    await expect(page.get_by_label("muted")).to_have_count(3)
    # All three before the studio has answered the first.
    await page.evaluate(
        "document.querySelectorAll('.story-cast input[type=checkbox]').forEach((box) => box.click())"
    )
    await expect(page.get_by_label("muted")).to_have_count(3)
    silence = page.get_by_label("Go on by itself after seconds")
    await silence.fill("9")
    async with page.expect_response(lambda answer: '"auto_s":9' in (answer.request.post_data or "")):
        await silence.blur()
    group = client.get(f"{chat.path}/story")["group"]
    assert ([one["muted"] for one in group["members"]], group["auto_s"]) == ([True, True, True], 9)
