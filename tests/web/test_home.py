"""Home and settings: what this machine has, what to get next, how one likes it."""

from __future__ import annotations

import re

from acts import composer
from playwright.async_api import expect



async def test_home_tells_the_machine_and_its_models(open_page):
    page = await open_page()
    await expect(page.get_by_role("heading", name="This machine", exact=True)).to_be_visible()
    await expect(page.get_by_text(re.compile(r"\d+ cores, [\d.]+ GiB of memory"))).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="tiny")).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile(r"^Get, [\d.]+ GiB"))).to_have_count(3)


async def test_start_a_chat_from_home(open_page, client):
    page = await open_page()
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
    assert "tiny" not in [running["model"] for running in client.get("/system")["running"]]


async def test_the_details_of_a_model_tell_how_it_runs(open_page, client):
    context = client.post("/models/tiny/load")["plan"]["context"]
    page = await open_page()
    row = page.get_by_role("listitem").filter(has_text="tiny")
    await page.get_by_role("button", name="Details of tiny").click()
    await expect(row).to_contain_text("llama.cpp runs it, because the file is gguf.")
    await expect(row).to_contain_text(f"{context:,} tokens in each of")
    await expect(row).to_contain_text(re.compile(r"Until [\d:]+ [AP]M unless it is used"))
    await page.get_by_role("button", name="Details of tiny").click()
    await expect(row).not_to_contain_text("llama.cpp runs it")


async def test_the_details_say_what_a_model_can_do(open_page):
    page = await open_page()
    await page.get_by_role("button", name="Details of wise").click()
    row = page.get_by_role("listitem").filter(has_text="wise")
    await expect(row).to_contain_text("think before it answers")


async def test_a_download_that_fails_says_why_and_can_be_tried_again(open_page, client):
    job = client.post("/models/pull", {"source": "/no/such/file.gguf"}, 202)
    page = await open_page()
    card = page.get_by_role("listitem").filter(has_text="/no/such/file.gguf").first
    await expect(card.get_by_role("button", name="Try again")).to_be_visible(timeout=30_000)
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
