"""Answers that come late: what somebody has typed or chosen meanwhile stays, and old news undo nothing."""

from __future__ import annotations

import re

import pytest
import pytest_asyncio
import tiny_model
from acts import composer, eventually, held
from playwright.async_api import expect

# Moves a slider without letting go of it.
DRAG = "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input', { bubbles: true })); }"


async def at(page, where: str) -> None:
    await page.goto(re.sub("#.*|$", where, page.url, count=1))


@pytest_asyncio.fixture(loop_scope="session")
async def panel(page):
    await page.get_by_role("button", name="Chat settings").click()
    return page.get_by_role("complementary", name="Chat settings")


@pytest.fixture
def new_model(web_home):
    """A model that comes to the others, before all of them."""
    file = web_home.models / "aardvark.gguf"
    yield lambda: tiny_model.write(file)
    file.unlink(missing_ok=True)


def content(client, book) -> str:
    return str(client.get(f"/lorebooks/{book['id']}")["entries"][0]["content"])


# ── forms ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_style_sheet_that_is_typed_before_the_kept_one_is_here_stays(open_page, client):
    client.call("PUT", "/appearance/style", json={"style": "main { color: inherit }"})
    page = await open_page()
    answer = await held(page, "/appearance/style")
    await at(page, "#/settings/appearance")
    sheet = page.get_by_role("textbox", name="Style sheet of your own")
    await sheet.fill("main { color: red }")
    await answer.let_go()
    await expect(page.get_by_role("button", name="Remove it")).to_be_visible()
    await expect(sheet).to_have_value("main { color: red }")
    client.call("PUT", "/appearance/style", json={"style": ""})


async def test_a_model_that_comes_later_leaves_the_one_that_was_chosen(open_page, client, new_model):
    page = await open_page("#/write")
    await page.get_by_role("button", name="New novel").first.click()
    dialog = page.get_by_role("dialog", name="New novel")
    await dialog.get_by_label("Model").select_option("wise")
    new_model()
    client.post("/models/wise/load")
    await expect(dialog.get_by_role("option", name="aardvark")).to_have_count(1)
    await expect(dialog.get_by_label("Model")).to_have_value("wise")


async def test_options_that_are_being_typed_outlive_a_plan_that_is_kept(open_page, client):
    page = await open_page("#/models/tiny")
    await page.get_by_text("All load options").click()
    form = page.get_by_role("form", name="All load options")
    await form.get_by_role("spinbutton", name="Threads").fill("3")
    await page.get_by_role("combobox", name="Type of its memory").select_option("q8_0")
    await page.get_by_role("button", name="Keep as its options").click()
    await expect(form.get_by_role("combobox", name="Type of the context's memory")).to_have_value("q8_0")
    await expect(form.get_by_role("spinbutton", name="Threads")).to_have_value("3")
    await form.get_by_role("button", name="Save").click()
    kept = {"kv_type": "q8_0", "threads": 3}
    await eventually(lambda: client.get("/models/tiny")["options"] == kept)
    client.call("PUT", "/models/tiny/options", json={"options": {}})


async def test_the_answer_to_one_setting_leaves_what_is_typed_into_another(open_page, client):
    page = await open_page("#/settings/studio")
    answer = await held(page, "/settings$", "PATCH")
    await page.get_by_label("engine.queue_limit").fill("12")
    await page.get_by_label("engine.slots").click()
    await answer.asked.wait()
    await page.get_by_label("engine.slots").fill("3")
    await answer.let_go()
    await expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    await expect(page.get_by_label("engine.slots")).to_have_value("3")
    client.call("PATCH", "/settings", json={"engine.queue_limit": None, "engine.slots": None})


# ── a chat ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_slider_stays_where_the_hand_has_it_while_the_chat_changes(page, panel, chat):
    answer = await held(page, f"/chats/{chat.id}$", "PATCH")
    slider = panel.get_by_role("slider", name="Temperature", exact=True)
    await panel.get_by_label("System prompt").fill("Be brief.")
    await composer(page).click()
    await answer.asked.wait()
    await slider.evaluate(DRAG, "1.4")
    await answer.let_go()
    await expect(panel.get_by_role("spinbutton", name="Temperature", exact=True)).to_have_value("1.4")
    await slider.dispatch_event("change")
    await eventually(
        lambda: (chat.now["system"], chat.now["sampling"]) == ("Be brief.", {"temperature": 1.4})
    )


async def test_of_two_choices_in_a_row_the_last_one_is_shown_and_holds(page, panel, chat):
    answer = await held(page, f"/chats/{chat.id}$", "PATCH")
    preset = panel.get_by_role("combobox", name="Preset")
    await preset.select_option(label="Creative")
    await answer.asked.wait()
    await preset.select_option(label="Precise")
    await answer.let_go()
    await eventually(lambda: chat.now["sampling"] == {"preset": "precise"})
    await expect(preset).to_have_value("precise")


async def test_who_goes_back_before_the_answer_is_back(page, panel, chat):
    answer = await held(page, f"/chats/{chat.id}$", "PATCH")
    temperature = panel.get_by_role("spinbutton", name="Temperature", exact=True)
    for value in ("1.1", ""):
        await temperature.fill(value)
        await composer(page).click()
        await answer.asked.wait()
    await answer.let_go()
    await eventually(lambda: answer.count == 2 and chat.now["sampling"] == {})
    await expect(temperature).not_to_have_value("1.1")


async def test_what_is_typed_while_the_model_writes_for_one_stays(page, chat):
    chat.add("user", "Hello")
    chat.add("assistant", "Good evening")
    answer = await held(page, "/aside$", "POST")
    await page.get_by_role("button", name="Write for me").click()
    await answer.asked.wait()
    await composer(page).fill("I have begun")
    await answer.let_go()
    await expect(composer(page)).to_have_value(re.compile(r"^I have begun\n."))


async def test_a_name_goes_on_being_typed_while_the_list_is_read(open_page, client, chat):
    other = client.new_chat(model="tiny", title="Beside it")
    page = await open_page(f"#/chat/{chat.id}")
    row = page.get_by_role("listitem").filter(has_text="A chat").first
    await row.get_by_role("button", name="More for").click()
    await page.get_by_role("menuitem", name="Rename").click()
    await page.keyboard.type("Harb")
    client.call("PATCH", other.path, json=other.at_revision(title="Renamed elsewhere"))
    await expect(page.get_by_role("link", name="Renamed elsewhere")).to_be_visible()
    await page.keyboard.type("our")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name=re.compile("^Harbour"))).to_be_visible()


async def test_what_is_typed_into_a_book_that_is_left_at_once_is_kept_in_that_book(open_page, client):
    one, two = (client.post("/lorebooks", {"name": name}, 201) for name in ("Left", "Gone to"))
    for book in (one, two):
        entry = {"revision": book["revision"], "fields": {"comment": "Tower", "content": "Tall."}}
        client.post(f"/lorebooks/{book['id']}/entries", entry, 201)
    page = await open_page(f"#/lore/{one['id']}")
    await page.get_by_label("What the model is told").fill("Taller.")
    await at(page, f"#/lore/{two['id']}")
    await expect(page.get_by_label("Name of the lorebook")).to_have_value("Gone to")
    await eventually(lambda: content(client, one) == "Taller.")
    assert content(client, two) == "Tall."


# ── news that are old ───────────────────────────────────────────────────────────────────────────────


async def test_a_search_shows_what_was_typed_last(open_page, client):
    client.post("/novels", {"title": "Amber one"}, 201)
    client.post("/novels", {"title": "Amber two"}, 201)
    page = await open_page("#/write")
    words = page.get_by_role("searchbox", name="Search")
    answer = await held(page, r"/novels\?words=Amber&")
    await words.fill("Amber")
    await answer.asked.wait()
    await words.fill("Amber two")
    await expect(page.get_by_role("link", name="Amber one")).to_have_count(0)
    await answer.let_go(page)
    await expect(page.get_by_role("link", name="Amber two")).to_be_visible()
    await expect(page.get_by_role("link", name="Amber one")).to_have_count(0)


async def test_the_card_that_was_gone_to_last_is_shown(open_page, client):
    one, two = (
        client.post("/characters", {"card": {"data": {"name": name}}}, 201) for name in ("Una", "Duo")
    )
    page = await open_page()
    answer = await held(page, f"/characters/{one['id']}$")
    await at(page, f"#/characters/{one['id']}")
    await answer.asked.wait()
    await at(page, f"#/characters/{two['id']}")
    await expect(page.get_by_role("heading", name="Duo", exact=True)).to_be_visible()
    await answer.let_go(page)
    await expect(page.get_by_role("heading", name="Duo", exact=True)).to_be_visible()


async def test_a_model_that_was_unloaded_is_not_loaded_by_an_older_answer(open_page, client):
    client.post("/models/wise/load")
    page = await open_page()
    mark = page.locator(".rail-model", has_text="wise")
    await expect(mark).to_be_visible()
    answer = await held(page, r"/system\?")
    await at(page, "#/jobs")  # which reads it all again
    await answer.asked.wait()
    client.post("/models/wise/unload", status=204)
    await expect(mark).to_have_count(0)
    await answer.let_go(page)
    await expect(mark).to_have_count(0)


async def test_a_look_that_was_chosen_outlives_older_news_of_it(open_page, client):
    page = await open_page("#/settings/appearance")
    theme = page.get_by_role("group", name="Theme")
    await page.get_by_role("checkbox", name="The same on all my devices").check()
    await eventually(lambda: client.get("/appearance")["shared"] is not None)
    answer = await held(page, "/appearance$", "PUT", first=True)
    news = await held(page, r"/system\?")  # where every change is heard
    await theme.get_by_role("radio", name="Sepia").check(force=True)
    await answer.asked.wait()
    await news.asked.wait()
    await theme.get_by_role("radio", name="Mist").check(force=True)
    await news.let_go(page)
    await answer.let_go(page)
    await expect(page.locator("html")).to_have_attribute("data-theme", "mist")
    await eventually(lambda: client.get("/appearance")["shared"]["theme"] == "mist")
    client.call("DELETE", "/appearance")
