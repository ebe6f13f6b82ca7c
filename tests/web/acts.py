"""What a person does in the app, by roles and labels. Knows no test."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from typing import Any

from playwright.async_api import Error, Locator, Page, Route, expect

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


PATIENCE_S = 30  # as long as the page itself is waited for


async def eventually(holds: Callable[[], Any]) -> None:
    """Until something holds beside the page: what it shows at once, the studio may be told a moment later."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it does not hold"
        await asyncio.sleep(0.05)


class Held:
    """Answers that the studio has given and the page gets only when they are let go."""

    def __init__(self) -> None:
        self.asked, self.free, self.gone = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.count = 0

    async def __call__(self, route: Route) -> None:
        answer = await route.fetch()
        self.count += 1
        self.asked.set()
        await self.free.wait()
        with contextlib.suppress(Error):  # the page has gone
            await route.fulfill(response=answer)
            if taken := await route.request.response():
                await taken.finished()
        self.gone.set()

    async def let_go(self, page: Page | None = None) -> None:
        """And until a page has taken it in, where it can be seen by nothing."""
        self.free.set()
        if page:
            await self.gone.wait()
            for _ in range(3):  # its text is read, what it says is drawn
                await page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


async def held(page: Page, address: str, method: str = "GET", *, first: bool = False) -> Held:
    """From now on, for requests whose address matches a regular expression; or for the first of them only."""
    holding = Held()

    async def hold(route: Route) -> None:
        passes = route.request.method != method or (first and holding.asked.is_set())
        await (route.fallback() if passes else holding(route))

    await page.route(re.compile(address), hold)
    return holding


async def read_back(page: Page, count: int) -> None:
    """Until so many messages of a long chat are on the page."""
    end = time.monotonic() + PATIENCE_S
    while await page.get_by_role("article").count() < count:
        assert time.monotonic() < end, "no more messages come"
        await page.get_by_role("feed").evaluate("feed => feed.closest('.list').scrollTop = 0")
        await asyncio.sleep(0.05)


def composer(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Your message")


def message(page: Page, number: int) -> Locator:
    """The number-th message of the chat, from 1."""
    return page.get_by_role("article", name=f"Message {number},")


def act(page: Page, number: int, name: str) -> Locator:
    """A button under a message."""
    return message(page, number).get_by_role("button", name=name, exact=True)


async def say(page: Page, text: str) -> None:
    await composer(page).fill(text)
    await composer(page).press("Enter")


async def until_written(page: Page) -> None:
    """Until nothing is being written any more."""
    await expect(page.get_by_role("feed")).to_have_attribute("aria-busy", "false")
    await expect(page.get_by_role("button", name="Send")).to_be_visible()


async def said(page: Page, text: str) -> None:
    """A message and its whole reply."""
    messages = page.get_by_role("article")
    before = await messages.count()
    await say(page, text)
    await expect(messages).to_have_count(before + 2)
    await until_written(page)


async def choose(page: Page, number: int, name: str) -> None:
    """Something from the menu of a message."""
    await message(page, number).focus()
    await act(page, number, "More").click()
    await page.get_by_role("menuitem", name=name).click()


def prose(page: Page, number: int) -> Locator:
    """What the number-th message says, without its name and its numbers."""
    return message(page, number).locator(".prose")


async def texts(page: Page) -> list[str]:
    """What the messages say now. Before a comparison: once nothing is being written (`until_written`)."""
    found: list[str] = await page.locator("article .prose").all_inner_texts()
    return [text.strip() for text in found]


async def until_they_say(page: Page, said: list[str]) -> None:
    """Until the messages say this, and nothing else."""
    await expect(page.locator("article .prose")).to_have_text(said)


async def nodes(page: Page) -> Any:
    return await page.evaluate("document.querySelectorAll('*').length")
