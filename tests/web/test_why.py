"""Why is this reply bad: findings with numbers, and a fix that is tried blind."""

from __future__ import annotations

import pytest_asyncio
from acts import choose, said
from playwright.async_api import expect
from test_access import check


@pytest_asyncio.fixture(loop_scope="session")
async def circling(open_page, client):
    """A chat whose reply goes round and round."""
    chat = client.new_chat(model="tiny", title="Rounds", sampling={"loop_count": 0, "seed": 1})
    page = await open_page(f"#/chat/{chat.id}")
    await said(page, "Speak in circles")
    await choose(page, 2, "Why is this reply bad?")
    return page, chat


async def test_a_fix_is_tried_blind_and_nothing_is_lost(circling):
    page, chat = circling
    before = chat.messages[1]["id"]
    dialog = page.get_by_role("dialog", name="Why is this reply bad?")
    await expect(dialog).to_contain_text("The reply repeats itself")
    found = dialog.get_by_role("listitem").filter(has_text="repeats itself")
    await found.get_by_role("button", name="Try it blind").click()
    trial = page.get_by_role("dialog", name="Which is better?")
    await expect(trial).not_to_contain_text("DRY")
    await trial.get_by_role("button", name="Take A").click()
    await expect(trial).to_contain_text("As it is now")
    await expect(trial).to_contain_text("With DRY 0.8")
    await trial.get_by_role("button", name="Close").last.click()
    await expect(page.get_by_text("2/3")).to_be_visible()
    swipe = chat.messages[1]["swipe"]
    assert swipe["ids"][0] == before
    assert swipe["count"] == 3
    assert chat.messages[1]["id"] == swipe["ids"][1]


async def test_what_won_can_hold_from_then_on(circling):
    page, chat = circling
    dialog = page.get_by_role("dialog", name="Why is this reply bad?")
    await dialog.get_by_role("button", name="Try it blind").first.click()
    trial = page.get_by_role("dialog", name="Which is better?")
    changed = trial.get_by_role("region").filter(has_text="With DRY 0.8")
    await trial.get_by_role("button", name="Take B").click()
    await expect(changed).to_be_visible()
    keep = trial.get_by_role("button", name="Use this in the chat from now on")
    if "With DRY 0.8" in await trial.get_by_role("region", name="Reply B").inner_text():
        await keep.click()
        await expect(page.get_by_text("The change holds in this chat.")).to_be_visible()
    else:
        await expect(keep).to_have_count(0)
        await trial.get_by_role("button", name="Close").last.click()
    await expect(page.get_by_text("3/3")).to_be_visible()
    lasting = chat.now["sampling"].get("dry_multiplier")
    assert lasting == (0.8 if chat.messages[1]["facts"]["effective"]["dry_multiplier"] else None)


async def test_neither_brings_back_what_was_there(circling):
    page, chat = circling
    before = chat.messages[1]["id"]
    dialog = page.get_by_role("dialog", name="Why is this reply bad?")
    await dialog.get_by_role("button", name="Try it blind").first.click()
    trial = page.get_by_role("dialog", name="Which is better?")
    await expect(trial.get_by_role("button", name="Take B")).to_be_enabled()
    await trial.get_by_role("button", name="Neither").click()
    await expect(page.get_by_role("article", name="Message 2,")).to_contain_text("Round and round")
    await expect(page.get_by_text("1/3")).to_be_visible()
    assert chat.messages[1]["id"] == before


async def test_what_opens_has_no_serious_fault(circling):
    page, _ = circling
    dialog = page.get_by_role("dialog", name="Why is this reply bad?")
    await expect(dialog.get_by_role("listitem").first).to_be_visible()
    await check(page)
    await dialog.get_by_role("button", name="Try it blind").first.click()
    trial = page.get_by_role("dialog", name="Which is better?")
    await expect(trial.get_by_role("button", name="Take B")).to_be_enabled()
    await check(page)
    await trial.get_by_role("button", name="Neither").click()
    await page.get_by_role("button", name="Chat settings").click()
    panel = page.get_by_role("complementary", name="Chat settings")
    await panel.get_by_role("slider", name="Temperature", exact=True).wait_for()
    for words in ("What the settings do", "Banned words", "Unlikely words", "Repetition", "Order"):
        await panel.locator("summary").filter(has_text=words).click()
    await expect(panel.get_by_role("table")).to_be_visible()
    await check(page)


async def test_an_older_reply_is_asked_about_and_tried_from_there(open_page, client):
    chat = client.new_chat(model="tiny", title="Rounds before", sampling={"loop_count": 0, "seed": 1})
    chat.say("Speak in circles")
    chat.say("Hello again")
    older, last = chat.messages[1]["id"], chat.messages[3]["id"]
    page = await open_page(f"#/chat/{chat.id}")
    await choose(page, 2, "Why is this reply bad?")
    dialog = page.get_by_role("dialog", name="Why is this reply bad?")
    await dialog.get_by_role("button", name="Try it blind").first.click()
    trial = page.get_by_role("dialog", name="Which is better?")
    await expect(trial.get_by_role("button", name="Take B")).to_be_enabled()
    await trial.get_by_role("button", name="Neither").click()
    await expect(page.get_by_role("article")).to_have_count(4)
    await expect(page.get_by_role("article", name="Message 2,")).to_contain_text("1/3")
    assert [chat.messages[1]["id"], chat.messages[3]["id"]] == [older, last]
