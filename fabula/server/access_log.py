"""A line of JSON for each request that was answered behind the web app's files. Knows no route.

No prompt, no reply, no query, no key: who came, what for, how it ended, how long it took, what it cost.
"""

from __future__ import annotations

import json
import logging.handlers
import time
from pathlib import Path

from starlette.types import Scope

from fabula.server.visit import Visit

LARGEST = 5_000_000  # bytes of one file
KEPT = 3  # older files
LONGEST_PATH = 200  # characters
FILES = "/web/"


class AccessLog(logging.handlers.RotatingFileHandler):
    """Opens its file with the first line. Lines are written past `logging`, whose records and looks at the
    disk cost more than all else that a request costs on its way in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "access.log", backupCount=KEPT, encoding="utf-8", delay=True)
        self._size = 0  # bytes in the file; lines are ASCII

    def __call__(self, scope: Scope, visit: Visit) -> None:
        path = scope["path"]
        if path.startswith(FILES):
            return
        client = scope.get("client")
        told = {
            "time": round(visit.came_at, 3),
            "caller": visit.who,
            "from": client[0] if client else "",
            "method": scope["method"],
            "path": path[:LONGEST_PATH],
            "status": visit.status,
            "ms": round((time.perf_counter() - visit.started) * 1000, 1),
        }
        if visit.model:
            told |= {"model": visit.model, "tokens": visit.tokens}
        self._write(json.dumps(told) + "\n")

    def _write(self, line: str) -> None:
        if self.stream is None:
            self.stream = self._open()
            self._size = self.stream.tell()
        elif self._size > LARGEST:
            self.doRollover()
            return self._write(line)
        self._size += len(line)
        self.stream.write(line)
        self.stream.flush()
        return None
