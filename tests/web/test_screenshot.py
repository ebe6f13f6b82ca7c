"""The picture of the README: a chat with the starter model, as a browser shows it.

`make screenshot` keeps it as docs/screenshot.png; the test only looks whether it can be made.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from talking import Chat, Client

from fabula.models.starter import STARTER
from fabula.server.run import serve
from fabula.store.home import Home

PICTURE = Path(__file__).parents[2] / "docs" / "screenshot.png"
SIZE = {"width": 1200, "height": 750}
SAMPLING = {"temperature": 0, "max_tokens": 200}
QUESTIONS = (
    "Give me a title for a story about a lighthouse.",
    "Begin a story about a lighthouse keeper in two sentences.",
)


@pytest.fixture
def chat(starter_model: Path, tmp_path: Path) -> Iterator[Chat]:
    """Two questions to the real engine and what it answered."""
    home = Home(tmp_path / "home").create()
    shutil.copy(starter_model, home.models / STARTER.file)
    stop = threading.Event()
    ready: queue.SimpleQueue[str] = queue.SimpleQueue()
    thread = threading.Thread(
        target=serve, args=(home, {"port": 0}), kwargs={"ready": ready.put, "stop": stop}
    )
    thread.start()
    client = Client(ready.get(timeout=60))
    chat = client.new_chat(title="The lighthouse", model=STARTER.name, sampling=SAMPLING)
    for question in QUESTIONS:
        chat.say(question, kind="reply")
    yield chat
    client.http.close()
    stop.set()
    thread.join()


async def test_the_picture_of_the_readme(browser: Any, chat: Chat, tmp_path: Path) -> None:
    context = await browser.new_context(viewport=SIZE, device_scale_factor=1.5, locale="en-GB")
    page = await context.new_page()
    await page.goto(f"{chat.client.address}/#/chat/{chat.id}")
    await expect(page.get_by_role("article")).to_have_count(2 * len(QUESTIONS))
    await page.get_by_role("article").last.scroll_into_view_if_needed()
    await page.screenshot(path=tmp_path / "screenshot.png")
    await context.close()
    if os.environ.get("FABULA_SCREENSHOT"):
        shutil.copy(tmp_path / "screenshot.png", PICTURE)
    assert (tmp_path / "screenshot.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "screenshot.png").stat().st_size > 20_000  # bytes; an empty page has far fewer
