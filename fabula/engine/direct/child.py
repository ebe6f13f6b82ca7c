"""The program inside the direct child: a model through the engine library's C functions.

Native code can abort, so that it never runs in the studio itself.

    stdin    one line of JSON with the settings, then requests (`frames`); when it closes, the studio is gone
    stdout   one line `FABULA-READY {"version": …, …}`, then answers; the engine's own prints go to stderr
    stderr   the engine's log
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

READY = b"FABULA-READY "
LINUX_PARENT_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG


def main() -> None:
    answers = _own_stdout()
    told = json.loads(sys.stdin.buffer.readline())
    _die_with_the_studio()
    _leave_no_core_file()
    if told["packages"]:  # those of another build of the engine
        sys.path.insert(0, told["packages"])
    import xllamacpp

    from fabula.engine.direct import proof
    from fabula.engine.direct.desk import Desk
    from fabula.engine.direct.library import Drifted, Library
    from fabula.engine.direct.weights import Refused, Settings

    try:
        library = Library(echo=True)
        proof.proven(library, xllamacpp.__version__, Path(told["proof"]))
    except Drifted as drifted:
        _say(answers, READY + json.dumps({"drifted": f"{drifted}"}).encode() + b"\n")
        os._exit(0)
    names = Settings.__dataclass_fields__
    try:
        desk = Desk(library, Settings(**{name: told[name] for name in names}))
    except Refused as refused:
        sys.stderr.write(f"0 E {refused}\n")
        sys.stderr.flush()
        os._exit(1)
    facts = desk.facts() | {"version": xllamacpp.__version__}
    _say(answers, READY + json.dumps(facts).encode() + b"\n")
    _serve(desk, answers)


def _serve(desk: Any, answers: BinaryIO) -> None:
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
        desk.answer(asked.get(), lambda data: _say(answers, data))


def _say(answers: BinaryIO, data: bytes) -> None:
    answers.write(data)
    answers.flush()


def _own_stdout() -> BinaryIO:
    """A pipe that only we write to: an aborting engine prints to stdout."""
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return own


def _die_with_the_studio() -> None:
    """The engine holds the interpreter while it loads, so that the end of stdin is seen only afterwards."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(LINUX_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _leave_no_core_file() -> None:
    """A core file of an aborted engine would be as large as the model."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
