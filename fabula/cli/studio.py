"""Reach the studio of a home: the one that runs, else one that is started for this command.

The studio for one command lives in a thread of this process: that starts faster than another interpreter
would, and it cannot outlive the command. Knows no verb.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fabula.cli import words
from fabula.cli.client import Client
from fabula.core.errors import StudioRunning
from fabula.store import settings
from fabula.store.home import Home
from fabula.store.studio import running


def locate(home: Path | None) -> Home:
    """The home that a verb works on; from here on its language is spoken."""
    place = Home.locate(home)
    words.prefer(settings.load(place).language)
    return place


@contextmanager
def connect(home: Path | None) -> Iterator[Client]:
    """A studio to talk to. Ctrl-C and errors end one that was started for this block."""
    place = locate(home)
    client = _find(place)
    if client is not None:
        yield client
        return
    with _started(place) as client:
        yield client


@contextmanager
def connect_running(home: Path | None) -> Iterator[Client | None]:
    """The running studio, or None: for verbs that have nothing to ask of a new one."""
    yield _find(locate(home))


def _find(home: Home) -> Client | None:
    info = running(home)
    return Client(info.address, info.key, certificate=info.certificate) if info else None


@contextmanager
def _started(home: Home) -> Iterator[Client]:
    stop = threading.Event()
    outcome: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    thread = threading.Thread(target=_serve, args=(home, stop, outcome), name="studio")
    thread.start()
    try:
        failure = outcome.get()
        client = _find(home)
        if isinstance(failure, StudioRunning) and client:  # somebody else was a moment faster
            failure = None
        if failure or client is None:
            raise failure or RuntimeError("the studio did not say where it is")
        yield replace(client, stays=False)
    finally:
        stop.set()
        thread.join()


def _serve(home: Home, stop: threading.Event, outcome: queue.SimpleQueue[BaseException | None]) -> None:
    from fabula.server.run import serve

    try:
        # Where `fabula serve` would let others in, a studio for one command does not.
        serve(home, {"host": "127.0.0.1", "port": 0}, ready=lambda address: outcome.put(None), stop=stop)
    except Exception as failure:  # noqa: BLE001 it is raised again in the command's own thread
        outcome.put(failure)
    finally:
        outcome.put(None)  # nobody may wait for a studio that has ended before it began
