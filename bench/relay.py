"""A bare relay: bytes from one socket to another and back, nothing read. The floor of any proxy in Python.

    python bench/relay.py HOST PORT          prints the port that it listens on; ends with its stdin

One process, one thread, the studio's own kind of event loop, and as little as can be done per piece: a studio
that is asked through costs this much before it has done anything. Knows no HTTP. Runs by its path.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import cast


class Side(asyncio.Protocol):
    """One end; what it receives is written to the other end."""

    def __init__(self) -> None:
        self.to: asyncio.Transport | None = None
        self.own: asyncio.Transport | None = None
        self._early: list[bytes] = []  # before the other end was there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.own = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.to is None:
            self._early.append(data)
        else:
            self.to.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.to is not None:
            self.to.close()

    def join(self, other: Side) -> None:
        self.to = other.own
        if self.to is not None and self._early:
            self.to.write(b"".join(self._early))


class Caller(Side):
    """The end that asks: the other one is opened for it."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._address = (host, port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        _, engine = await asyncio.get_running_loop().create_connection(Side, *self._address)
        self.join(engine)
        engine.join(self)


async def relay(host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Caller(host, port), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _leave_with_the_bench() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    threading.Thread(target=_leave_with_the_bench, daemon=True).start()
    try:
        import uvloop

        loop_factory = uvloop.new_event_loop
    except ImportError:
        loop_factory = None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(relay(sys.argv[1], int(sys.argv[2])))


if __name__ == "__main__":
    main()
