"""Quick replies in the browser: made, edited, ordered, removed, chosen by a chat."""

from __future__ import annotations

from typing import Any

import pytest
from acts import composer, eventually
from playwright.async_api import expect
from test_access import check
from test_beyond import opened


@pytest.fixture
def mine(client: Any) -> Any:
    """A set of one's own with two buttons."""
    rows = [{"label": "Look", "message": "I look."}, {"label": "Wait", "message": "I wait."}]
    made = client.post("/replies", {"name": "Steps", "replies": rows, "sends": False}, 201)
    yield made
    for one in client.get("/replies")["sets"]:
        client.http.delete(f"/replies/{one['id']}")


def labels(client: Any) -> list[str]:
    return [row["label"] for one in client.get("/replies")["sets"] for row in one["replies"]]


async def test_a_set_and_its_first_button_are_made(open_page, chat, client, mine):
    chat.add("user", "Hello")
    page = await open_page(f"#/chat/{chat.id}")
    side = await opened(page, "Quick replies")
    await side.get_by_role("textbox", name="Name of a new set").fill("Weather")
    await side.get_by_role("button", name="Make a set").click()
    made = side.get_by_role("region", name="Weather")
    await made.get_by_role("textbox", name="New reply in Weather").fill("Rain")
    await made.get_by_role("button", name="Add").click()
    text = made.get_by_role("textbox", name="What it sends or does")
    await expect(text).to_be_focused()
    await text.fill("It rains.")
    await text.blur()
    button = page.get_by_role("toolbar", name="Quick replies").get_by_role("button", name="Rain")
    await expect(button).to_have_attribute("title", "It rains.")
    await check(page)


async def test_buttons_are_edited_ordered_and_removed(open_page, chat, client, mine):
    page = await open_page(f"#/chat/{chat.id}")
    side = await opened(page, "Quick replies")
    steps = side.get_by_role("region", name="Steps")
    await steps.get_by_role("button", name="Wait").click()
    label = steps.get_by_role("textbox", name="On the button")
    await label.fill("Stand")
    await label.blur()
    bar = page.get_by_role("toolbar", name="Quick replies").get_by_role("button")
    await expect(bar).to_have_text(["Look", "Stand"])
    await steps.get_by_role("button", name="Stand: up").click()
    await expect(bar).to_have_text(["Stand", "Look"])
    await expect(label).to_have_value("Stand")
    await steps.get_by_role("button", name="Remove Stand").click()
    await expect(bar).to_have_text(["Look"])
    await page.get_by_role("status").get_by_role("button", name="Undo").click()
    await expect(bar).to_have_text(["Stand", "Look"])
    assert labels(client) == ["Stand", "Look"]


async def test_a_set_holds_where_it_is_chosen_and_sends_when_told(open_page, chat, client, mine):
    page = await open_page(f"#/chat/{chat.id}")
    side = await opened(page, "Quick replies")
    bar = page.get_by_role("toolbar", name="Quick replies")
    await bar.get_by_role("button", name="Look").click()
    await expect(composer(page)).to_have_value("I look.")
    steps = side.get_by_role("region", name="Steps")
    await steps.get_by_text("Name, and where it holds").click()
    await steps.get_by_label("In all chats").uncheck()
    await expect(bar).to_have_count(0)
    await steps.get_by_label("In this chat").check()
    await expect(bar.get_by_role("button")).to_have_count(2)
    await steps.get_by_label("Send its texts at once").check()
    await eventually(lambda: client.get("/replies")["sets"][0]["sends"])
    assert client.get(f"{chat.path}/story")["replies"] == [mine["id"]]


async def test_a_removed_set_comes_back_as_it_was(open_page, chat, client, mine):
    page = await open_page(f"#/chat/{chat.id}")
    side = await opened(page, "Quick replies")
    await side.get_by_role("button", name="Remove Steps").click()
    await expect(side.get_by_role("region", name="Steps")).to_have_count(0)
    await page.get_by_role("status").get_by_role("button", name="Undo").click()
    await expect(side.get_by_role("region", name="Steps")).to_be_visible()
    [back] = client.get("/replies")["sets"]
    assert (back["sends"], labels(client)) == (False, ["Look", "Wait"])
