"""A model of a server says where texts go: on the shelf, and in every chat with it."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

SIGN = "What you write leaves this machine: it is sent to openrouter.ai."


TOLD = re.compile(r"/api/fabula/v1/(models|system\?.*)$")  # wherever the list of models is among what is told


def as_if(reach: str):
    """The list of models as it is, but for `tiny`, which a server runs."""

    async def changed(route) -> None:
        answer = await route.fetch()
        told = await answer.json()
        for model in told["models"]:
            if model["name"] == "tiny":
                there = {"server": "far", "kind": "openrouter", "host": "openrouter.ai", "reach": reach}
                model["elsewhere"] = {**there, "note": ""}
        await route.fulfill(response=answer, json=told)

    return changed


async def test_the_shelf_and_chats_say_that_a_text_leaves_this_machine(open_page, client):
    chat = client.new_chat(model="tiny")
    page = await open_page("#/models")
    await page.route(TOLD, as_if("internet"))
    await page.reload()
    await expect(page.get_by_role("listitem").filter(has_text="tiny").get_by_text(SIGN)).to_be_visible()
    await page.goto(page.url.partition("#")[0] + f"#/chat/{chat.id}")
    await expect(page.locator(".composer-frame").get_by_text(SIGN)).to_be_visible()


@pytest.mark.parametrize("reach", ["machine"])
async def test_a_program_on_this_machine_needs_no_sign(open_page, reach):
    page = await open_page("#/models")
    await page.route(TOLD, as_if(reach))
    await page.reload()
    await expect(page.get_by_role("listitem").filter(has_text="tiny")).to_be_visible()
    await expect(page.get_by_text("openrouter.ai")).to_have_count(0)
