"""A person talks to a model in the browser."""

from __future__ import annotations

import re

from acts import act, composer, message, prose, said, say, until_written
from playwright.async_api import expect


async def test_a_first_message_gets_a_reply(page, chat):
    await said(page, "Hello there")
    await expect(message(page, 1)).to_contain_text("Hello there")
    await expect(message(page, 2)).to_contain_text("Reply number")
    assert [row["role"] for row in chat.messages] == ["user", "assistant"]


async def test_markdown_is_formed(page):
    await said(page, "Tell me a story")
    reply = message(page, 2)
    await expect(reply.get_by_role("listitem")).to_have_count(3)
    await expect(reply.get_by_role("cell", name="214°")).to_be_visible()
    await expect(reply.get_by_text("third night")).to_have_css("font-weight", "700")
    await expect(reply.get_by_role("button", name="Copy").first).to_be_visible()


async def test_a_streamed_reply_looks_the_same_as_a_stored_one(page):
    await said(page, "Tell me a story")
    await expect(prose(page, 2)).not_to_have_class(re.compile("prose-live"))
    streamed = await prose(page, 2).inner_html()
    await page.reload()
    await expect(message(page, 2)).to_contain_text("agreed.")
    assert await prose(page, 2).inner_html() == streamed


async def test_stop_keeps_what_was_written(page, chat):
    await say(page, "Speak slowly")
    await expect(message(page, 2)).to_contain_text("word3")
    await page.get_by_role("button", name="Stop", exact=True).click()
    await until_written(page)
    await expect(message(page, 2)).to_contain_text("Stopped.")
    assert chat.messages[1]["facts"]["finish_reason"] == "stopped"
    await expect(prose(page, 2)).to_have_text(chat.messages[1]["text"].strip())


async def test_escape_stops_too(page):
    await say(page, "Speak slowly")
    await expect(message(page, 2)).to_contain_text("word1")
    await page.keyboard.press("Escape")
    await until_written(page)


async def test_the_numbers_stand_under_the_reply(page, chat):
    await said(page, "First")
    await said(page, "Second")
    facts = chat.messages[3]["facts"]
    line = message(page, 4).get_by_role("button", name="tok/s")
    await expect(line).to_contain_text(f"reused {facts['reused_tokens']} of {facts['prompt_tokens']}")
    await line.click()
    await expect(message(page, 4)).to_contain_text("temperature 0.8")


async def test_a_reload_in_mid_stream_picks_the_stream_up(page, chat):
    await say(page, "Speak slowly")
    await expect(message(page, 2)).to_contain_text("word5")
    await page.reload()
    await expect(message(page, 2)).to_contain_text("word0 word1 word2 word3 word4 word5")
    await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    await page.keyboard.press("Escape")
    await until_written(page)
    await expect(prose(page, 2)).to_have_text(chat.messages[1]["text"].strip())


async def test_leaving_the_page_lets_the_reply_go_on(page, chat):
    await say(page, "Speak slowly")
    await expect(message(page, 2)).to_contain_text("word1")
    await page.get_by_role("link", name="Home").click()
    await expect(page.get_by_role("heading", name="This machine", exact=True)).to_be_visible()
    assert chat.now["turn_id"]
    await page.go_back()
    await expect(message(page, 2)).to_contain_text("word0 word1")
    await page.keyboard.press("Escape")
    await until_written(page)


async def test_an_error_is_told_in_place_and_the_text_is_kept(page, chat):
    await say(page, "Please fail")
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("it was killed")
    await expect(message(page, 2)).to_contain_text("It began well")
    await alert.get_by_role("button", name="Try again").click()
    await expect(message(page, 2)).to_contain_text("2/2")
    assert chat.messages[1]["swipe"]["count"] == 2


async def test_a_draft_survives_a_reload(page):
    await composer(page).fill("Half a thought")
    await page.reload()
    await expect(composer(page)).to_have_value("Half a thought")


async def test_shift_enter_breaks_the_line(page):
    await composer(page).fill("One")
    await composer(page).press("Shift+Enter")
    await composer(page).press_sequentially("Two")
    await expect(composer(page)).to_have_value("One\nTwo")


async def test_enter_in_an_input_method_does_not_send(page):
    await composer(page).fill("你好")
    await composer(page).dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "isComposing": True})
    await expect(composer(page)).to_have_value("你好")


async def test_a_model_that_is_gone_is_told_and_nothing_is_lost(page, client, chat):
    client.call("PATCH", f"/chats/{chat.id}", json={"revision": chat.now["revision"], "model": "gone"})
    await expect(page.get_by_role("button", name="Model: gone")).to_be_visible()
    await say(page, "Are you there")
    await expect(page.get_by_role("alert")).to_contain_text("no model called gone")
    await expect(composer(page)).to_have_value("Are you there")


async def test_the_first_words_name_the_chat(open_page, client):
    untitled = client.new_chat(model="tiny")
    page = await open_page(f"#/chat/{untitled.id}")
    await said(page, "Where do the lamps go? And why?")
    await expect(page.get_by_role("heading", name="Where do the lamps go?")).to_be_visible()
    assert untitled.now["title"] == "Where do the lamps go?"


async def test_the_system_prompt_and_sampling_belong_to_the_chat(page, chat):
    await page.get_by_role("button", name="Chat settings").click()
    panel = page.get_by_role("complementary", name="Chat settings")
    await panel.get_by_label("System prompt").fill("Be brief.")
    await panel.get_by_role("spinbutton", name="Temperature").fill("0.3")
    await panel.get_by_role("spinbutton", name="Seed").fill("7")
    await composer(page).click()
    await said(page, "Hello")
    assert (chat.now["system"], chat.now["sampling"]) == ("Be brief.", {"temperature": 0.3, "seed": 7})
    assert chat.messages[1]["facts"]["effective"]["seed"] == 7


async def test_copy_takes_the_source_of_a_message(page, chat):
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await said(page, "Tell me a story")
    await act(page, 2, "Copy").last.click()
    assert await page.evaluate("navigator.clipboard.readText()") == chat.messages[1]["text"]
