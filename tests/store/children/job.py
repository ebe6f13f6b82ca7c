"""The child of a job, as `fabula job exec` is one: counts, waits, fails or dies, as its kind says."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from fabula.core.errors import Offline
from fabula.store.database import Database
from fabula.store.home import Home
from fabula.store.job_child import Report, execute


def count(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    for number in range(arguments["upto"]):
        report.check()
        report.progress(number + 1, arguments["upto"], "steps", "counting")
        time.sleep(0.05)
    return {"counted": arguments["upto"]}


def deaf(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    report.progress(1, 2)
    time.sleep(600)
    return {}


def fail(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    raise Offline("the moon")


def die(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Dies the first time only."""
    mark = Path(arguments["mark"])
    if not mark.exists():
        mark.write_text("")
        sys.stdout.write("about to die\n")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"second": True}


if __name__ == "__main__":
    database = Database(Home(Path(sys.argv[2])).database)
    database.open()
    execute(database, sys.argv[1], {"count": count, "deaf": deaf, "fail": fail, "die": die})
    database.close()
