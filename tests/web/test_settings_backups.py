"""Backups on the page of settings, with a studio of their own: a restore is felt by everybody."""

from __future__ import annotations

import asyncio

import pytest
from acts import eventually
from playwright.async_api import expect
from studios import studio_of_its_own


@pytest.fixture
def own(tmp_path):
    with studio_of_its_own(tmp_path) as made:
        yield made


async def test_a_backup_is_made_looked_into_and_put_back(open_page, own):
    home, client = own
    client.new_chat(title="From before").add("user", "Hello")
    page = await open_page("#/settings/backups", client.address)
    await page.get_by_role("button", name="Back up now").click()
    row = page.get_by_role("list", name="Backups").get_by_role("listitem")
    await expect(row).to_contain_text("fabula-")
    client.new_chat(title="From after")
    await row.get_by_role("button", name="Restore").click()
    await expect(row.get_by_role("row").filter(has_text="Chats")).to_contain_text("21")  # 2 now, 1 then
    await row.get_by_role("button", name="Put it back").click()
    await expect(page.get_by_text("is back in place")).to_be_visible(timeout=60_000)
    assert [chat["title"] for chat in client.get("/chats")["chats"]] == ["From before"]
    aside = page.get_by_role("list", name="Put aside by restores").get_by_role("listitem")
    await expect(aside).to_contain_text("replaced-")
    await aside.get_by_role("button", name="Restore").click()
    await expect(aside.get_by_text("what a restore put aside")).to_be_visible()
    await aside.get_by_role("button", name="Put it back").click()
    await expect(page.get_by_text("replaced-").first).to_be_visible(timeout=60_000)
    await eventually(lambda: len(client.get("/chats")["chats"]) == 2)
    await expect(aside).to_have_count(2)
    aside = aside.first
    page.once("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await aside.get_by_role("button", name="Remove").click()
    rows = page.get_by_role("list", name="Put aside by restores").get_by_role("listitem")
    await expect(rows).to_have_count(1)
    assert len(list(home.backups.glob("replaced-*"))) == 1


async def test_the_studio_starts_again_where_it_is_told_that_it_has_to(open_page, own):
    _, client = own
    client.call("PATCH", "/settings", json={"open_browser": False})
    page = await open_page("#/settings/studio", client.address)
    waiting = page.get_by_text("These hold after the studio is started again: open_browser")
    await expect(waiting).to_be_visible()
    await page.get_by_role("button", name="Start the studio again").click()
    await expect(page.get_by_text("The studio is there again.")).to_be_visible(timeout=60_000)
    await expect(waiting).to_have_count(0)
    assert not any(row["waits"] for row in client.get("/settings")["settings"])


async def test_a_damaged_backup_says_so_and_cannot_be_put_back(open_page, own):
    home, client = own
    (home.backups / "fabula-broken.zip").write_bytes(b"PK\x03\x04 and no more")
    page = await open_page("#/settings/backups", client.address)
    await page.get_by_role("button", name="Restore fabula-broken.zip").click()
    await expect(page.get_by_role("alert")).to_contain_text("fabula-broken.zip")
    await expect(page.get_by_role("button", name="Put it back")).to_have_count(0)
