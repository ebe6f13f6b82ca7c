"""A novel on the screen: typed, gone on with, tried again, written anew, taken back."""

from __future__ import annotations

import re
from typing import Any

import pytest_asyncio
from penned import (
    OPENING,
    a_novel,
    button,
    kept,
    opened,
    paper,
    pick,
    saved,
    select,
    told,
    written,
    wrote,
)
from playwright.async_api import Page, expect


@pytest_asyncio.fixture(loop_scope="session")
async def novel(client: Any) -> dict[str, Any]:
    return a_novel(client)


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page: Any, novel: Any) -> Page:
    return await opened(open_page, novel)


async def test_what_is_typed_is_kept_by_itself(page: Page, client: Any, novel: Any) -> None:
    await paper(page).press("Control+End")
    await paper(page).press_sequentially(" It stayed 🌫.")
    await saved(page)
    assert kept(client, novel) == f"{OPENING} It stayed 🌫."
    await expect(page.get_by_role("link", name="Chapter 1")).to_contain_text("7 words")


async def test_the_model_goes_on_where_the_caret_is(page: Page, client: Any, novel: Any) -> None:
    await paper(page).fill("Noon 🌫. Night.")
    await select(page, 8, 8)
    await wrote(page, "It gets worse.")
    [passage] = client.get(f"/novels/{novel['id']}/passages")["passages"]
    text = await paper(page).input_value()
    assert re.fullmatch(r"Noon 🌫\.\s+Reply number \d+\. Night\.", text)
    assert (kept(client, novel), passage["instruction"]) == (text, "It gets worse.")
    assert await paper(page).evaluate("area => area.value.slice(area.selectionEnd)") == " Night."


async def test_a_passage_grows_in_the_text_and_stop_keeps_it(page: Page, client: Any, novel: Any) -> None:
    await told(page).fill("Speak slowly")
    await told(page).press("Enter")
    await expect(paper(page)).to_have_value(re.compile(f"^{OPENING}\n\nword0 word1"))
    await expect(paper(page)).not_to_be_editable()
    await told(page).press("Escape")
    await written(page)
    await expect(paper(page)).to_be_editable()
    assert kept(client, novel) == await paper(page).input_value()


async def test_another_try_is_another_version_and_each_can_stand(page: Page) -> None:
    await wrote(page)
    first = await paper(page).input_value()
    await button(page, "Write it again").click()
    await expect(page.get_by_text("2/2")).to_be_visible()
    second = await paper(page).input_value()
    await button(page, "Earlier version of the passage").click()
    await expect(paper(page)).to_have_value(first)
    await expect(page.get_by_text("1/2")).to_be_visible()
    await button(page, "Compare side by side").click()
    await page.get_by_role("dialog").get_by_role("button", name="Use this").click()
    await expect(paper(page)).to_have_value(second)
    assert first != second


async def test_of_several_ways_on_one_is_chosen(page: Page, client: Any, novel: Any) -> None:
    await pick(page, "Several ways to go on", "3 ways, side by side")
    dialog = page.get_by_role("dialog", name="Side by side")
    await expect(dialog.get_by_role("button", name="Use this")).to_have_count(3)
    wanted = (await dialog.get_by_role("listitem").nth(1).locator(".compare-text").inner_text()).strip()
    await expect(paper(page)).to_have_value(OPENING)
    await dialog.get_by_role("button", name="Use this").nth(1).click()
    await expect(paper(page)).to_have_value(re.compile(rf"^{OPENING}\s*{wanted}$"))
    assert kept(client, novel).endswith(wanted)


async def test_a_selection_is_written_anew_and_ones_own_words_come_back(page: Page) -> None:
    await select(page, 4, 7)
    await page.get_by_role("textbox", name="How should the selected text be?").fill("colder")
    await button(page, "Rewrite").click()
    await written(page)
    await expect(paper(page)).to_have_value(re.compile(r"^The Reply number \d+\. came at noon\.$"))
    await button(page, "Earlier version of the passage").click()
    await expect(paper(page)).to_have_value(OPENING)


async def test_undo_takes_back_whatever_was_done(page: Page, client: Any, novel: Any) -> None:
    await paper(page).fill("Morning.")
    await saved(page)
    await wrote(page)
    after = await paper(page).input_value()
    await paper(page).press("Control+z")
    await expect(paper(page)).to_have_value("Morning.")
    await paper(page).press("Control+z")
    await expect(paper(page)).to_have_value(OPENING)
    for _ in range(2):
        await button(page, "Redo").first.click()
    await expect(paper(page)).to_have_value(after)
    assert kept(client, novel) == after


async def test_what_the_model_wrote_is_marked_until_it_is_not_wanted(page: Page) -> None:
    await wrote(page)
    marked = page.locator(".mark-model")
    await expect(marked).to_have_text(re.compile(r"Reply number \d+\."))
    await page.get_by_role("button", name="More", exact=True).click()
    await page.get_by_role("menuitemradio", name="Mark what the model wrote").click()
    await expect(marked).to_have_count(0)


async def test_chapters_are_added_named_moved_split_and_removed(page: Page, client: Any, novel: Any) -> None:
    links = page.get_by_role("navigation", name="Chapters").get_by_role("link")
    await select(page, 8, 8)
    await pick(page, "More for the chapter “Chapter 1”", "Split at the cursor")
    await expect(paper(page)).to_have_value("came at noon.")
    await pick(page, "More for the chapter “Chapter 2”", "Rename")
    await page.get_by_role("textbox", name="Title of the chapter").fill("Noon")
    await page.keyboard.press("Enter")
    await pick(page, "More for the chapter “Noon”", "Move up")
    await expect(links.first).to_contain_text("Noon")
    await button(page, "New chapter").click()
    await expect(links).to_have_count(3)
    await pick(page, "More for the chapter “Noon”", "Remove the chapter")
    await expect(links).to_have_count(2)
    await button(page, "Undo").last.click()
    await expect(links).to_have_count(3)
    titles = [(one["title"], one["words"]) for one in client.get(f"/novels/{novel['id']}")["chapters"]]
    assert titles == [("Noon", 3), ("", 2), ("", 0)]


async def test_what_the_model_is_told_is_set_beside_the_text(page: Page, client: Any, novel: Any) -> None:
    await button(page, "What the model is told").click()
    await page.get_by_label("What it is about").fill("Ann seeks the lamp.")
    await page.get_by_label("Memory: what always holds").fill("Ann is tall.\n\nIt is 1890.")
    await page.get_by_role("tab", name="Chapter").click()
    await page.get_by_label("What happens in this chapter").fill("The fog.")
    await page.get_by_role("tab", name="Prompt").click()
    panel = page.get_by_role("tabpanel")
    for part in ("the outline", "the facts", "the text"):
        await expect(panel.get_by_role("cell", name=part).first).to_be_visible()
    now = client.get(f"/novels/{novel['id']}")
    assert now["settings"]["facts"] == ["Ann is tall.", "It is 1890."]
    assert (now["settings"]["outline"], now["chapters"][0]["outline"]) == ("Ann seeks the lamp.", "The fog.")


async def test_the_memory_takes_documents_and_sums_up(page: Page, client: Any, novel: Any) -> None:
    await button(page, "What the model is told").click()
    await page.get_by_role("tab", name="Memory").click()
    file = {"name": "map.txt", "mimeType": "text/plain", "buffer": b"The quay lies north."}
    await page.get_by_label("Attach a document").last.set_input_files(file)
    await expect(page.get_by_text("map.txt")).to_be_visible()
    await page.get_by_role("tabpanel").get_by_text("Chapter 1", exact=True).click()
    await button(page, "Sum up now").click()
    await expect(page.get_by_label("Summary of “Chapter 1”")).to_have_value(re.compile("Reply number"))
    told = client.get(f"/novels/{novel['id']}/memory")
    assert ([one["name"] for one in told["documents"]], told["settings"]["recall"]) == (["map.txt"], 3)


async def test_a_text_is_found_and_only_the_text_can_be_seen(page: Page) -> None:
    await paper(page).fill("Fog. " * 3 + "No lamp. Fog.")
    await paper(page).press("Control+f")
    await page.get_by_role("searchbox", name="Find in the text").fill("fog")
    await expect(page.get_by_text("1 of 4")).to_be_visible()
    await page.keyboard.press("Shift+Enter")
    await expect(page.get_by_text("4 of 4")).to_be_visible()
    await page.keyboard.press("Escape")
    assert await paper(page).evaluate("area => [area.selectionStart, area.selectionEnd]") == [24, 27]
    await paper(page).press("Alt+t")
    await expect(page.get_by_role("navigation", name="Rooms")).to_be_hidden()
    await button(page, "Show everything again").click()
    await expect(page.get_by_role("navigation", name="Rooms")).to_be_visible()
