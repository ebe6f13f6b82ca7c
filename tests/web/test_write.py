"""The shelf of the write room: novels and notebooks begun, taken from files, put away and brought back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from acts import PHONE
from penned import a_notebook, a_novel, button, opened, paper, pick, saved, wrote
from playwright.async_api import Page, expect
from test_phone import TOO_WIDE


async def test_a_novel_begins_with_what_it_is_about(open_page: Any, client: Any) -> None:
    page: Page = await open_page("#/write")
    await button(page, "New novel").first.click()
    dialog = page.get_by_role("dialog", name="New novel")
    await dialog.get_by_role("textbox", name="Title").fill("The lamp that was too many")
    await dialog.get_by_label("What it is about").fill("A keeper counts lamps.")
    await dialog.get_by_label("Model").select_option("tiny")
    await dialog.get_by_role("button", name="Begin").click()
    await expect(paper(page)).to_be_editable()
    [row] = client.get("/novels", words="too many")["novels"]
    novel = client.get(f"/novels/{row['id']}")
    assert (novel["settings"]["outline"], novel["model"]) == ("A keeper counts lamps.", "tiny")


async def test_a_file_becomes_a_novel_and_comes_out_again(
    open_page: Any, client: Any, tmp_path: Path
) -> None:
    file = tmp_path / "Tides.md"
    file.write_text("# Tides\n\n## Ebb\n\nThe water left.\n\n## Flood\n\nIt came back.\n")
    page: Page = await open_page("#/write")
    await page.locator("input[type=file]").set_input_files(file)
    await expect(page.get_by_role("link", name="Flood")).to_be_visible()
    async with page.expect_download() as download:
        await pick(page, "More", "Save as Markdown")
    path = await (await download.value).path()
    assert path.read_text() == file.read_text()


async def test_what_was_put_away_can_be_brought_back(open_page: Any, client: Any) -> None:
    a_novel(client, title="Soon in the trash")
    page: Page = await open_page("#/write")
    row = page.get_by_role("link", name="Soon in the trash")
    for _ in range(2):
        await pick(page, "More for “Soon in the trash”", "Move to the trash")
        await expect(row).to_have_count(0)
        await button(page, "Undo").click()
        await expect(row).to_be_visible()
    await pick(page, "More for “Soon in the trash”", "Move to the trash")
    await page.get_by_text("Trash (").click()
    there = page.get_by_role("listitem").filter(has_text="Soon in the trash")
    await there.get_by_role("button", name="Delete for ever").click()
    await there.get_by_role("button", name="Really delete for ever").click()
    await expect(there).to_have_count(0)
    assert client.get("/novels", words="Soon in the trash", trashed=True)["novels"] == []


async def test_titles_are_searched(open_page: Any, client: Any) -> None:
    a_novel(client, title="Harbour of glass")
    page: Page = await open_page("#/write")
    await page.get_by_role("searchbox", name="Search titles").fill("of glass")
    await expect(page.get_by_role("main").get_by_role("link")).to_have_count(1)
    await page.get_by_role("link", name="Harbour of glass").click()
    await expect(paper(page)).to_be_visible()


@pytest.mark.parametrize("locale", ["en-GB", "zh-TW", "zh-CN"])
async def test_nothing_is_too_wide_for_a_phone_and_nothing_is_untold(
    open_page: Any, client: Any, locale: str
) -> None:
    novel = a_novel(client, "One.", "Two.", settings={"facts": ["Ann is tall."]})
    page = await opened(open_page, novel, **PHONE, locale=locale)
    places = ["#/write", f"#/novel/{novel['id']}", f"#/notebook/{a_notebook(client, 'Once')['id']}"]
    for place in places:
        await page.evaluate("place => (location.hash = place)", place)
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert await page.evaluate(TOO_WIDE) == []
        assert "web." not in await page.locator("main").inner_text()
    await page.evaluate("place => (location.hash = place)", places[1])
    await expect(page.locator("#paper")).to_be_visible()
    await page.locator(".work-head > button[aria-expanded]").last.tap()
    tabs = page.get_by_role("tab")
    await expect(tabs).to_have_count(6)
    for number in range(6):
        await tabs.nth(number).tap()
        await expect(page.get_by_role("tabpanel")).not_to_have_text("")
        assert await page.evaluate(TOO_WIDE.replace("main", ".beside")) == []
        assert "web." not in await page.get_by_role("tabpanel").inner_text()


async def test_a_novel_is_written_on_a_phone(open_page: Any, client: Any) -> None:
    page = await opened(open_page, a_novel(client, "One.", "Two."), **PHONE)
    await paper(page).fill("It was late.")
    await wrote(page)
    await expect(paper(page)).to_have_value(re.compile(r"^It was late\.\s*Reply number \d+\.$"))
    await button(page, "Open the chapters").tap()
    await page.get_by_role("link", name="Chapter 2").tap()
    await expect(paper(page)).to_have_value("Two.")
    await saved(page)


@pytest.mark.parametrize("kind", ["novel", "notebook"])
async def test_what_is_written_has_no_serious_fault(open_page: Any, client: Any, kind: str) -> None:
    from test_access import check  # where axe is not installed this one is skipped

    made = a_novel(client, "One.", "Two.") if kind == "novel" else a_notebook(client, "Once ")
    page = await opened(open_page, made)
    await wrote(page)
    await check(page)
    await button(page, "What the model is told").click()
    await expect(page.get_by_role("tabpanel")).to_be_visible()
    if kind == "notebook":
        await button(page, "Chances of the tokens").click()
        await page.get_by_role("button", name=re.compile("^Reply,")).click()
        await expect(page.get_by_role("group", name="What else could have come")).to_be_visible()
    await check(page)
