"""The tree of a chat as a map, and two of its texts side by side."""

from __future__ import annotations

import re

import pytest
import pytest_asyncio
import shelf
from acts import PHONE, act, choose, message, nodes, said, until_written
from playwright.async_api import expect

TEXTS = ["One lamp burns.", "The ferry is late.", "Two lamps burn.", "The pilot is here."]


@pytest_asyncio.fixture(loop_scope="session")
async def forked(chat):
    """Four messages; after the second one a branch of its own, which is not shown."""
    for number, text in enumerate(TEXTS):
        chat.add("assistant" if number % 2 else "user", text)
    second = chat.messages[1]["id"]
    branch = {"revision": chat.now["revision"]}
    chat.client.post(f"{chat.path}/messages/{second}/branch", branch)
    chat.add("user", "Three lamps burn.")
    chat.client.post(f"{chat.path}/head", chat.at_revision(message_id=chat_end(chat)))
    return chat


def chat_end(chat):
    """The last message of the branch that is not shown."""
    branches = chat.client.get(f"{chat.path}/branches")["branches"]
    return next(branch["id"] for branch in branches if not branch["shown"])


async def opened(page):
    await page.get_by_role("button", name="Map of the chat").click()
    side = page.get_by_role("complementary", name="Map of the chat")
    await expect(side.get_by_role("application")).to_be_visible()
    return side


async def test_the_keyboard_walks_and_goes(open_page, forked):
    page = await open_page(f"#/chat/{forked.id}")
    side = await opened(page)
    await expect(side).to_contain_text("5 messages, 2 lines")
    await side.get_by_role("application").focus()
    await expect(side).to_contain_text("The pilot is here.")
    await page.keyboard.press("ArrowUp")
    await expect(side).to_contain_text("Two lamps burn.")
    await page.keyboard.press("ArrowRight")
    await expect(side).to_contain_text("Three lamps burn.")
    await page.keyboard.press("Enter")
    await expect(message(page, 3)).to_contain_text("Three lamps burn.")
    await expect(page.get_by_role("article")).to_have_count(3)


async def test_a_click_on_a_dot_goes_there(open_page, forked):
    page = await open_page(f"#/chat/{forked.id}")
    side = await opened(page)
    await expect(side).to_contain_text("The pilot is here.")
    await side.get_by_role("application").click(position={"x": 38, "y": 62})  # the second lane, the third row
    await expect(message(page, 3)).to_contain_text("Three lamps burn.")


async def test_two_dots_are_compared_and_one_is_used(open_page, forked):
    page = await open_page(f"#/chat/{forked.id}")
    side = await opened(page)
    await side.get_by_role("application").focus()
    await page.keyboard.press("ArrowUp")
    await expect(side).to_contain_text("Two lamps burn.")
    await page.keyboard.press("c")
    await page.keyboard.press("ArrowRight")
    await side.get_by_role("button", name="Compare with the marked one").click()
    view = page.get_by_role("dialog", name="Side by side")
    await expect(view).to_contain_text("2 messages are the same")
    await expect(view.get_by_role("region", name="Left").locator("mark").first).to_have_text("Two")
    await expect(view.get_by_role("region", name="Right").locator("mark").first).to_have_text("Three")
    await view.get_by_role("region", name="Right").get_by_role("button", name="Use this one").click()
    await expect(message(page, 3)).to_contain_text("Three lamps burn.")


async def test_a_checkpoint_is_named_and_found_again(open_page, forked):
    page = await open_page(f"#/chat/{forked.id}")
    await choose(page, 3, "Name a checkpoint")
    await page.get_by_role("dialog").get_by_label("Checkpoint").fill("Before the storm")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(message(page, 3)).to_contain_text("Before the storm")
    side = await opened(page)
    await side.get_by_role("application").focus()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    await expect(message(page, 3)).to_contain_text("Three lamps burn.")
    await side.get_by_role("button", name="Before the storm").click()
    await expect(message(page, 3)).to_contain_text("Two lamps burn.")


async def test_swipes_are_compared_and_another_one_is_used(page):
    await said(page, "Hello")
    await act(page, 2, "Regenerate").click()
    await expect(message(page, 2)).to_contain_text("2/2")
    await until_written(page)
    second = await message(page, 2).locator(".prose").inner_text()
    await choose(page, 2, "Compare side by side")
    view = page.get_by_role("dialog", name="Side by side")
    await expect(view.get_by_role("region", name="Right")).to_contain_text(second.strip())
    await view.get_by_role("region", name="Left").get_by_role("button", name="Use this one").click()
    await expect(message(page, 2)).to_contain_text("1/2")
    await expect(message(page, 2)).not_to_contain_text(second.strip())


async def test_versions_are_compared(page, chat):
    chat.add("user", "The lamp is lit.")
    await expect(message(page, 1)).to_be_visible()
    await act(page, 1, "Edit").click()
    await page.get_by_role("textbox", name="Text of the message").fill("The lamp is out.")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(message(page, 1)).to_contain_text("The lamp is out.")
    await choose(page, 1, "Compare side by side")
    view = page.get_by_role("dialog", name="Side by side")
    await expect(view.get_by_role("region", name="Left").locator("mark")).to_have_text("lit")
    await view.get_by_role("button", name="Use this one").click()
    await expect(message(page, 1)).to_contain_text("The lamp is lit.")


async def test_what_is_left_out_says_so(open_page, forked):
    page = await open_page(f"#/chat/{forked.id}")
    await choose(page, 1, "Leave out of prompts")
    await expect(message(page, 1)).to_contain_text("not told to the model")
    assert forked.messages[0]["left_out"]
    await choose(page, 1, "Tell the model again")
    await expect(message(page, 1)).not_to_contain_text("not told to the model")


@pytest.fixture(scope="session")
def great_tree(client, web_home):
    """5,000 messages, and 200 branches of it."""
    chat = client.new_chat(model="tiny", title="A great tree")
    shelf.fill(web_home.database, chat.id, [f"Message number {number}." for number in range(1, 5001)])
    shelf.branch_off(web_home.database, chat.id, range(20, 4020, 20))
    return chat


async def test_a_great_tree_is_one_canvas(open_page, great_tree):
    page = await open_page(f"#/chat/{great_tree.id}")
    await expect(page.get_by_text("Message number 5000.")).to_be_visible()
    side = await opened(page)
    await expect(side).to_contain_text("5,200 messages, 201 lines")
    assert await nodes(page) < 1_000
    await side.get_by_role("application").focus()
    await page.keyboard.press("Home")
    await expect(side).to_contain_text("Message number 1.")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Message number 1.").first).to_be_in_viewport()


async def test_the_map_is_a_sheet_on_a_phone(open_page, forked):
    page = await open_page(f"#/chat/{forked.id}", **PHONE)
    await page.get_by_role("button", name="Map of the chat").tap()
    side = page.get_by_role("complementary", name="Map of the chat")
    box = await side.bounding_box()
    assert (box["x"], box["width"]) == (0, 390)
    await side.get_by_role("application").tap(position={"x": 38, "y": 62})
    await expect(side).to_contain_text("Three lamps burn.")
    await side.get_by_role("button", name="Go here").tap()
    await expect(side).to_have_count(0)
    await expect(message(page, 3)).to_contain_text(re.compile("Three lamps burn"))
