"""A model that thinks before it answers: the thought is folded away above the answer."""

from __future__ import annotations

from acts import act, composer, eventually, message, said, say, until_written
from playwright.async_api import expect
from script import THOUGHT


async def test_the_thought_is_folded_above_the_reply(open_page, thinking_chat):
    page = await open_page(f"#/chat/{thinking_chat.id}")
    await said(page, "Please ponder")
    reply = message(page, 2)
    fold = reply.get_by_role("button", name="Thinking")
    await expect(reply.get_by_text("twelve")).to_be_visible()
    await expect(reply.get_by_text(THOUGHT)).to_have_count(0)
    await fold.click()
    await expect(reply.get_by_text(THOUGHT)).to_be_visible()
    await expect(fold).to_contain_text(f"{thinking_chat.messages[1]['facts']['reasoning_tokens']} tokens")


async def test_a_stored_thought_is_folded_after_a_reload(open_page, thinking_chat):
    thinking_chat.say("Please ponder", kind="reply")
    page = await open_page(f"#/chat/{thinking_chat.id}")
    await expect(message(page, 2).get_by_text(THOUGHT)).to_have_count(0)
    await message(page, 2).get_by_role("button", name="Thinking").click()
    await expect(message(page, 2).get_by_text(THOUGHT)).to_be_visible()


async def test_opening_a_thought_keeps_its_beginning_on_the_screen(open_page, thinking_chat):
    thinking_chat.say("Please dwell", kind="reply", sampling={"think_budget": 600})
    page = await open_page(f"#/chat/{thinking_chat.id}", viewport={"width": 900, "height": 400})
    fold = message(page, 2).get_by_role("button", name="Thinking")
    await fold.click()
    await expect(message(page, 2).get_by_text("First. And then again.")).to_be_visible()
    await expect(fold).to_be_in_viewport()


async def test_the_thought_can_be_read_while_it_comes_and_cut_short(open_page, thinking_chat):
    page = await open_page(f"#/chat/{thinking_chat.id}")
    await say(page, "Please dwell")
    await message(page, 2).get_by_role("button", name="Thinking").click()
    await expect(message(page, 2)).to_contain_text("And then again.")
    await act(page, 2, "Answer now").click()
    await expect(message(page, 2)).to_contain_text("Then it is twelve.")
    await until_written(page)
    await expect(act(page, 2, "Answer now")).to_have_count(0)
    reply = thinking_chat.messages[1]
    assert (reply["text"], reply["facts"]["finish_reason"]) == ("Then it is twelve.", "stop")


async def test_a_reload_in_mid_thought_finds_it_again(open_page, thinking_chat):
    page = await open_page(f"#/chat/{thinking_chat.id}")
    await say(page, "Please dwell")
    await expect(act(page, 2, "Answer now")).to_be_visible()
    await page.reload()
    await message(page, 2).get_by_role("button", name="Thinking").click()
    await expect(message(page, 2)).to_contain_text("First. And then again.")
    await page.keyboard.press("Escape")
    await until_written(page)
    assert thinking_chat.messages[1]["text"] == ""


async def test_copy_leaves_the_thought_out(open_page, thinking_chat):
    page = await open_page(f"#/chat/{thinking_chat.id}", permissions=["clipboard-read", "clipboard-write"])
    await said(page, "Please ponder")
    await message(page, 2).get_by_role("button", name="Thinking").click()
    await act(page, 2, "Copy").last.click()
    assert await page.evaluate("navigator.clipboard.readText()") == "There are **twelve** lamps."


async def test_thinking_is_switched_off_in_the_panel(open_page, thinking_chat):
    page = await open_page(f"#/chat/{thinking_chat.id}")
    await page.get_by_role("button", name="Chat settings").click()
    await page.get_by_role("radio", name="Off").check(force=True)
    await composer(page).click()
    await said(page, "Please ponder")
    await expect(message(page, 2).get_by_role("button", name="Thinking")).to_have_count(0)
    await eventually(lambda: thinking_chat.now["sampling"] == {"think": False})
    await page.get_by_role("radio", name="As the model does").check(force=True)
    await expect(page.get_by_role("radio", name="As the model does")).to_be_checked()


async def test_a_model_that_does_not_think_has_no_such_switch(page):
    await page.get_by_role("button", name="Chat settings").click()
    await expect(page.get_by_role("combobox", name="Preset")).to_be_visible()
    await expect(page.get_by_role("group", name="Thinking")).to_have_count(0)
