"""A real studio with a scripted worker, and the system's Chromium to look at it.

One studio and one browser serve all tests of this folder; every test has a browser context and a chat of its
own. Console errors and violations of the content policy fail the test that caused them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import random
import re
import shutil
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from needs import need

sys.path.append(str(Path(__file__).parent.parent / "api"))  # the same tiny model and client as there

import script
import tiny_model
from talking import Chat as ApiChat
from talking import Client

from fabula.server.run import serve
from fabula.store.home import Home

async_api = pytest.importorskip("playwright.async_api", reason="needs web: playwright is not installed")

PATIENCE_MS = 30_000  # a busy machine is slow, not wrong
LATE_MS = int(os.environ.get("FABULA_LATE_MS", "0"))  # answers of the API come up to this late, at random
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
REFUSED = re.compile(
    r"Failed to load resource: (the server responded with a status of (4\d\d|502)|net::ERR_)"
)

OpenPage = Callable[..., Coroutine[Any, Any, Any]]
Start = Callable[[], tuple[Client, Callable[[], None]]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All browser tests share the loop that the browser lives in."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("asyncio"):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def web_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("web") / "home").create()
    tiny_model.write(home.models / "tiny.gguf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tiny_model.FACTS, "tokenizer.chat_template", script.THINKING_TEMPLATE)
        tiny_model.write(home.models / "wise.gguf")
    return home


@pytest.fixture(scope="session")
def client(web_home: Home) -> Iterator[Client]:
    """The studio's API, for what is there before the browser looks."""
    stop = threading.Event()
    ready: queue.SimpleQueue[str] = queue.SimpleQueue()
    run = {"ready": ready.put, "stop": stop, "make_worker": lambda model: script.Actor()}
    thread = threading.Thread(target=serve, args=(web_home, {"port": 0}), kwargs=run)
    thread.start()
    client = Client(ready.get(timeout=60))
    yield client
    client.http.close()
    stop.set()
    thread.join()


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
        client = Client(ready.get(timeout=60))

        def end() -> None:
            client.http.close()
            stop.set()
            thread.join()

        stops.append(end)
        return client, end

    yield start
    for end in stops:
        end()


@pytest.fixture
def chat(client: Client) -> ApiChat:
    """A new, empty chat."""
    return client.new_chat(model="tiny", title="A chat")


@pytest.fixture
def thinking_chat(client: Client) -> ApiChat:
    """A new, empty chat with a model that thinks before it answers."""
    return client.new_chat(model="wise", title="A deep chat")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Any]:
    chromium = os.environ.get("FABULA_CHROMIUM") or shutil.which("chromium")
    if not chromium:
        need("web", "no chromium on the path; FABULA_CHROMIUM can name one")
    async_api.expect.set_options(timeout=PATIENCE_MS)
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


async def late(route: Any) -> None:
    """As on a slow machine, where answers overtake each other and people are faster than they: a question may
    come late, and its answer may tell of what has been otherwise for a while."""
    streams = "text/event-stream" in route.request.headers.get("accept", "")
    with contextlib.suppress(async_api.Error):  # the page has gone
        await asyncio.sleep(random.random() * LATE_MS / 2000)
        await (route.fallback() if streams else answered_late(route))


async def answered_late(route: Any) -> None:
    try:
        answer = await route.fetch()
    except async_api.Error:  # the studio has gone
        await route.abort()
    else:
        await asyncio.sleep(random.random() * LATE_MS / 2000)
        await route.fulfill(response=answer)


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Any, client: Client) -> AsyncIterator[OpenPage]:
    """Opens a page of the app: `await open_page("#/settings", locale="zh-TW")`."""
    complaints: list[str] = []
    contexts: list[Any] = []

    async def open_page(where: str = "", address: str = client.address, **options: Any) -> Any:
        options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **options}
        options.setdefault("service_workers", "block")  # what a worker answers, no test could see or change
        contexts.append(await browser.new_context(**options))
        if LATE_MS:
            await contexts[-1].route("**/api/fabula/**", late)
        return await another(contexts[-1], f"{address}/{where}")

    async def another(context: Any, where: str) -> Any:
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.extend([message.text] * (message.type == "error")))
        await page.goto(where)
        await page.get_by_role("navigation", name=re.compile("Rooms|主要页面|主要頁面")).wait_for()
        return page

    yield open_page
    for context in contexts:
        for routed in (context, *context.pages):  # an answer that is still on its way is nobody's fault
            with contextlib.suppress(async_api.Error):  # nor is a page that is just closing
                await routed.unroute_all(behavior="ignoreErrors")
        await context.close()
    assert [text for text in complaints if not REFUSED.match(text)] == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page: OpenPage, chat: ApiChat) -> Any:
    """The app with an empty chat open."""
    return await open_page(f"#/chat/{chat.id}")
