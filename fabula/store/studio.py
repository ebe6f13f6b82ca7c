"""One studio per home: who runs it, at which address, with which key. Knows nothing of HTTP.

The lock is the truth; `studio.json` only says how to reach its holder. After `kill -9` the file is left
behind, and the free lock shows that it is stale.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from fabula import __version__
from fabula.core.errors import StudioRunning
from fabula.store.files import write_atomic, writing
from fabula.store.home import Home
from fabula.store.locks import lock_file

CLAIM_TIMEOUT = 0.5  # seconds; long enough for a `running` elsewhere to let go of the lock again


@dataclass(frozen=True, slots=True)
class StudioInfo:
    """How to reach a running studio. Whoever can read `key` may do everything the studio can do.

    `also` are further addresses by the program whose clients look there; `certificate` is the SHA-256 of the
    studio's own, "" without TLS.
    """

    address: str
    pid: int
    key: str
    version: str
    also: Mapping[str, str] = field(default_factory=dict)
    certificate: str = ""


class Claim:
    """The right to be the studio of a home, until the block ends."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.key = secrets.token_urlsafe(32)

    def announce(
        self, address: str, also: Mapping[str, str] | None = None, certificate: str = ""
    ) -> StudioInfo:
        """Writes `studio.json`; called when the address is known, that is when the port is bound."""
        info = StudioInfo(address, os.getpid(), self.key, __version__, dict(also or {}), certificate)
        data = json.dumps(dataclasses.asdict(info), indent=1)
        write_atomic(self.home.studio, data.encode(), mode=0o600)
        return info


@contextmanager
def claim(home: Home) -> Iterator[Claim]:
    """Makes this process the one studio of `home`. Raises StudioRunning."""
    lock = lock_file(home.lock, CLAIM_TIMEOUT)
    try:
        lock.__enter__()
    except BlockingIOError as error:
        info = _read(home) or StudioInfo("?", 0, "", "")
        raise StudioRunning(home=str(home.path), address=info.address, pid=info.pid) from error
    try:
        _forget(home)  # of a studio that was killed
        yield Claim(home)
    finally:
        _forget(home)
        lock.__exit__(None, None, None)


def running(home: Home) -> StudioInfo | None:
    """The studio of a home, if one runs and has said where it is."""
    info = _read(home)
    if info is None:
        return None
    try:
        with lock_file(home.lock):
            return None
    except BlockingIOError:
        return info


def announced(home: Home) -> StudioInfo | None:
    """What the studio of a home has written; for the studio itself, which knows that it runs."""
    return _read(home)


def _read(home: Home) -> StudioInfo | None:
    try:
        return StudioInfo(**json.loads(home.studio.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _forget(home: Home) -> None:
    with writing(home.studio):
        home.studio.unlink(missing_ok=True)
