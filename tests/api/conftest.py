"""A real studio with a scripted worker, behind its real server in a thread or inside the test's own loop."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import tiny_model
from fastapi.dependencies import models
from stage import Stage
from talking import NATIVE, Client

from fabula.app import Studio
from fabula.server import http
from fabula.server.run import serve
from fabula.store.database import Database
from fabula.store.home import Home


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as a first start makes it: all migrations, once."""
    home = Home(tmp_path_factory.mktemp("new") / "home").create()
    database = Database(home.database)
    database.open()
    database.close()
    return home.database


@pytest.fixture
def home(tmp_path: Path, new_database: Path) -> Iterator[Home]:
    """A home with one model, `tiny`."""
    home = Home(tmp_path / "home").create()
    shutil.copyfile(new_database, home.database)
    tiny_model.write(home.models / "tiny.gguf")
    yield home
    for kept in vars(models).values():  # FastAPI's caches hold the last 4,096 functions, and their studios
        if hasattr(kept, "cache_clear"):
            kept.cache_clear()


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def started(home: Home, stage: Stage) -> Iterator[Callable[[], Client]]:
    """Starts the studio of `home` in a thread of its own; all are stopped at the end."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start() -> Client:
        ready: queue.SimpleQueue[str] = queue.SimpleQueue()
        run = {"ready": ready.put, "stop": stop, "make_worker": stage.make_worker}
        threads.append(threading.Thread(target=serve, args=(home, {"port": 0}), kwargs=run))
        threads[-1].start()
        return Client(ready.get(timeout=30))

    yield start
    stop.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def client(started: Callable[[], Client]) -> Client:
    return started()


@pytest_asyncio.fixture
async def studio(home: Home, stage: Stage) -> AsyncIterator[Studio]:
    """An open studio inside the test's own loop, for tests that look behind the API."""
    studio = Studio(home, {}, stage.make_worker)
    await studio.open()
    yield studio
    await studio.close()


@pytest_asyncio.fixture
async def api(studio: Studio) -> AsyncIterator[httpx.AsyncClient]:
    """The same studio's API without a network: answers come whole."""
    transport = httpx.ASGITransport(http.create(studio))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1{NATIVE}") as client:
        yield client
