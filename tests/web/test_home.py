"""Home: what this machine has, what to get next, what was done last."""

from __future__ import annotations

import re

from acts import composer, eventually
from playwright.async_api import expect


async def test_home_tells_the_machine_in_a_sentence_and_numbers(open_page):
    page = await open_page()
    await expect(page.get_by_role("heading", name="This machine", exact=True)).to_be_visible()
    await expect(page.get_by_text(re.compile(r"(fit here|fits here|read\w* here)"))).to_be_visible()
    free = page.locator("dl").filter(has_text="Free memory")
    await expect(free).to_contain_text(re.compile(r"[\d.]+ GiB of [\d.]+ GiB"))


async def test_three_models_that_suit_come_with_size_speed_and_why(open_page, client):
    told = client.get("/system")["suggestions"][:3]
    page = await open_page()
    cards = page.locator(".cards > li")
    await expect(cards).to_have_count(len(told))
    for card, one in zip(await cards.all(), told, strict=True):
        await expect(card.get_by_role("heading", name=one["title"], exact=True)).to_be_visible()
        await expect(card).to_contain_text(one["why"])
        await expect(card).to_contain_text(re.compile(r"\d+–\d+ tokens/s"))
        await expect(card.get_by_role("button", name=re.compile(r"^Get.* [\d.]+ [GM]iB"))).to_be_visible()


async def test_a_model_is_got_with_one_click_and_shows_how_far_it_is(open_page):
    page = await open_page()
    asked: list[str] = []

    async def take(route):
        asked.append(route.request.post_data_json["source"])
        progress = {"done": 25, "total": 100, "unit": "bytes", "rate": 5, "seconds_left": 15, "note": ""}
        job = {"id": "j1", "kind": "pull", "state": "running", "title": "x", "progress": progress}
        more = {"result": {}, "error": None, "created_at": 1, "updated_at": 1}
        await route.fulfill(status=202, json=job | more)

    await page.route("**/models/pull", take)
    card = page.locator(".cards > li").first
    await card.get_by_role("button", name=re.compile("^Get")).click()
    await expect(card.get_by_text("25 B of 100 B")).to_be_visible()
    await expect(card.get_by_role("button", name="Cancel")).to_be_visible()
    assert len(asked) == 1


async def test_start_a_chat_from_the_shelf(open_page, client):
    page = await open_page("#/models")
    await page.get_by_role("button", name="Start a chat with tiny").click()
    await expect(composer(page)).to_be_focused()
    assert client.get(f"/chats/{page.url.rpartition('/')[2]}")["model"] == "tiny"


async def test_a_loaded_model_shows_its_memory_and_can_be_stopped(open_page, client):
    client.post("/models/tiny/load")
    page = await open_page()
    row = page.get_by_role("listitem").filter(has_text="tiny")
    await expect(row.get_by_text(re.compile("for a context of [\\d,]+ tokens"))).to_be_visible()
    await page.get_by_role("button", name="Stop tiny").click()
    await expect(page.get_by_role("button", name="Stop tiny")).to_have_count(0)
    await eventually(lambda: "tiny" not in [running["model"] for running in client.get("/system")["running"]])


async def test_the_last_chat_is_taken_up_again(open_page, client):
    chat = client.new_chat(model="tiny", title="The last lamp")
    chat.say("Hello", kind="reply")
    page = await open_page()
    await page.get_by_role("region", name="Continue where you were").get_by_text("The last lamp").click()
    await expect(page.get_by_role("article")).to_have_count(2)


async def test_a_home_in_which_nothing_was_done_teaches_in_one_screen(open_page):
    page = await open_page("#/settings")

    async def none(route):
        await route.fulfill(json={"chats": [], "novels": [], "more": False})

    await page.route(re.compile(r"/api/fabula/v1/(chats|novels)(\?|$)"), none)
    await page.goto(page.url.partition("#")[0])
    await page.reload()
    first = page.get_by_role("region", name="Begin here")
    await expect(first.get_by_role("listitem")).to_have_count(3)
    await expect(first.get_by_role("button", name="Start a chat")).to_be_in_viewport()


async def test_a_download_that_fails_says_why_and_can_be_tried_again(open_page, client):
    job = client.post("/models/pull", {"source": "/no/such/file.gguf"}, 202)
    page = await open_page()
    card = page.get_by_role("listitem").filter(has_text="/no/such/file.gguf").first
    await expect(card.get_by_role("button", name="Try again")).to_be_visible(timeout=60_000)
    await expect(card).to_contain_text(client.get(f"/jobs/{job['id']}")["error"]["message"])


async def test_the_keys_are_listed(open_page):
    page = await open_page()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_chat_is_found_renamed_and_opened(open_page, client):
    client.new_chat(title="The orchard in autumn")
    page = await open_page("#/chat")
    await page.get_by_role("searchbox").fill("ORCHARD")
    row = page.get_by_role("link", name="The orchard in autumn")
    await expect(page.get_by_role("navigation", name="List of chats").get_by_role("link")).to_have_count(1)
    await row.hover()
    await page.get_by_role("button", name="More for “The orchard in autumn”").click()
    await page.get_by_role("menuitem", name="Rename").click()
    await page.get_by_role("textbox", name="Title of the chat").fill("The orchard in spring")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="The orchard in spring").click()
    await expect(page.get_by_role("heading", name="The orchard in spring")).to_be_visible()
