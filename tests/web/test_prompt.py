"""What the prompt of a chat is made of, on the screen: to scale, part by part, with the lore and the text."""

from __future__ import annotations

import json
import re
from typing import Any

from acts import say, until_written
from playwright.async_api import Page, expect

WORLD = {
    "entries": {
        "0": {"uid": 0, "key": ["lamp"], "content": "It burns oil.", "comment": "The lamp"},
        "1": {"uid": 1, "key": ["dragon"], "content": "Nobody has seen it.", "comment": "The dragon"},
    }
}


def with_lore(client: Any) -> Any:
    """A chat with a character, a lorebook and a note."""
    data = {"name": "Mira", "description": "Keeps the light.", "first_mes": "Come in."}
    card = client.post("/characters", {"card": {"data": data}}, 201)
    book = client.call("POST", "/lorebooks/import?name=Coast.json", 201, content=json.dumps(WORLD))
    story = {"lorebooks": [book["id"]], "note": {"text": "[Slowly.]"}}
    return client.new_chat(model="tiny", character_id=card["id"], story=story)


async def test_the_prompt_is_drawn_and_told_part_by_part(open_page: Any, client: Any) -> None:
    page: Page = await open_page(f"#/chat/{with_lore(client).id}")
    await say(page, "Where is the lamp?")
    await until_written(page)
    await page.locator(".chat-head").get_by_role("button", name="More").click()
    await page.get_by_role("menuitem", name="Show the prompt").click()
    view = page.get_by_role("dialog", name="The prompt")
    ruler = view.get_by_role("group", name="The prompt, to scale")
    await expect(ruler.get_by_role("button", name="kept free for the reply")).to_be_visible()
    await expect(view.locator(".ruler-key")).to_contain_text(re.compile("the head.*the conversation"))
    await expect(view.get_by_role("cell", name="the character's description")).to_be_visible()
    await view.get_by_text("1 of 2 entries are told").click()
    await expect(view.locator("details").get_by_role("row", name="The lamp")).to_contain_text(
        "a key was found"
    )
    await expect(view.locator("details").get_by_role("row", name="The dragon")).to_contain_text(
        "no key was found"
    )
    await view.get_by_text("The whole prompt as text").click()
    await expect(view.locator("pre")).to_contain_text("It burns oil.")
    await page.keyboard.press("Escape")
    await expect(view).to_be_hidden()
