"""Beside a chat: its context to scale, its memory, quick replies, the chances of a reply's tokens."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from acts import choose, composer, message, prose, said, until_written
from playwright.async_api import expect

TOKENS: list[dict[str, Any]] = [
    {"id": 1, "text": "Reply", "logprob": math.log(0.9), "likeliest": []},
    {
        "id": 2,
        "text": " number",
        "logprob": math.log(0.02),
        "likeliest": [
            {"id": 7, "text": " to", "logprob": math.log(0.6)},
            {"id": 2, "text": " number", "logprob": math.log(0.02)},
        ],
    },
]
REPLIES = {
    "version": 2,
    "name": "Lamps",
    "qrList": [
        {"id": 1, "label": "Count", "message": "How many lamps, {{input}}?", "title": "Ask"},
        {"id": 2, "label": "Clever", "message": "/if left=1 right=1 {: /echo yes :}"},
    ],
}


async def opened(page: Any, name: str) -> Any:
    await page.locator(".chat-head").get_by_role("button", name="More").click()
    await page.get_by_role("menuitem", name=name).click()
    return page.get_by_role("complementary", name=name)


async def test_the_context_is_drawn_to_scale_and_leads_into_the_prompt(page):
    await said(page, "Hello there")
    await said(page, "And again")
    side = await opened(page, "Context ruler")
    ruler = side.get_by_role("group", name="The prompt, to scale")
    part = ruler.get_by_role("button", name=re.compile("^the conversation"))
    await expect(part).to_be_visible()
    await part.focus()
    await expect(side.locator(".ruler-looked")).to_contain_text("the conversation")
    await part.click()
    view = page.get_by_role("dialog", name="The prompt")
    await expect(view.locator("tr[aria-current]")).to_contain_text("the conversation")


async def test_facts_are_pinned_rewritten_and_forgotten(page, client, chat):
    side = await opened(page, "Memory")
    await side.get_by_role("textbox", name="New fact").fill("Ann is afraid of heights.")
    await side.get_by_role("button", name="Pin").click()
    fact = side.get_by_role("textbox", name="Fact", exact=True)
    await expect(fact).to_have_value("Ann is afraid of heights.")
    await fact.fill("Ann loves heights.")
    async with page.expect_response(
        lambda answer: answer.request.method == "PUT" and "/memory" in answer.url
    ):
        await fact.blur()
    assert [one["text"] for one in client.get(f"{chat.path}/memory")["facts"]] == ["Ann loves heights."]
    await side.get_by_role("button", name="Forget it").click()
    await expect(fact).to_have_count(0)


async def test_a_document_and_its_settings_are_kept(open_page, client, tmp_path):
    card = client.post("/characters", {"card": {"data": {"name": "Mira", "first_mes": "Come in."}}}, 201)
    chat = client.new_chat(model="tiny", character_id=card["id"])
    page = await open_page(f"#/chat/{chat.id}")
    (tmp_path / "coast.txt").write_text("The lamp burns oil.", encoding="utf-8")
    side = await opened(page, "Memory")
    async with page.expect_file_chooser() as waited:
        await side.get_by_text("Add a text file").click()
    await (await waited.value).set_files(tmp_path / "coast.txt")
    await expect(side).to_contain_text("coast.txt, 19 characters")
    async with page.expect_response(
        lambda answer: answer.request.method == "PATCH" and "/memory" in answer.url
    ):
        await side.get_by_label("Write one before the context is cut").check()
    assert client.get(f"{chat.path}/memory")["settings"]["summary"] == "auto"


@pytest.fixture
def replies(client: Any) -> Any:
    made = client.call("POST", "/replies/import?name=Lamps.json", 201, content=json.dumps(REPLIES))
    yield made
    client.http.delete(f"/replies/{made['id']}")


async def test_a_quick_reply_is_said(open_page, chat, replies):
    page = await open_page(f"#/chat/{chat.id}")
    bar = page.get_by_role("toolbar", name="Quick replies")
    await expect(bar.get_by_role("button", name="Clever")).to_be_disabled()
    await composer(page).fill("Mira")
    await bar.get_by_role("button", name="Count").click()
    await expect(prose(page, 1)).to_have_text("How many lamps, Mira?")
    await expect(message(page, 2)).to_contain_text("Reply number")
    await until_written(page)


async def test_sets_of_quick_replies_are_removed(open_page, chat, replies):
    page = await open_page(f"#/chat/{chat.id}")
    side = await opened(page, "Quick replies")
    await expect(side).to_contain_text("not run here")
    await side.get_by_role("button", name="Remove Lamps").click()
    await expect(page.get_by_role("toolbar", name="Quick replies")).to_have_count(0)


async def test_a_token_is_looked_at_and_another_one_is_taken(page, chat):
    await said(page, "Hello")

    async def weighed(route: Any) -> None:
        await route.fulfill(json={"model": "tiny", "sampled": True, "tokens": TOKENS})

    await page.route("**/tokens", weighed)
    await choose(page, 2, "Chances of its tokens")
    view = page.get_by_role("dialog", name="Chances of the tokens")
    await view.get_by_role("option", name="Reply 90%").focus()
    await page.keyboard.press("ArrowRight")
    await expect(view.get_by_role("option", name="␣number 2.0%")).to_be_focused()
    others = view.get_by_role("table", name="What might have stood here")
    await expect(others.get_by_role("row", name="written here")).to_contain_text("2.0%")
    await others.get_by_role("row", name="␣to").get_by_role("button").click()
    await expect(message(page, 2)).to_contain_text("2/2")
    await until_written(page)
    await expect(prose(page, 2)).to_contain_text("Reply toReply number")
    assert chat.messages[1]["version_reason"] == "continued"


async def test_a_chat_is_told_with_a_pack(page, client, chat):
    await page.get_by_role("button", name="Chat settings").click()
    packs = page.get_by_label("Prompt pack")
    async with page.expect_response(
        lambda answer: answer.request.method == "PATCH" and "/story" in answer.url
    ):
        await packs.select_option("narrator.en")
    assert client.get(f"{chat.path}/story")["pack"] == "narrator.en"
