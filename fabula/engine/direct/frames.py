"""How the studio and the direct child talk: one line of JSON, then as many bytes as it says. Pure.

Requests are lines `{"id", "do", …}`; answers `{"id", …}`, with `"bytes": n` before n raw bytes, the last one
of a request with `"done": true` or `"error"`.
"""

from __future__ import annotations

import json
from typing import Any

Frame = tuple[dict[str, Any], bytes]


def line(said: dict[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(errors="replace") + b"\n"


def frame(said: dict[str, Any], data: bytes = b"") -> bytes:
    return line(said | {"bytes": len(data)}) + data if data else line(said)


class Frames:
    """Frames from bytes, in whatever pieces they come."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._head: dict[str, Any] | None = None

    def feed(self, data: bytes) -> list[Frame]:
        self._rest += data
        found: list[Frame] = []
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def _next(self) -> Frame | None:
        if self._head is None:
            end = self._rest.find(b"\n")
            if end < 0:
                return None
            self._head = json.loads(bytes(self._rest[:end]))
            del self._rest[: end + 1]
        size = self._head.get("bytes", 0)
        if len(self._rest) < size:
            return None
        head, data = self._head, bytes(self._rest[:size])
        del self._rest[:size]
        self._head = None
        return head, data
