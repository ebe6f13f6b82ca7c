"""How a reply ended, and the line of numbers under it."""

from __future__ import annotations

import pytest
import shelf
from acts import PHONE, message, said
from playwright.async_api import expect

FACTS = {
    "model": "tiny",
    "finish_reason": "stop",
    "prompt_tokens": 19_862,
    "reused_tokens": 19_410,
    "processed_tokens": 452,
    "completion_tokens": 310,
    "first_token_ms": 11_200.0,
    "tokens_per_second": 134.56,
}
LINES = {
    "en-GB": "11 s · 135 tok/s · reused 19,410 of 19,862",
    "zh-TW": "11 s · 135 tok/s · 重用 19,410／19,862",
    "zh-CN": "11 s · 135 tok/s · 复用 19,410／19,862",
}


async def test_a_reply_that_goes_in_circles_says_why_it_ended(page, client, chat):
    await said(page, "Go in circles")
    await expect(message(page, 2)).to_contain_text("The reply only repeated itself, so it was ended here.")
    assert chat.messages[1]["facts"]["finish_reason"] == "loop"


async def test_who_wants_circles_can_have_them(page, client, chat):
    client.call("PATCH", chat.path, json=chat.at_revision(sampling={"loop_count": 0}))
    await page.reload()  # else the page may still have the revision before
    await said(page, "Go in circles")
    assert chat.messages[1]["facts"]["finish_reason"] == "stop"


async def test_a_reply_without_the_form_that_was_asked_for_says_so(page, client, chat):
    client.call("PATCH", chat.path, json=chat.at_revision(sampling={"json_schema": '{"type": "object"}'}))
    await page.reload()  # else the page may still have the revision before
    await said(page, "Hello")
    await expect(message(page, 2)).to_contain_text("The reply does not have the form that was asked for:")
    await expect(message(page, 2)).to_contain_text(chat.messages[1]["facts"]["form_problem"])


async def test_a_single_token_has_no_rate(page):
    await said(page, "Answer curtly")
    await expect(message(page, 2).get_by_role("button", name="reused")).to_be_visible()
    await expect(message(page, 2).get_by_role("button", name="tok/s")).to_have_count(0)


@pytest.mark.parametrize(("locale", "words"), LINES.items())
async def test_the_numbers_stand_on_one_line_of_a_phone(open_page, web_home, chat, locale, words):
    shelf.fill(web_home.database, chat.id, ["How many lamps?", "Twelve."], FACTS)
    page = await open_page(f"#/chat/{chat.id}", locale=locale, **PHONE)
    line = page.get_by_role("button", name=words, exact=True)
    await expect(line).to_be_visible()
    box = await line.bounding_box()
    assert (box["x"] >= 0, box["x"] + box["width"] <= 390, box["height"] <= 42) == (True, True, True)
