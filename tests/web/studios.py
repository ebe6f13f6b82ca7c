"""Studios of a test's own, where what it does would be felt by all others. Knows no test."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import script
import tiny_model
from talking import Client

from fabula.server.run import serve
from fabula.store.home import Home


@contextmanager
def studio_of_its_own(folder: Path) -> Iterator[tuple[Home, Client]]:
    home = Home(folder / "home").create()
    tiny_model.write(home.models / "tiny.gguf")
    stop = threading.Event()
    ready: queue.SimpleQueue[str] = queue.SimpleQueue()
    run = {"ready": ready.put, "stop": stop, "make_worker": lambda model: script.Actor()}
    thread = threading.Thread(target=serve, args=(home, {"port": 0}), kwargs=run)
    thread.start()
    client = Client(ready.get(timeout=60))
    yield home, client
    client.http.close()
    stop.set()
    thread.join()
