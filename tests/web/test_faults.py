"""The studio goes away and comes back: the reader is told, and nothing that was shown or typed is lost."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import script
import tiny_model
from acts import composer, message, said, say
from playwright.async_api import expect
from talking import Client

from fabula.server.run import serve
from fabula.store.home import Home

Start = Callable[[], tuple[Client, Callable[[], None]]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a studio that can be stopped, each time on the same home and port."""
    home = Home(tmp_path / "home").create()
    tiny_model.write(home.models / "tiny.gguf")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stops: list[Callable[[], None]] = []

    def start() -> tuple[Client, Callable[[], None]]:
        stop, ready = threading.Event(), queue.SimpleQueue[str]()
        run = {"ready": ready.put, "stop": stop, "make_worker": lambda model: script.Actor()}
        thread = threading.Thread(target=serve, args=(home, {"port": port}), kwargs=run)
        thread.start()
        client = Client(ready.get(timeout=30))

        def end() -> None:
            client.http.close()
            stop.set()
            thread.join()

        stops.append(end)
        return client, end

    yield start
    for end in stops:
        end()


async def test_a_studio_that_stops_and_starts_again(open_page, start):
    client, end = start()
    chat = client.new_chat(model="tiny")
    page = await open_page(f"#/chat/{chat.id}", address=client.address)
    await said(page, "Hello")
    end()
    await expect(page.get_by_text("The studio cannot be reached")).to_be_visible()
    await say(page, "Are you there?")
    await expect(page.get_by_text("The studio does not answer")).to_be_visible()
    await expect(composer(page)).to_have_value("Are you there?")
    start()
    await expect(page.get_by_text("The studio cannot be reached")).to_have_count(0, timeout=15_000)
    await composer(page).press("Enter")
    await expect(message(page, 4)).to_contain_text("Reply number")
