"""A line of JSON for each request that was answered behind the web app's files. Knows no route.

No prompt, no reply, no query, no key: who came, what for, how it ended, how long it took, what it cost.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import time
from pathlib import Path

from starlette.types import Scope

from fabula.server.visit import Visit

LARGEST = 5_000_000  # bytes of one file
KEPT = 3  # older files
LONGEST_PATH = 200  # characters
FILES = "/web/"


class AccessLog:
    """Opens its file with the first line."""

    def __init__(self, folder: Path) -> None:
        self._handler = logging.handlers.RotatingFileHandler(
            folder / "access.log", maxBytes=LARGEST, backupCount=KEPT, encoding="utf-8", delay=True
        )

    def __call__(self, scope: Scope, visit: Visit) -> None:
        path = scope["path"]
        if path.startswith(FILES):
            return
        client = scope.get("client")
        line = {
            "time": round(visit.came_at, 3),
            "caller": visit.who,
            "from": client[0] if client else "",
            "method": scope["method"],
            "path": path[:LONGEST_PATH],
            "status": visit.status,
            "ms": round((time.perf_counter() - visit.started) * 1000, 1),
        }
        if visit.model:
            line |= {"model": visit.model, "tokens": visit.tokens}
        record = logging.LogRecord("access", logging.INFO, "", 0, json.dumps(line), None, None)
        self._handler.handle(record)

    def close(self) -> None:
        self._handler.close()
