"""Run a studio until it is told to stop: one per home, in this process. Knows no route."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import logging.handlers
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from fabula.core.errors import FabulaError, NeedsKey, NotWhileStarting
from fabula.server import tls
from fabula.server.access_log import AccessLog
from fabula.server.addresses import is_private, listen, own_address, own_name, scheme_of
from fabula.server.also import Second, listen_too, seconds
from fabula.server.door import Door
from fabula.server.patience import Patient, allow_connections
from fabula.store import settings
from fabula.store.home import Home
from fabula.store.settings import Settings
from fabula.store.studio import claim

if TYPE_CHECKING:
    from fabula.app import MakeWorker, Studio
    from fabula.app.restored import Restored

STOP_GRACE_S = 5  # for answers that are being sent when the studio is told to stop
log = logging.getLogger(__name__)
SHARED_S = 0.0005  # of the interpreter, in turns, while code is read and files are served


def serve(
    home: Home,
    flags: Mapping[str, object] | None = None,
    *,
    reachable: Callable[[str], None] = lambda address: None,
    ready: Callable[[str], None] = lambda address: None,
    stop: threading.Event | None = None,
    make_worker: MakeWorker | None = None,
    taken: Callable[[Second], None] = lambda second: None,
    restarts: bool = False,
    again: Again | None = None,
) -> Again | None:
    """Blocks until SIGINT, SIGTERM or `stop`; where the caller `restarts` it, also until a person asks for
    that: then it answers what the next call is given as `again`.

    `reachable` gets the address once the web app's files are, `ready` once every request is answered; `taken`
    gets each second port that another program has. Raises StudioRunning, PortInUse, NeedsKey, SettingInvalid,
    or what opening the home raises.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        allow_connections()
        house = _House(home.create(), dict(flags or {}), make_worker, again)
        runner.run(_serve(house, reachable, ready, taken, stop, restarts))
        return house.again


async def _serve(
    house: _House,
    reachable: Callable[[str], None],
    ready: Callable[[str], None],
    taken: Callable[[Second], None],
    stop: threading.Event | None,
    restarts: bool,
) -> None:
    with claim(house.home) as mine:
        listener = house.listen(mine.key)
        with logging_to(house.home):
            others = dict(house.listen_too(taken))
            address = house.address(listener)
            also = {second.name: house.address(other) for second, other in others.items()}
            async with _answering(house, [listener, *others.values()]) as server:
                if restarts:
                    house.end = stop.set if stop else server.end
                reachable(address)
                await house.open()
                mine.announce(address, also, house.certificate())
                ready(address)
                await server.ended(stop)


@contextlib.asynccontextmanager
async def _answering(house: _House, listeners: list[socket.socket]) -> AsyncIterator[_Server]:
    """The door answers inside the block; behind it, in the end, everything is closed in good order."""
    server = _Server(_config(house.door, house.settings), house.quiet)
    serving = asyncio.create_task(server.serve(sockets=listeners))
    restore = _on_signals(server)
    try:
        await server.has_started()
        yield server
    finally:
        server.end()
        await serving
        await house.close()
        restore()


@dataclass(frozen=True, slots=True)
class Again:
    """What a studio that begins again is told by the one before: the port that browsers know."""

    port: int


class _House:
    """A studio and the door before it: the code behind the door is read while the door already answers."""

    door: Door
    settings: Settings

    end: Callable[[], None] | None = None
    """Ends the studio for whoever begins it again; None where nobody does."""

    def __init__(
        self,
        home: Home,
        flags: Mapping[str, object],
        make_worker: MakeWorker | None,
        before: Again | None = None,
    ) -> None:
        self.home, self._flags, self._make_worker = home, flags, make_worker
        self.again: Again | None = None
        self._before = before
        self._studio: Studio | None = None
        self._restoring: asyncio.Task[None] | None = None
        self._log = AccessLog(home.logs)

    def listen(self, key: str) -> socket.socket:
        """`key` is that of studio.json. Raises NeedsKey, PortInUse or SettingInvalid."""
        self.settings = chosen = settings.load(self.home, self._flags)
        tls.check(chosen)
        seconds(chosen.server_also)
        if not is_private(chosen.host) and not _has_keys(self.home):
            raise NeedsKey(chosen.host)
        self.door = Door(chosen, studio_key=key, log=self._log)
        port = chosen.port or (self._before.port if self._before else 0)
        listener = listen(chosen.host, port)
        self._port = int(listener.getsockname()[1])
        return listener

    def listen_too(self, taken: Callable[[Second], None]) -> Iterator[tuple[Second, socket.socket]]:
        return listen_too(self.settings.host, self.settings.server_also, taken)

    def address(self, listener: socket.socket) -> str:
        return own_address(listener, scheme_of(self.settings))

    def certificate(self) -> str:
        """What our own programs know the studio's certificate by; "" without one."""
        return tls.fingerprint(self.settings.server_tls_cert) if self.settings.server_tls_cert else ""

    async def open(self, restored: Restored | None = None) -> None:
        make, behind = await asyncio.to_thread(_code)
        self._studio = make(self.home, self._flags, self._make_worker)
        self._studio.restore, self._studio.restored = self.restore, restored
        self._studio.restart = self.restart if self.end else None
        await self._studio.open()
        app = await asyncio.to_thread(behind, self._studio)
        self.door.open(app, self._studio)

    def restore(self, file: Path) -> None:
        """Begins to put a checked backup in the place of everything. Raises NotWhileStarting."""
        if self._studio is None or not self.door.is_open:
            raise NotWhileStarting
        self.door.shut()
        self._restoring = asyncio.create_task(self._restore(self._studio, file))

    async def _restore(self, outgoing: Studio, file: Path) -> None:
        """Whoever asks meanwhile waits; the home stays claimed, and the port is kept."""
        self._studio = None
        try:
            await outgoing.quiet()
            await self.door.emptied(STOP_GRACE_S)
            await outgoing.close()
            await self.open(await asyncio.to_thread(_put_back, self.home, file))
        except Exception:
            log.exception("the studio cannot be opened after a restore")
            self.door.open(Response(status_code=503))

    def restart(self) -> str:
        """Begins to end, for whoever begins it again; answers the address that it will have.

        Nothing ends when it could not begin: raises NotWhileStarting, and what `listen` raises.
        """
        if self.end is None or self._studio is None or not self.door.is_open:
            raise NotWhileStarting
        chosen = settings.load(self.home, self._flags)
        tls.check(chosen)
        seconds(chosen.server_also)
        if not is_private(chosen.host) and not _has_keys(self.home):
            raise NeedsKey(chosen.host)
        port = chosen.port or self._port
        if port != self._port:
            listen(chosen.host, port).close()  # another program may have it
        self.again = Again(port)
        self.end()
        return f"{scheme_of(chosen)}://{own_name(chosen.host)}:{port}"

    async def quiet(self) -> None:
        """Ends what readers wait for."""
        if self._restoring:  # half a restore is none
            await asyncio.wait([self._restoring])
        if not self.door.is_open:
            self.door.open(Response(status_code=503))
        if self._studio:
            await self._studio.quiet()

    async def close(self) -> None:
        if self._studio:
            await self._studio.close()
        self._log.close()


def _put_back(home: Home, file: Path) -> Restored:
    """A refusal leaves everything as it was."""
    from fabula.app.restored import Restored
    from fabula.store import backup

    try:
        kept = backup.put_back(home, file)
    except FabulaError as failure:
        return Restored(file.name, time.time(), failure=failure)
    return Restored(file.name, time.time(), kept=str(kept))


def _has_keys(home: Home) -> bool:
    """Looked up before anybody can reach the studio, and so before it is open."""
    from fabula.accounts.keys import count
    from fabula.store.database import Database

    database = Database(home.database, home.backups)
    try:
        database.open()
        return bool(database.read_sync(count))
    finally:
        database.close()


def _code() -> tuple[type[Studio], Callable[[Studio], ASGIApp]]:
    """Everything behind the door. The event loop gets its turns in between."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SHARED_S)
    try:
        from fabula.app import Studio
        from fabula.server.http import behind
    finally:
        sys.setswitchinterval(before)
    return Studio, behind


def _config(door: Door, chosen: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        door,
        ssl_certfile=chosen.server_tls_cert or None,
        ssl_keyfile=chosen.server_tls_key or None,
        http=Patient,
        loop="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=STOP_GRACE_S,
    )


class _State(ServerState):
    """Each answer begins with the date of its second; nothing wakes to keep it right between answers."""

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        return _date(int(time.time()))

    @default_headers.setter
    def default_headers(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Uvicorn's own, of which `_config` leaves none."""


@functools.lru_cache(maxsize=1)
def _date(second: int) -> list[tuple[bytes, bytes]]:
    return [(b"date", formatdate(second, usegmt=True).encode())]


class _Server(uvicorn.Server):
    """Uvicorn raises a caught signal again when it has shut down, which would cut our own closing short;
    and it waits for open streams, which end only when they are told to. It wakes ten times a second to see
    whether it is to end and what time it is, each time at the price of a streamed token: here it is told, and
    looks at the clock when it answers."""

    def __init__(self, config: uvicorn.Config, before_shutdown: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self.server_state = _State()
        self._before_shutdown = before_shutdown
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()

    def end(self) -> None:
        """May be called in a signal handler."""
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._told.set)

    async def has_started(self) -> None:
        while not self.started:
            await asyncio.sleep(0.005)

    async def ended(self, stop: threading.Event | None) -> None:
        """Until it was told to end, or `stop` tells it."""
        if stop is None:
            await self._told.wait()
        else:
            await asyncio.to_thread(stop.wait)

    async def main_loop(self) -> None:
        await self._told.wait()

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
