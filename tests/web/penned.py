"""What a person does in the write room, by roles and labels. Knows no test."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import Locator, Page, expect
from talking import Client

OPENING = "The fog came at noon."


def paper(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Text of the chapter")


def told(page: Page) -> Locator:
    return page.get_by_role("textbox", name="What happens next")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def a_novel(client: Client, *texts: str, **fields: Any) -> dict[str, Any]:
    """A new one, with a chapter for each text."""
    chapters = [{"text": text} for text in texts or (OPENING,)]
    body = {"title": "Coast", "model": "tiny", "chapters": chapters} | fields
    return dict(client.post("/novels", body, 201))


def a_notebook(client: Client, text: str) -> dict[str, Any]:
    return dict(client.post("/notebooks", {"title": "Trial", "model": "tiny", "text": text}, 201))


def kept(client: Client, novel: dict[str, Any], number: int = 0) -> str:
    """A chapter as the studio has it."""
    now = client.get(f"/novels/{novel['id']}")
    return str(client.get(f"/novels/{novel['id']}/chapters/{now['chapters'][number]['id']}")["text"])


async def opened(open_page: Any, novel: dict[str, Any], **options: Any) -> Page:
    page: Page = await open_page(f"#/{novel['kind']}/{novel['id']}", **options)
    await expect(page.locator("#paper")).to_be_visible()
    return page


async def saved(page: Page) -> None:
    await expect(page.get_by_text("Saved", exact=True)).to_be_visible()


async def wrote(page: Page, instruction: str = "") -> None:
    """The model goes on where the caret is, to the end."""
    if instruction:
        await told(page).fill(instruction)
    await button(page, "Continue").click()
    await written(page)


async def written(page: Page) -> None:
    await expect(button(page, "Write it again")).to_be_enabled()


async def select(page: Page, start: int, end: int) -> None:
    """With the keyboard's focus in the text."""
    await paper(page).evaluate(
        "(area, [start, end]) => { area.focus(); area.setSelectionRange(start, end); }", [start, end]
    )


async def pick(page: Page, menu: str, item: str) -> None:
    await page.get_by_role("button", name=menu, exact=True).last.click()
    await page.get_by_role("menuitem", name=re.compile(f"^{re.escape(item)}")).click()
