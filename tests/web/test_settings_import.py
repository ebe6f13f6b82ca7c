"""Import on the page of settings: a folder is told of before it is taken over; files tell what they are."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import expect


@pytest.fixture
def folder(tmp_path):
    """A data folder with one character, one lorebook that cannot be read, and a theme that has no place."""
    for name in ("characters", "worlds", "themes"):
        (tmp_path / name).mkdir()
    card = {
        "spec": "chara_card_v2",
        "spec_version": "2.0",
        "data": {"name": "Odile", "first_mes": "Good evening."},
    }
    (tmp_path / "characters" / "Odile.json").write_text(json.dumps(card))
    (tmp_path / "worlds" / "Broken.json").write_text("{")
    (tmp_path / "themes" / "Dark.json").write_text("{}")
    return tmp_path


def names(client):
    return [row["name"] for row in client.get("/characters")["characters"]]


async def test_a_folder_is_looked_at_and_then_taken_over_once(open_page, client, folder):
    page = await open_page("#/settings/import")
    await page.get_by_label("Path of the folder").fill(str(folder))
    await page.get_by_role("button", name="See what would come").click()
    report = page.get_by_role("status").filter(has_text="This would come over from")
    await expect(report.get_by_role("row").filter(has_text="Characters")).to_contain_text("100")
    await expect(report).to_contain_text("1 cannot be read")
    assert "Odile" not in names(client)
    await page.get_by_role("button", name="Take it over").click()
    await expect(page.get_by_text("This came over from")).to_be_visible()
    assert names(client).count("Odile") == 1
    await page.get_by_role("button", name="See what would come").click()
    await expect(report.get_by_role("row").filter(has_text="Characters")).to_contain_text("010")
    await expect(page.get_by_role("button", name="Take it over")).to_be_disabled()


async def test_what_is_no_such_folder_says_why(open_page, tmp_path):
    page = await open_page("#/settings/import")
    await page.get_by_label("Path of the folder").fill(str(tmp_path))
    await page.get_by_role("button", name="See what would come").click()
    await expect(page.get_by_role("alert")).to_contain_text(str(tmp_path))


async def test_files_are_recognised_and_what_is_none_is_told(open_page, client, folder):
    page = await open_page("#/settings/import")
    files = [folder / "characters" / "Odile.json", folder / "worlds" / "Broken.json"]
    async with page.expect_file_chooser() as chooser:
        await page.get_by_text("Pick files").click()
    await (await chooser.value).set_files(files)
    rows = page.get_by_role("list", name="Files").get_by_role("listitem")
    await expect(rows.nth(0)).to_contain_text("Odile is here")
    await expect(rows.nth(1)).to_contain_text("Broken.json")
    await expect(rows.nth(1).locator(".bad")).to_be_visible()
