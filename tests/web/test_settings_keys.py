"""Keys on the page of settings: made, shown once, linked to a phone by a QR code, removed; the network."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

KEYS = "#/settings/keys"


@pytest.fixture(autouse=True)
def no_keys_after(client):
    yield
    for key in client.get("/keys")["keys"]:
        client.call("DELETE", f"/keys/{key['name']}", 204)
    client.call("PATCH", "/settings", json={"server.names": None, "host": None})


async def make(page, name: str) -> None:
    form = page.get_by_role("form", name="Make a key")
    await form.get_by_label("Whom or what it is for").fill(name)
    await form.get_by_role("button", name="Make the key").click()


async def test_a_key_is_made_with_scopes_limits_and_an_end_and_shown_once(open_page, client):
    page = await open_page(KEYS)
    form = page.get_by_role("form", name="Make a key")
    await form.get_by_role("checkbox", name="Models Load").check()
    await form.get_by_label("Requests at most").fill("60/min")
    await form.get_by_label("Good for").select_option("30d")
    await make(page, "tablet")
    secret = await page.get_by_role("status").get_by_text("fab_").inner_text()
    assert client.http.get("/chats", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    (key,) = client.get("/keys")["keys"]
    assert (key["scopes"], key["requests"], key["expires_at"] > 0) == (["chat", "models"], "60/min", True)
    await page.get_by_role("button", name="Done").click()
    assert secret not in await page.content()
    row = page.get_by_role("list", name="Keys").get_by_role("listitem")
    await expect(row).to_contain_text("Chats · Models · 60/min requests")


async def test_a_wrong_limit_is_told_and_what_was_typed_stays(open_page, client):
    page = await open_page(KEYS)
    await page.get_by_label("Tokens at most").fill("many")
    await make(page, "tablet")
    await expect(page.get_by_role("form", name="Make a key")).to_contain_text("many")
    await expect(page.get_by_label("Whom or what it is for")).to_have_value("tablet")
    assert client.get("/keys")["keys"] == []


async def test_a_link_for_a_phone_is_a_code_to_scan_and_signs_in(open_page, client):
    client.call("PATCH", "/settings", json={"server.names": "studio.example"})
    client.post("/keys", {"name": "phone"}, 201)
    page = await open_page(KEYS)
    await page.get_by_role("button", name="Link for a phone").click()
    await expect(
        page.get_by_role("img", name="QR code that signs a phone in with the key phone")
    ).to_be_visible()
    link = await page.get_by_text("https://studio.example/login#").inner_text()
    signed = client.http.post("/session", json={"link": link.partition("#")[2]})
    assert signed.json()["key"]["name"] == "phone"


async def test_where_nobody_reaches_the_studio_the_link_says_what_to_do(open_page, client):
    client.post("/keys", {"name": "phone"}, 201)
    page = await open_page(KEYS)
    await page.get_by_role("button", name="Link for a phone").click()
    await expect(page.get_by_text("No other device reaches this studio")).to_be_visible()


async def test_a_key_is_removed_after_a_question(open_page, client):
    client.post("/keys", {"name": "old phone"}, 201)
    page = await open_page(KEYS)
    page.once("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await page.get_by_role("button", name="Remove the key old phone").click()
    await expect(page.get_by_text("There are no keys yet.")).to_be_visible()
    assert client.get("/keys")["keys"] == []


async def test_letting_others_in_is_explained_and_needs_a_key_first(open_page, client):
    page = await open_page(KEYS)
    await expect(page.get_by_text("Nobody: it listens on this machine only.")).to_be_visible()
    await page.get_by_role("button", name="Let other devices in").click()
    await expect(page.get_by_text("Everybody in your network can then reach this studio")).to_be_visible()
    await expect(page.get_by_role("button", name="Listen on the network")).to_be_disabled()


async def test_with_a_key_the_studio_listens_on_the_network_after_its_next_start(open_page, client):
    client.post("/keys", {"name": "phone"}, 201)
    page = await open_page(KEYS)
    await page.get_by_role("button", name="Let other devices in").click()
    await page.get_by_role("button", name="Listen on the network").click()
    await expect(page.get_by_text("Start Fabula again, and other devices can connect.")).to_be_visible()
    assert client.get("/reach")["next"]["private"] is False
    await page.get_by_role("button", name="Listen on this machine only").click()
    await expect(page.get_by_role("button", name="Let other devices in")).to_be_visible()
