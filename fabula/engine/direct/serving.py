"""How a child with a desk lives: one pipe in, one out, and an end with the studio. Knows no engine."""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO

LINUX_PARENT_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG
READY = b"FABULA-READY "


def serve(desk: Any, answers: BinaryIO) -> None:
    """One request after the other; another thread reads, so that a request can be ended while it runs."""
    asked: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin.buffer:
            said = json.loads(line)
            if said["do"] == "end":
                desk.ended.add(said["which"])
            else:
                asked.put(said)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        desk.answer(asked.get(), lambda data: say(answers, data))


def say(answers: BinaryIO, data: bytes) -> None:
    answers.write(data)
    answers.flush()


def own_stdout() -> BinaryIO:
    """A pipe that only we write to: an aborting engine prints to stdout."""
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return own


def die_with_the_studio() -> None:
    """The engine holds the interpreter while it loads, so that the end of stdin is seen only afterwards."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(LINUX_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def leave_no_core_file() -> None:
    """A core file of an aborted engine would be as large as the model."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
