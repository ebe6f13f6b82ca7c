"""Nothing that was typed or written in a novel is lost: cut connections, a stopped studio, two windows."""

from __future__ import annotations

import re
from typing import Any

from acts import eventually
from penned import OPENING, a_novel, button, kept, opened, paper, saved, select, told, written
from playwright.async_api import Page, Route, expect

TEXT = re.compile(r"/chapters/[^/]+/text$")
HELD = "Kept in this browser"


async def typed(page: Page, text: str) -> None:
    await paper(page).press("Control+End")
    await paper(page).press_sequentially(text)


async def test_what_could_not_be_handed_over_is_back_after_a_reload(open_page: Any, client: Any) -> None:
    novel = a_novel(client)
    page = await opened(open_page, novel)
    await page.route(TEXT, lambda route: route.abort())
    await typed(page, " Nobody saw it.")
    await expect(page.get_by_text(HELD)).to_be_visible()
    assert kept(client, novel) == OPENING
    await page.unroute(TEXT)
    await page.reload()
    await expect(paper(page)).to_have_value(f"{OPENING} Nobody saw it.")
    await saved(page)
    assert kept(client, novel) == f"{OPENING} Nobody saw it."


async def test_typing_goes_on_while_the_studio_is_away(open_page: Any, start: Any) -> None:
    client, end = start()
    novel = a_novel(client)
    page = await opened(open_page, novel, address=client.address)
    end()
    await typed(page, " It stayed.")
    await expect(page.get_by_text(HELD)).to_be_visible()
    await typed(page, " For days.")
    client, _ = start()
    await saved(page)
    assert kept(client, novel) == f"{OPENING} It stayed. For days."


async def test_a_text_that_arrived_though_the_answer_was_lost_is_not_there_twice(
    open_page: Any, client: Any
) -> None:
    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort()

    novel = a_novel(client)
    page = await opened(open_page, novel)
    await page.route(TEXT, lose, times=1)
    await typed(page, " Twice?")
    await expect(page.get_by_text(HELD)).to_be_visible()
    await typed(page, " No.")
    await saved(page)
    assert kept(client, novel) == f"{OPENING} Twice? No."


async def test_a_passage_goes_on_when_the_studio_was_stopped_while_it_grew(
    open_page: Any, start: Any
) -> None:
    client, end = start()
    novel = a_novel(client)
    page = await opened(open_page, novel, address=client.address)
    await told(page).fill("Speak slowly")
    await button(page, "Continue").click()
    await expect(paper(page)).to_have_value(re.compile("word5"))
    seen = await paper(page).input_value()
    end()
    client, _ = start()
    await written(page)
    assert kept(client, novel) == await paper(page).input_value()
    assert kept(client, novel).startswith(seen)


async def test_two_windows_write_at_two_places(open_page: Any, client: Any) -> None:
    novel = a_novel(client, "Noon. Night.")
    one, two = await opened(open_page, novel), await opened(open_page, novel)
    await two.route(re.compile("/events$"), lambda route: None)  # it hears of nothing
    await typed(two, " Late.")
    await select(one, 5, 5)
    await one.keyboard.type(" Fog.")
    await saved(one)
    await saved(two)
    await expect(one.locator("#paper")).to_have_value("Noon. Fog. Night. Late.")
    assert kept(client, novel) == "Noon. Fog. Night. Late."


async def test_of_two_changes_at_one_place_both_are_kept(open_page: Any, client: Any) -> None:
    novel = a_novel(client, "It was day.")
    page = await opened(open_page, novel)
    chapter = f"/novels/{novel['id']}/chapters/{novel['chapters'][0]['id']}/text"
    await page.route(TEXT, lambda route: route.abort())
    await select(page, 7, 10)
    await page.keyboard.type("noon")
    await expect(page.get_by_text(HELD)).to_be_visible()
    client.call("PUT", chapter, json={"revision": novel["revision"], "text": "It was night."})
    await page.unroute(TEXT)
    await expect(page.get_by_text("This place was changed elsewhere")).to_be_visible()
    await button(page, "Show the other").click()
    await expect(paper(page)).to_have_value("It was night.")
    await saved(page)
    await button(page, "Undo").click()
    await expect(paper(page)).to_have_value("It was noon.")


async def test_a_second_window_sees_the_passage_grow(open_page: Any, client: Any) -> None:
    novel = a_novel(client)
    one, two = await opened(open_page, novel), await opened(open_page, novel)
    await told(one).fill("Speak slowly")
    await told(one).press("Enter")
    await expect(paper(two)).to_have_value(re.compile("word3"))
    await two.get_by_role("button", name="Stop").click()
    await written(one)
    await written(two)
    assert await paper(one).input_value() == await paper(two).input_value() == kept(client, novel)


async def test_a_chapter_that_is_left_at_once_is_handed_over(open_page: Any, client: Any) -> None:
    novel = a_novel(client, "One.", "Two.")
    page = await opened(open_page, novel)
    await typed(page, " And more.")
    await page.get_by_role("link", name="Chapter 2").click()
    await expect(paper(page)).to_have_value("Two.")
    await typed(page, " And more.")
    await page.get_by_role("link", name="Back to the shelf").click()
    await expect(page.get_by_role("heading", name="Write")).to_be_visible()
    await page.get_by_role("navigation", name="Rooms").get_by_role("link", name="Home").click()
    await page.go_back()
    await page.go_back()
    await expect(paper(page)).to_have_value("Two. And more.")
    for number, text in enumerate(("One. And more.", "Two. And more.")):
        await eventually(lambda number=number, text=text: kept(client, novel, number) == text)


async def test_a_pasted_book_is_more_than_a_browser_keeps_but_the_studio_has_it(
    open_page: Any, client: Any
) -> None:
    novel = a_novel(client)
    page = await opened(open_page, novel)
    await paper(page).evaluate(
        """area => { area.focus(); area.setRangeText("The fog came. ".repeat(400_000), 0, 0, "end");
            area.dispatchEvent(new InputEvent("input", { bubbles: true })); }"""
    )
    await expect(page.get_by_text("1,200,005 words").first).to_be_visible(timeout=60_000)
    await saved(page)
    assert kept(client, novel).endswith(OPENING)
