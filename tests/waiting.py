"""Waiting for what is about to be true, however slow the machine; callers that go away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from typing import Any, TypeVar
from urllib.parse import urlsplit

PATIENCE_S = 60.0
PAUSE_S = 0.02
T = TypeVar("T")


def until(holds: Callable[[], T]) -> T:
    """What it says, as soon as that is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(PAUSE_S)
    return found


def hang_up(address: str, path: str, body: Mapping[str, Any], once: Callable[[], Any]) -> None:
    """A caller that asks and goes away once something holds, before there is an answer."""
    asked = urlsplit(address)
    assert asked.hostname
    caller = HTTPConnection(asked.hostname, asked.port)
    caller.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    until(once)
    caller.close()
