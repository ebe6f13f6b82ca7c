"""A connection that is not kept waiting for ever: heads and bodies that trickle are cut off. Knows no route.

uvicorn waits without end for the rest of a request, and takes heads of any size. Here a connection is looked
at each second while it is at one request; one whose requests come whole costs a timer a second at most, and
a studio where nothing arrives sleeps.
What is streamed is written without asking anew, for each piece, how the answer is framed.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from fabula.server.sse import WRITE

HEAD_BYTES = 64 << 10
START_S = 20.0  # for the head of a request, and as a start for its body
SLOWEST = 4096  # bytes per second that a body has to come with, after that start
SILENT_S = 60.0  # in the middle of a body
LOOK_S = 1.0  # between two looks
_MOST = 1024
_HEADS = [b"%x\r\n" % size for size in range(_MOST)]
"""How chunks of these sizes begin: to write such a number takes as long as to put the chunk together."""
log = logging.getLogger(__name__)


class Patient(HttpToolsProtocol):
    """`since` is when the request that is being received began; None between two."""

    since: float | None = None
    heard_at = 0.0
    taken = 0  # bytes of it so far
    in_head = True
    _next_look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._begin()

    def _begin(self) -> None:
        self.since = self.heard_at = self.loop.time()
        self.taken, self.in_head = 0, True
        self._next_look = self._next_look or self.loop.call_later(LOOK_S, self.look)

    def data_received(self, data: bytes) -> None:
        if self.since is None:
            self._begin()
        else:
            self.heard_at = self.loop.time()
        self.taken += len(data)
        super().data_received(data)
        if self.in_head and self.since is not None and self.taken > HEAD_BYTES:
            self.refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.in_head = True

    def on_headers_complete(self) -> None:
        self.in_head = False
        super().on_headers_complete()
        scope = cast(dict[str, Any], self.scope)
        if self.cycle and self.cycle.scope is self.scope:  # none is made for a request to change the protocol
            scope[WRITE] = partial(_write, self.cycle)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.since = None

    def look(self) -> None:
        """Ends the connection of a client that takes too long; while we do not read, it is not its fault."""
        self._next_look = None
        if self.since is None or self.transport is None:
            return
        now = self.loop.time()
        if self.flow.read_paused:
            self.since = self.heard_at = now
        if now - self.since > START_S + self.taken / SLOWEST or now - self.heard_at > SILENT_S:
            self.refuse(b"408 Request Timeout")
        else:
            self._next_look = self.loop.call_later(LOOK_S, self.look)

    def refuse(self, status: bytes) -> None:
        self.since = None
        if self.in_head and not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.close()
        else:
            self.transport.abort()


def _write(cycle: RequestResponseCycle, piece: bytes) -> bool:
    """A chunk of a body that has begun in chunks, while its reader keeps up; else False. An empty chunk would
    end it."""
    if not (piece and cycle.chunked_encoding) or cycle.disconnected or cycle.flow.write_paused:
        return False
    size = len(piece)
    head = _HEADS[size] if size < _MOST else b"%x\r\n" % size
    cycle.transport.write(head + piece + b"\r\n")
    return True


def allow_connections() -> None:
    """As many open files as the system lets us have: each connection is one, and 1,024 are soon used up."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError) as reason:
            log.warning("at most %d connections: %s", soft, reason)
