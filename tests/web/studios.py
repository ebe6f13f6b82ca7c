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
    ended = threading.Event()

    def run() -> None:
        """Begun again when a person asks for it, as `fabula serve` does."""
        again = None
        while True:
            again = serve(
                home,
                {"port": 0},
                ready=ready.put,
                stop=stop,
                make_worker=lambda model: script.Actor(),
                restarts=True,
                again=again,
            )
            stop.clear()
            if again is None or ended.is_set():  # in this order: an end that comes now is heard below
                return

    thread = threading.Thread(target=run)
    thread.start()
    client = Client(ready.get(timeout=60))
    yield home, client
    client.http.close()
    ended.set()
    stop.set()
    thread.join()
