"""A slow line and a quick hand: what is pressed is done once, where it was pressed; what is left is left."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from acts import act, composer, eventually, held, message, say, texts, until_they_say, until_written
from penned import a_novel
from playwright.async_api import Page, expect


async def at(page: Page, where: str) -> None:
    await page.goto(re.sub("#.*|$", where, page.url, count=1))


async def in_chat(page: Page, id: str, title: str) -> None:
    await at(page, f"#/chat/{id}")
    await expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()


def undo(page: Page) -> Any:
    return page.get_by_role("status").get_by_role("button", name="Undo")


# ── a reply ─────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_said_stands_on_the_page_at_once_and_can_be_stopped_before_it_began(page, chat):
    answer = await held(page, f"/chats/{chat.id}/turns$", "POST")
    await say(page, "Speak slowly")
    await answer.asked.wait()
    await expect(message(page, 1)).to_contain_text("Speak slowly")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    await answer.let_go()
    await until_written(page)
    assert "word399" not in "".join(await texts(page))  # nor, perhaps, anything else


async def test_a_reply_that_begins_in_a_chat_that_was_left_is_not_shown_in_another(open_page, client, chat):
    other = client.new_chat(model="tiny", title="Elsewhere")
    page = await open_page(f"#/chat/{chat.id}")
    answer = await held(page, f"/chats/{chat.id}/turns$", "POST")
    await say(page, "Speak steadily")
    await answer.asked.wait()
    await in_chat(page, other.id, "Elsewhere")
    await answer.let_go(page)
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
    await expect(page.get_by_role("article")).to_have_count(0)
    await in_chat(page, chat.id, "A chat")
    await until_written(page)
    await expect(message(page, 2)).to_contain_text("step89")


async def test_a_turn_that_is_heard_of_before_what_was_said_for_it_is_shown_with_it(open_page, client, chat):
    page = await open_page()
    before = chat.now, client.get(f"{chat.path}/messages")
    turn = chat.start(kind="reply", text="Speak slowly")["turn_id"]
    for address, told in zip(("$", r"/messages\?"), (before[0] | {"turn_id": turn}, before[1]), strict=True):
        await page.route(re.compile(chat.path + address), told_by(told), times=1)
    await at(page, f"#/chat/{chat.id}")
    await expect(message(page, 1)).to_contain_text("Speak slowly")
    await expect(message(page, 2)).to_contain_text("word3")
    await page.get_by_role("button", name="Stop").click()
    await until_written(page)


def told_by(told: dict[str, Any]) -> Any:
    return lambda route: route.fulfill(json=told)


async def test_what_was_refused_after_the_chat_was_left_is_in_its_box_again(open_page, client, chat):
    other = client.new_chat(model="tiny", title="Elsewhere")
    page = await open_page(f"#/chat/{chat.id}")
    free = asyncio.Event()

    async def refuse(route: Any) -> None:
        await free.wait()
        await route.abort()

    turns = re.compile(f"/chats/{chat.id}/turns$")
    await page.route(turns, refuse)
    async with page.expect_request(turns):  # said before the chat is read, it waits for that
        await say(page, "Is anybody there?")
    await in_chat(page, other.id, "Elsewhere")
    await in_chat(page, chat.id, "A chat")
    await composer(page).fill("Hello?")
    free.set()
    await expect(composer(page)).to_have_value("Is anybody there?\nHello?")


async def test_text_that_was_put_into_the_box_is_put_there_once(open_page, client, chat):
    rows = [{"label": "Look", "message": "I look."}]
    made = client.post("/replies", {"name": "Once", "replies": rows, "sends": False}, 201)
    page = await open_page(f"#/chat/{chat.id}")
    await page.get_by_role("toolbar", name="Quick replies").get_by_role("button", name="Look").click()
    await expect(composer(page)).to_have_value("I look.")
    await composer(page).fill("")
    await at(page, "#/settings")
    await in_chat(page, chat.id, "A chat")
    await expect(composer(page)).to_have_value("")
    client.http.delete(f"/replies/{made['id']}")


# ── what is changed in a chat ───────────────────────────────────────────────────────────────────────


async def test_who_types_on_while_an_edit_is_saved_goes_on_editing(page, chat):
    chat.add("user", "Hello")
    answer = await held(page, f"/chats/{chat.id}/messages/", "PATCH")
    await message(page, 1).focus()
    await page.keyboard.press("e")
    text = page.get_by_role("textbox", name="Text of the message")
    await text.fill("Hello there")
    await page.get_by_role("button", name="Save", exact=True).click()
    await answer.asked.wait()
    await expect(page.get_by_role("button", name="Save", exact=True)).to_have_attribute("aria-busy", "true")
    await text.fill("Hello there, all")
    await answer.let_go(page)
    await eventually(lambda: chat.texts == ["Hello there"])
    await expect(text).to_have_value("Hello there, all")


async def test_who_closes_the_page_before_a_change_could_be_sent_is_asked(page, chat):
    asked = "!dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    await page.get_by_role("button", name="Chat settings").click()
    panel = page.get_by_role("complementary", name="Chat settings")
    answer = await held(page, f"/chats/{chat.id}$", "PATCH")
    await panel.get_by_label("System prompt").fill("Be brief.")
    await panel.get_by_role("spinbutton", name="Temperature", exact=True).fill("1.4")
    await answer.asked.wait()
    assert not await page.evaluate(asked)  # it is with the studio already
    await composer(page).click()
    assert await page.evaluate(asked)
    await answer.let_go(page)
    await eventually(lambda: chat.now["sampling"] == {"temperature": 1.4})
    assert not await page.evaluate(asked)


async def test_two_quick_presses_turn_two_alternatives_on(page, chat):
    chat.say("Hello", kind="reply", count=3)
    await expect(message(page, 2)).to_contain_text("1/3")
    answer = await held(page, f"/chats/{chat.id}/head$", "POST")
    for place in ("2/3", "3/3"):
        await act(page, 2, "Next alternative").click()
        await expect(message(page, 2)).to_contain_text(place)
    await answer.let_go(page)
    await eventually(lambda: chat.messages[1]["swipe"]["index"] == 2)


async def test_the_way_back_leads_into_the_chat_it_was_offered_in(open_page, client, chat):
    other = client.new_chat(model="tiny", title="Elsewhere")
    for one in (chat, other):
        one.add("user", "Hello")
    page = await open_page(f"#/chat/{chat.id}")
    await message(page, 1).focus()
    await page.keyboard.press("Delete")
    await expect(undo(page)).to_be_visible()
    await in_chat(page, other.id, "Elsewhere")
    await undo(page).click()
    await eventually(lambda: chat.texts == ["Hello"])
    await until_they_say(page, ["Hello"])
    assert other.texts == ["Hello"]


async def test_what_waits_for_its_turn_when_the_chat_is_left_is_changed_all_the_same(open_page, client, chat):
    other = client.new_chat(model="tiny", title="Elsewhere", sampling={"top_k": 7})
    page = await open_page(f"#/chat/{chat.id}")
    await page.get_by_role("button", name="Chat settings").click()
    panel = page.get_by_role("complementary", name="Chat settings")
    answer = await held(page, f"/chats/{chat.id}$", "PATCH")
    await panel.get_by_label("System prompt").fill("Be brief.")
    await panel.get_by_role("spinbutton", name="Temperature", exact=True).fill("1.4")
    await composer(page).click()
    await answer.asked.wait()
    await in_chat(page, other.id, "Elsewhere")
    await answer.let_go(page)
    await eventually(
        lambda: (chat.now["system"], chat.now["sampling"]) == ("Be brief.", {"temperature": 1.4})
    )
    assert (other.now["system"], other.now["sampling"]) == ("", {"top_k": 7})


async def test_a_title_is_shown_from_the_moment_it_is_given(page, chat):
    answer = await held(page, f"/chats/{chat.id}$", "PATCH")
    await page.get_by_role("heading", name="A chat").get_by_role("button").click()
    await page.get_by_role("textbox", name="Title of the chat").fill("High water")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="High water")).to_be_visible()
    await answer.let_go(page)
    await expect(page.get_by_role("heading", name="High water")).to_be_visible()
    await eventually(lambda: chat.now["title"] == "High water")


async def test_a_name_given_in_the_list_is_sent_once(open_page, client):
    chat = client.new_chat(model="tiny", title="Called otherwise")
    page = await open_page(f"#/chat/{chat.id}")
    answer = await held(page, f"/chats/{chat.id}$", "PATCH")
    row = page.get_by_role("listitem").filter(has_text="Called otherwise")
    await row.get_by_role("button", name="More for").click()
    await page.get_by_role("menuitem", name="Rename").click()
    await page.keyboard.type("Called so")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Called so")).to_be_visible()
    await answer.asked.wait()
    await answer.let_go(page)
    await eventually(lambda: chat.now["title"] == "Called so")
    await expect(page.locator(".toast-error")).to_have_count(0)
    assert answer.count == 1


# ── what is made ────────────────────────────────────────────────────────────────────────────────────


async def test_two_presses_make_one_and_lead_nobody_back_who_has_gone_on(open_page, client):
    page = await open_page("#/characters")
    answer = await held(page, "/characters$", "POST")
    await page.get_by_role("button", name="New character").dblclick()
    await answer.asked.wait()
    await at(page, "#/settings/language")
    await answer.let_go(page)
    await expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()
    assert page.url.endswith("#/settings/language")
    assert answer.count == 1


async def test_a_chat_that_is_no_longer_empty_is_not_taken_for_a_new_one(open_page, client):
    used = client.new_chat(model="tiny")
    page = await open_page()
    await page.get_by_role("button", name="Chat with").wait_for()
    answer = await held(page, r"/chats\?limit=")  # the list stays as it was
    used.add("user", "I was faster")
    await page.get_by_role("button", name="Chat with").click()
    await expect(composer(page)).to_be_visible()
    assert used.id not in page.url
    await answer.let_go()


async def test_a_button_shows_that_it_was_pressed_until_the_answer_is_there(open_page, client):
    made = client.post("/personas", {"name": "Ines who waits"}, 201)
    page = await open_page("#/lore")
    row = page.get_by_role("listitem").filter(has_text="Ines who waits")
    await row.get_by_text("More").click()
    answer = await held(page, f"/personas/{made['id']}/uses$")
    look = row.get_by_role("button", name="Chats that name it")
    await look.click()
    await expect(look).to_have_attribute("aria-busy", "true")
    await look.click()
    await expect(look).to_be_focused()
    await answer.let_go()
    await expect(row.get_by_text("No chat names it.")).to_be_visible()
    assert answer.count == 1
    client.call("DELETE", f"/personas/{made['id']}", 204)


async def test_a_persona_that_could_not_be_removed_is_not_told_to_be_gone(open_page, client):
    made = client.post("/personas", {"name": "Ines who stays"}, 201)
    page = await open_page("#/lore")
    await page.route(re.compile(f"/personas/{made['id']}$"), lambda route: route.abort())
    await page.get_by_role("button", name="Delete Ines who stays").click()
    await expect(page.get_by_role("status").filter(has_text="does not answer")).to_be_visible()
    await expect(undo(page)).to_have_count(0)
    client.call("DELETE", f"/personas/{made['id']}", 204)


async def test_a_chapter_taken_away_comes_back_in_its_own_novel(open_page, client):
    one, other = a_novel(client, "One.", "Two."), a_novel(client, "Noon.", "Night.")
    page = await open_page(f"#/novel/{one['id']}")
    await page.get_by_role("button", name=re.compile("More for the chapter .Chapter 2")).click()
    await page.get_by_role("menuitem", name="Remove the chapter").click()
    await expect(undo(page)).to_be_visible()
    await at(page, f"#/novel/{other['id']}")
    await expect(page.locator("#paper")).to_have_value("Noon.")
    await undo(page).click()
    await eventually(lambda: len(client.get(f"/novels/{one['id']}")["chapters"]) == 2)
    assert client.get(f"/novels/{other['id']}")["revision"] == other["revision"]
