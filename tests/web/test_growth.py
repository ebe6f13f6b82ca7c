"""What is opened and closed leaves nothing in the page: neither elements nor listeners, however often."""

from __future__ import annotations

import asyncio
import time

from acts import PATIENCE_S, said
from playwright.async_api import expect


async def measured(page):
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    return session


async def held(session):
    """Elements and listeners that somebody still holds, those outside the page's tree among them."""
    await session.send("HeapProfiler.collectGarbage")
    rows = await session.send("Performance.getMetrics")
    counts = {row["name"]: int(row["value"]) for row in rows["metrics"]}
    return counts["Nodes"], counts["JSEventListeners"]


ROUNDS = 6


async def leaves_nothing(session, round_trip):
    """Rounds until one of them holds no more than those before: what a page loads once, whenever that is,
    stays; what each round leaves behind makes each hold more than the last."""
    rounds = []
    for _ in range(ROUNDS):
        await round_trip()
        most = [max(counts) for counts in zip(*rounds, strict=True)]
        if len(rounds) > 1 and await comes_down(session, most):
            return
        rounds.append(await held(session))
    raise AssertionError(rounds)


async def comes_down(session, most):
    """Whether soon no more is held: lists are still read anew, timers still run out."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        now = await held(session)
        if all(count <= limit for count, limit in zip(now, most, strict=True)):
            return True
        await asyncio.sleep(0.1)
    return False


async def go(page, where, title):
    await page.evaluate(f"location.hash = '{where}'")
    await expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()


async def home(page):
    await go(page, "#/", "This machine")
    await expect(page.get_by_role("heading", name="Loaded now")).to_be_visible()


async def test_chats_that_were_told_something_leave_nothing(open_page, client):
    chats = [(client.new_chat(model="tiny", title=title), title) for title in ("Ebb", "Neap")]
    page = await open_page("#/")
    session = await measured(page)

    async def round_trip():
        for chat, title in chats:
            await go(page, f"#/chat/{chat.id}", title)
            await said(page, "Good evening.")
        await home(page)
        await expect(page.get_by_role("link", name="Neap")).to_be_visible()

    await leaves_nothing(session, round_trip)


async def test_rooms_that_were_left_leave_nothing(open_page):
    page = await open_page("#/")
    session = await measured(page)

    async def round_trip():
        for room, title in (("characters", "Characters"), ("settings", "Settings"), ("lore", "Lore")):
            await go(page, f"#/{room}", title)
        await home(page)

    await leaves_nothing(session, round_trip)
