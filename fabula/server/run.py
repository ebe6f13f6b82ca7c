"""Run a studio until it is told to stop: one per home, one port, in this process. Knows no route."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import logging.handlers
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import FrameType

import uvicorn

from fabula.app import MakeWorker, Studio
from fabula.core.errors import PortInUse, SettingInvalid
from fabula.core.texts import phrase
from fabula.server import http
from fabula.store.home import Home
from fabula.store.studio import Claim, claim

LOOPBACK = ("127.0.0.1", "::1", "localhost")
LOOK_S = 1.0  # between two looks at the clock, for the date in answers
STOP_GRACE_S = 5  # for answers that are being sent when the studio is told to stop


def serve(
    home: Home,
    flags: Mapping[str, object] | None = None,
    *,
    ready: Callable[[str], None] = lambda address: None,
    stop: threading.Event | None = None,
    make_worker: MakeWorker | None = None,
) -> None:
    """Blocks until SIGINT, SIGTERM or `stop`. `ready` gets the address once requests are answered.

    Raises StudioRunning, PortInUse, or what opening the home raises.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(home, dict(flags or {}), ready, stop, make_worker))


async def _serve(
    home: Home,
    flags: Mapping[str, object],
    ready: Callable[[str], None],
    stop: threading.Event | None,
    make_worker: MakeWorker | None,
) -> None:
    with claim(home.create()) as mine:
        studio = Studio(home, flags, make_worker)
        listener = _listen(studio.settings.host, studio.settings.port)
        with logging_to(home):
            await studio.open()
            try:
                await _answer(studio, listener, mine, ready, stop)
            finally:
                await studio.close()


async def _answer(
    studio: Studio,
    listener: socket.socket,
    mine: Claim,
    ready: Callable[[str], None],
    stop: threading.Event | None,
) -> None:
    config = uvicorn.Config(
        http.create(studio),
        http="httptools",
        loop="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=STOP_GRACE_S,
    )
    server = _Server(config, studio.quiet)
    gc.freeze()  # the program itself never becomes garbage: collections need not walk through it
    gc.enable()
    restore = _on_signals(server)
    watch = asyncio.create_task(_announce(server, listener, mine, ready, stop))
    try:
        await server.serve(sockets=[listener])
    finally:
        watch.cancel()
        restore()


class _Server(uvicorn.Server):
    """Uvicorn raises a caught signal again when it has shut down, which would cut our own closing short;
    and it waits for open streams, which end only when they are told to. It wakes ten times a second to see
    whether it is to end, each time at the price of a streamed token: here it is told."""

    def __init__(self, config: uvicorn.Config, before_shutdown: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._before_shutdown = before_shutdown
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()

    def end(self) -> None:
        """May be called in a signal handler."""
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), LOOK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._before_shutdown()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _on_signals(server: _Server) -> Callable[[], None]:
    """The first SIGINT or SIGTERM ends the server in good order, the second at once. Gives the way back."""

    def stop(number: int, frame: FrameType | None) -> None:
        server.force_exit = server.should_exit
        server.end()

    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore


async def _announce(
    server: _Server,
    listener: socket.socket,
    mine: Claim,
    ready: Callable[[str], None],
    stop: threading.Event | None,
) -> None:
    while not server.started:
        await asyncio.sleep(0.005)
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    mine.announce(address)
    ready(address)
    if stop is not None:
        await asyncio.to_thread(stop.wait)
        server.end()


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket on loopback. Raises PortInUse, or SettingInvalid for an address that others reach."""
    if host not in LOOPBACK:
        raise SettingInvalid("host", host, phrase("expected.one_of", names=", ".join(LOOPBACK)))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":  # on Windows the option would let two programs share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as reason:
        listener.close()
        raise PortInUse(host, port) from reason
    return listener


@contextlib.contextmanager
def logging_to(home: Home) -> Iterator[None]:
    """Our own log goes to the home folder, bounded; the terminal is for people."""
    handler = logging.handlers.RotatingFileHandler(
        home.logs / "studio.log", maxBytes=2_000_000, backupCount=2, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        handler.close()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one: it halves the cost of a streamed token."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
