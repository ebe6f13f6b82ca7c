"""Servers that run models elsewhere, on the page of settings: added, asked again, given a key, forgotten."""

from __future__ import annotations

import asyncio

import pytest_asyncio
from playwright.async_api import expect
from standing_in import StandIn, says, standing_in

MODELS = {"object": "list", "data": [{"id": "far-7b", "object": "model"}]}


@pytest_asyncio.fixture(loop_scope="session")
async def box():
    async with standing_in({"GET /v1/models": says(MODELS)}) as server:
        yield server


async def add(page, box: StandIn, name: str, **more: str) -> None:
    form = page.get_by_role("form", name="Add a server")
    await form.get_by_label("Name").fill(name)
    await form.get_by_label("Address").fill(more.get("url", box.url))
    await form.get_by_label("Key").fill(more.get("key", ""))
    await form.get_by_label("What it is").select_option("compatible")
    await form.get_by_role("button", name="Add a server").click()


async def test_a_server_is_added_with_its_key_and_forgotten(open_page, client, box: StandIn):
    page = await open_page("#/settings/servers")
    await add(page, box, "box", key="sk-secret")
    await expect(page.get_by_text("box was added")).to_be_visible()
    server = page.get_by_role("list", name="Models on other servers").get_by_role("listitem")
    await expect(server).to_contain_text("1 model · with a key")
    assert box.last("/v1/models").headers["authorization"] == "Bearer sk-secret"
    assert "box/far-7b" in [model["name"] for model in client.get("/models")["models"]]
    assert "sk-secret" not in await page.content()
    asked = len(box.heard)
    await server.get_by_role("button", name="Ask for its models again").click()
    await expect(server.get_by_role("button", name="Change the key")).to_be_enabled()
    while len(box.heard) == asked:
        await asyncio.sleep(0.05)
    await server.get_by_role("button", name="Change the key").click()
    await server.get_by_role("button", name="Save the key").click()
    await expect(server).not_to_contain_text("with a key")
    page.once("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await server.get_by_role("button", name="Forget this server").click()
    await expect(server).to_have_count(0)
    assert client.get("/remotes")["remotes"] == []


async def test_what_is_no_such_server_is_not_added_and_the_reason_is_shown(open_page, client):
    page = await open_page("#/settings/servers", locale="zh-TW")
    form = page.get_by_role("form", name="新增伺服器")
    async with standing_in({}) as nothing:
        await form.get_by_label("名稱").fill("nobody")
        await form.get_by_label("位址").fill(nothing.url)
        await form.get_by_role("button", name="新增伺服器").click()
        await expect(form.locator(".bad")).to_contain_text("127.0.0.1")
    assert client.get("/remotes")["remotes"] == []
