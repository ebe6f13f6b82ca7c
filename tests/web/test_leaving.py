"""What was typed the moment before a tab is closed has reached the studio, wherever it was typed."""

from __future__ import annotations

from typing import Any

from acts import eventually
from penned import paper
from playwright.async_api import Locator, Page

LAST = "Typed at the very end."


async def close_after(page: Page, field: Locator) -> None:
    """Typed, and gone at once: no pause, and the field was never left."""
    await field.fill(LAST)
    await page.close(run_before_unload=True)


async def test_an_entry_of_a_lorebook(open_page: Any, client: Any) -> None:
    book = client.post("/lorebooks", {"name": "Coast"}, 201)
    body = {"revision": book["revision"], "fields": {"comment": "Lamp", "content": "It burns."}}
    client.post(f"/lorebooks/{book['id']}/entries", body, 201)
    page = await open_page(f"#/lore/{book['id']}")
    await close_after(page, page.get_by_role("textbox", name="What the model is told"))
    await eventually(lambda: client.get(f"/lorebooks/{book['id']}")["entries"][0]["content"] == LAST)


async def test_a_card(open_page: Any, client: Any) -> None:
    card = client.post("/characters", {"card": {"data": {"name": "Ysolde of the lamp"}}}, 201)
    page = await open_page(f"#/characters/{card['id']}")
    await close_after(page, page.get_by_role("textbox", name="Description", exact=True))
    data = f"/characters/{card['id']}"
    await eventually(lambda: client.get(data)["card"]["data"].get("description") == LAST)


async def test_the_authors_note_of_a_chat(open_page: Any, client: Any) -> None:
    card = client.post("/characters", {"card": {"data": {"name": "Moreau of the ferry"}}}, 201)
    chat = client.new_chat(model="tiny", character_id=card["id"])
    page = await open_page(f"#/chat/{chat.id}")
    await page.get_by_role("button", name="Chat settings").click()
    panel = page.get_by_role("complementary", name="Chat settings")
    await close_after(page, panel.get_by_role("textbox", name="Author's note"))
    await eventually(lambda: client.get(f"{chat.path}/story")["note"]["text"] == LAST)


async def test_a_persona(open_page: Any, client: Any) -> None:
    made = client.post("/personas", {"name": "Ada Leaving"}, 201)
    page = await open_page("#/lore")
    await close_after(page, page.get_by_role("textbox", name="Description of Ada Leaving"))

    def described() -> list[str]:
        return [one["description"] for one in client.get("/personas")["personas"]]

    await eventually(lambda: LAST in described())
    client.call("DELETE", f"/personas/{made['id']}", 204)


async def test_a_setting(open_page: Any, client: Any) -> None:
    page = await open_page("#/settings/studio")
    await close_after(page, page.get_by_role("textbox", name="model.default"))

    def default() -> Any:
        [row] = [row for row in client.get("/settings")["settings"] if row["name"] == "model.default"]
        return row["value"]

    await eventually(lambda: default() == LAST)
    client.call("PATCH", "/settings", json={"model.default": None})


async def test_a_chapter(open_page: Any, client: Any) -> None:
    novel = client.post("/novels", {"title": "Leaving", "chapters": [{"text": "Once."}]}, 201)
    chapter = f"/novels/{novel['id']}/chapters/{novel['chapters'][0]['id']}"
    page = await open_page(f"#/novel/{novel['id']}")
    await close_after(page, paper(page))
    await eventually(lambda: client.get(chapter)["text"] == LAST)
