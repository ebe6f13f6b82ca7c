"""The whole way once: browser, server, llama.cpp, the starter model."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from acts import act, message, say, texts, until_written
from playwright.async_api import expect
from talking import Client

from fabula.server.run import serve
from fabula.store.home import Home

SAMPLING = {"temperature": 0, "seed": 1, "max_tokens": 160}
QUESTION = "Write two short paragraphs about a lighthouse keeper who counts the ships at night."
LONG_MS = 120_000  # a slow machine loads and writes


@pytest.fixture
def real_client(starter_model: Path, tmp_path: Path) -> Iterator[Client]:
    home = Home(tmp_path / "home").create()
    shutil.copy(starter_model, home.models / starter_model.name)
    ready: queue.SimpleQueue[str] = queue.SimpleQueue()
    stop = threading.Event()
    run = {"ready": ready.put, "stop": stop}
    thread = threading.Thread(target=serve, args=(home, {"port": 0, "engine.threads": 2}), kwargs=run)
    thread.start()
    client = Client(ready.get(timeout=60))
    yield client
    client.http.close()
    stop.set()
    thread.join()


async def test_a_real_model_talks_and_reuses_its_prompt(open_page, real_client):
    chat = real_client.new_chat(sampling=SAMPLING, model=real_client.get("/models")["models"][0]["name"])
    page = await open_page(f"#/chat/{chat.id}", address=real_client.address)
    await say(page, QUESTION)
    await expect(message(page, 2).get_by_role("paragraph").first).to_be_visible(timeout=LONG_MS)
    await expect(act(page, 2, "Regenerate")).to_be_visible(timeout=LONG_MS)
    await say(page, "Go on.")
    await expect(act(page, 4, "Regenerate")).to_be_visible(timeout=LONG_MS)
    await until_written(page)
    facts = chat.messages[3]["facts"]
    assert facts["reused_tokens"] > facts["prompt_tokens"] / 2
    await expect(message(page, 4)).to_contain_text(f"reused {facts['reused_tokens']}")
    assert [text.strip() for text in chat.texts[::2]] == (await texts(page))[::2]
