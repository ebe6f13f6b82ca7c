"""Bytes of a stream into its events, in whatever pieces they come. Pure; knows no dialect.

Sources: server-sent events (WHATWG HTML, 9.2.6), and one JSON object per line.
"""

from __future__ import annotations

from collections.abc import Iterator

LONGEST = 8 << 20  # bytes of one event


class TooLong(ValueError):
    """An event without an end."""


class Lines:
    """Whole lines, without their ends."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST:
            raise TooLong
        return (line.rstrip(b"\r") for line in lines)

    def rest(self) -> bytes:
        """What came after the last end of a line."""
        rest, self._rest = self._rest, b""
        return rest.strip()


class Sent:
    """The data of server-sent events; their names, ids and comments are left out."""

    def __init__(self) -> None:
        self._lines, self._data = Lines(), b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        for line in self._lines.feed(data):
            if line.startswith(b"data:"):
                self._data += (b"\n" if self._data else b"") + line[5:].removeprefix(b" ")
                if len(self._data) > LONGEST:
                    raise TooLong
            elif not line and self._data:
                yield self._data
                self._data = b""

    def rest(self) -> bytes:
        """An event that was not closed by an empty line: some servers leave the last one out."""
        line = self._lines.rest()
        data, self._data = self._data, b""
        return line[5:].strip() if line.startswith(b"data:") else data
