"""Hands that are faster than the page: what is pressed or typed next is meant for what was asked for."""

from __future__ import annotations

import asyncio
import re

from acts import composer, eventually, held, message, until_they_say, until_written
from penned import paper
from playwright.async_api import Locator, Page, Route, expect
from talking import Client
from test_beyond import opened

# Until everything is drawn that can be before the browser does anything else: no frame has come, no key.
DRAWN = "for (let turn = 0; turn < 100; turn += 1) await null;"
PRESS = """(key, more = {}) => (document.activeElement ?? document.body).dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }))"""


async def at_once(page: Page, *acts: str) -> object:
    """Acts of which each is drawn before the next, all before the next frame; the last one answers."""
    *first, last = acts
    steps = "".join(f"{act}; {DRAWN}\n" for act in first)
    return await page.evaluate(f"async () => {{ const press = {PRESS}; {steps} return {last}; }}")


async def go(page: Page, where: str) -> None:
    await page.evaluate("where => { location.hash = where }", where)


def commands(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Commands")


def empty(client: Client) -> list[str]:
    """Chats that nothing was said in and nobody has named."""
    chats = client.get("/chats?limit=200")["chats"]
    return [chat["id"] for chat in chats if not chat["message_count"] and not chat["title"]]


def remove_empty(client: Client) -> None:
    for chat in empty(client):
        client.call("DELETE", f"/chats/{chat}", status=204)


class Coming:
    """A file of the app that is on its way until it is let go."""

    def __init__(self) -> None:
        self.asked, self.free = asyncio.Event(), asyncio.Event()

    async def __call__(self, route: Route) -> None:
        self.asked.set()
        await self.free.wait()
        await route.continue_()


async def coming(page: Page, file: str) -> Coming:
    one = Coming()
    await page.route(re.compile(file), one)
    return one


# ── with the drawing ────────────────────────────────────────────────────────────────────────────────


async def test_the_palette_has_the_keys_as_soon_as_it_is_drawn(page):
    await page.keyboard.press("Control+k")
    await expect(commands(page)).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    focused = "document.activeElement.getAttribute('role')"
    assert await at_once(page, "press('k', { ctrlKey: true })", focused) == "combobox"


async def test_what_is_looked_for_in_a_novel_is_not_typed_into_it(open_page, client):
    novel = client.post("/novels", {"title": "Found"}, 201)
    page = await open_page(f"#/novel/{novel['id']}")
    await paper(page).click()
    focused = "document.activeElement.type"
    assert await at_once(page, "press('f', { ctrlKey: true })", focused) == "search"


async def test_a_key_pressed_after_leaving_changes_nothing_in_the_chat_that_was_left(page, client, chat):
    chat.add("user", "Stay")
    await until_they_say(page, ["Stay"])
    other = client.new_chat(model="tiny", title="Beside it")
    await expect(page.get_by_role("link", name="Beside it")).to_be_visible()
    await page.evaluate("document.activeElement.blur()")
    before = chat.now["revision"]
    left = f"document.querySelector('a[href=\"#/chat/{other.id}\"]').click()"
    await at_once(page, left, "document.activeElement.blur()", "press('z', { ctrlKey: true })")
    await expect(page.get_by_role("heading", name="Beside it")).to_be_visible()
    assert chat.now["revision"] == before


async def test_a_quick_reply_that_says_nothing_yet_is_written_at_once(page, client):
    mine = client.post("/replies", {"name": "Mine", "replies": [{"label": "Wave", "message": ""}]}, 201)
    side = await opened(page, "Quick replies")
    await expect(side.get_by_role("button", name="Wave", exact=True)).to_be_visible()
    row = "document.querySelector('.reply-row').click()"
    assert await at_once(page, row, "document.activeElement.localName") == "textarea"
    client.call("DELETE", f"/replies/{mine['id']}", status=204)


async def test_what_the_palette_leads_to_has_the_next_key(page, client):
    client.new_chat(model="tiny", title="Quixotry 77")
    await page.keyboard.press("Control+k")
    await commands(page).fill("Quixotry 77")
    await expect(page.get_by_role("option", name="Quixotry 77")).to_be_visible()
    await at_once(page, "press('Enter')", "document.execCommand('insertText', false, 'At once')")
    await expect(page.get_by_role("heading", name="Quixotry 77")).to_be_visible()
    await expect(composer(page)).to_have_value("At once")


async def test_new_chat_in_an_empty_one_leads_to_its_text(open_page, client):
    remove_empty(client)
    chat = client.new_chat(model="tiny")
    page = await open_page(f"#/chat/{chat.id}")
    chats = page.get_by_role("navigation", name="List of chats")
    await expect(chats.get_by_role("link", name="New chat")).to_be_visible()
    answer = await held(page, f"/chats/{chat.id}$")
    await chats.get_by_role("button", name="New chat", exact=True).click()
    await answer.asked.wait()
    await page.keyboard.type("Good ev")
    await answer.let_go()
    await expect(composer(page)).to_be_focused()
    await page.keyboard.type("ening")
    await expect(composer(page)).to_have_value("Good evening")


# ── typed before it is there ────────────────────────────────────────────────────────────────────────


async def test_what_is_typed_for_the_palette_is_not_said(page, chat):
    code = await coming(page, r"/Palette\.js$")
    await composer(page).press("Control+k")
    await code.asked.wait()
    await page.keyboard.type("settinx")
    await page.keyboard.press("Backspace")
    await page.keyboard.press("Enter")
    code.free.set()
    await expect(commands(page)).to_have_value("settin")
    await page.keyboard.type("gs")
    await expect(commands(page)).to_have_value("settings")
    await page.keyboard.press("Escape")
    await expect(composer(page)).to_have_value("")
    assert chat.now["message_count"] == 0


async def test_a_dialog_that_cannot_be_had_takes_no_keys(page):
    await page.route(re.compile(r"/Palette\.js$"), lambda route: route.abort())
    async with page.expect_event("requestfailed"):
        await composer(page).press("Control+k")
    await composer(page).press("x")
    await expect(composer(page)).to_have_value(re.compile("x$"))


async def test_what_is_typed_before_a_chat_is_read_stands_in_it_and_is_said_in_it(open_page, chat):
    chat.add("user", "Before")
    page = await open_page()
    answer = await held(page, f"/chats/{chat.id}$")
    await go(page, f"#/chat/{chat.id}")
    await answer.asked.wait()
    await page.keyboard.type("Hello")
    await expect(composer(page)).to_have_value("Hello")
    await page.keyboard.press("Enter")
    await page.keyboard.type("And more")
    await answer.let_go()
    await expect(message(page, 2)).to_contain_text("Hello")
    await until_written(page)
    await expect(composer(page)).to_have_value("And more")
    await expect(composer(page)).to_be_focused()


async def test_what_is_said_in_a_chat_that_is_left_before_it_is_read_is_kept_for_it(open_page, client, chat):
    other = client.new_chat(model="tiny", title="Gone to")
    page = await open_page()
    answer = await held(page, f"/chats/{chat.id}$", first=True)
    await go(page, f"#/chat/{chat.id}")
    await answer.asked.wait()
    await page.keyboard.type("Hello")
    await page.keyboard.press("Enter")
    await go(page, f"#/chat/{other.id}")
    await expect(page.get_by_role("heading", name="Gone to")).to_be_visible()
    await answer.let_go(page)
    await expect(composer(page)).to_have_value("")
    await go(page, f"#/chat/{chat.id}")
    await expect(composer(page)).to_have_value("Hello")
    assert (chat.now["message_count"], other.now["message_count"]) == (0, 0)


async def test_what_is_typed_before_the_room_of_chats_is_here_stands_in_the_chat(open_page, chat):
    page = await open_page()
    code = await coming(page, r"/views/chat\.js$")
    await go(page, f"#/chat/{chat.id}")
    await code.asked.wait()
    await page.keyboard.type("Hello? You /there/")
    code.free.set()
    await expect(composer(page)).to_have_value("Hello? You /there/")
    await page.keyboard.type("!")
    await expect(composer(page)).to_have_value("Hello? You /there/!")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_what_is_typed_while_a_chat_is_made_stands_in_it(open_page, client):
    remove_empty(client)
    page = await open_page()
    answer = await held(page, "/chats$", "POST")
    await page.get_by_role("button", name="Chat with").click()
    await answer.asked.wait()
    await page.keyboard.type("Hello you")
    await answer.let_go()
    await expect(composer(page)).to_have_value("Hello you")


# ── twice ───────────────────────────────────────────────────────────────────────────────────────────


# Presses once more when the address has changed, and all is drawn that is drawn with it.
AGAIN = f"""button => {{
    window.navigation.addEventListener("currententrychange", async () => {{
        {DRAWN}
        window.pressed = true;
        button.isConnected && button.click();
    }}, {{ once: true }});
    button.click();
}}"""


async def test_new_chat_pressed_again_before_the_list_knows_is_one_chat(open_page, client, chat):
    remove_empty(client)
    page = await open_page(f"#/chat/{chat.id}")
    chats = page.get_by_role("navigation", name="List of chats")
    await expect(chats.get_by_role("link", name="A chat").first).to_be_visible()
    new_chat = chats.get_by_role("button", name="New chat", exact=True)
    answer = await held(page, r"/chats\?limit=")
    await new_chat.click()
    await expect(page).not_to_have_url(re.compile(chat.id))
    first = page.url
    async with page.expect_response(re.compile(f"/chats/{first.split('/')[-1]}$")):
        await new_chat.click()
    await answer.let_go(page)
    assert page.url == first
    assert len(empty(client)) == 1


async def test_new_character_pressed_twice_is_one(open_page, client):
    page = await open_page("#/characters")
    before = client.get("/characters?limit=1")["total"]
    await page.get_by_role("button", name="New character").evaluate(AGAIN)
    await expect(page.get_by_role("textbox", name="Name", exact=True)).to_be_visible()
    assert await page.evaluate("window.pressed")
    await eventually(lambda: client.get("/characters?limit=1")["total"] == before + 1)


async def test_a_key_that_is_held_branches_once(page, chat):
    chat.add("user", "Here")
    await until_they_say(page, ["Here"])
    answer = await held(page, "/branch$", "POST")
    await message(page, 1).focus()
    for _ in range(3):
        await page.keyboard.press("b")
    await answer.asked.wait()
    await answer.let_go(page)
    await expect(page.get_by_role("button", name="Undo")).to_have_count(1)
    assert answer.count == 1
