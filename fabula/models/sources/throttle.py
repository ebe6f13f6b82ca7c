"""Keep to a number of bytes per second, all connections of a download together. Knows no network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BURST = 0.25  # seconds of silence that may be made up for


class Throttle:
    """`limit` is asked every time, so that it can be changed meanwhile; 0 = as fast as it comes."""

    def __init__(
        self,
        limit: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit, self._clock, self._sleep = limit, clock, sleep
        self._lock = threading.Lock()
        self._free_at = 0.0

    def spend(self, count: int, stopped: Callable[[], bool] = lambda: False) -> None:
        """Waits until so many bytes may have been read; not longer than it takes to be stopped."""
        limit = self._limit()
        if not limit:
            return
        with self._lock:
            self._free_at = max(self._free_at, self._clock() - BURST) + count / limit
            until = self._free_at
        while (left := until - self._clock()) > 0 and not stopped():
            self._sleep(min(left, 0.1))
