"""Ask a studio again and again whether it is well. A process of its own, so that it waits for nobody else.

    python bench/health.py PORT          asks until its stdin closes, then prints the milliseconds as JSON

Knows only the route of health. Runs by its path: imports the standard library only.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time

PATH = "/api/fabula/v1/health"
BETWEEN_S = 0.005


def asked(port: int, over: threading.Event) -> list[float]:
    """Milliseconds of each answer. Raises AssertionError for any status but 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found = []
    while not over.wait(BETWEEN_S):
        started = time.perf_counter()
        connection.request("GET", PATH)
        answer = connection.getresponse()
        answer.read()
        found.append((time.perf_counter() - started) * 1000)
        assert answer.status == 200, answer.status
    return found


def main() -> None:
    over = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait, daemon=True).start()
    print(json.dumps(asked(int(sys.argv[1]), over)), flush=True)


if __name__ == "__main__":
    main()
