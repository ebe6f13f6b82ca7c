"""`fabula serve`: a studio until Ctrl-C. Knows the flags, not what a studio does."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from fabula.cli import browser, screen
from fabula.cli.options import HomeOption
from fabula.cli.studio import locate
from fabula.cli.words import say
from fabula.store import settings
from fabula.store.home import Home
from fabula.store.studio import announced

if TYPE_CHECKING:
    from fabula.server.run import Again

AGAIN = "FABULA_AGAIN_PORT"
"""In the environment of a studio that begins again: where the one before was reached."""

HostOption = Annotated[
    str | None, typer.Option("--host", metavar="ADDRESS", help=say("cli.serve.host"), show_default=False)
]
PortOption = Annotated[
    int | None, typer.Option("--port", metavar="PORT", help=say("cli.serve.port"), show_default=False)
]
OpenOption = Annotated[
    bool | None, typer.Option("--open/--no-open", help=say("cli.serve.open"), show_default=False)
]
AlsoOption = Annotated[
    str | None, typer.Option("--also", metavar="NAMES", help=say("cli.serve.also"), show_default=False)
]
CertOption = Annotated[
    str | None, typer.Option("--tls-cert", metavar="FILE", help=say("cli.serve.tls_cert"), show_default=False)
]
KeyOption = Annotated[
    str | None, typer.Option("--tls-key", metavar="FILE", help=say("cli.serve.tls_key"), show_default=False)
]


def serve(
    host: HostOption = None,
    port: PortOption = None,
    open: OpenOption = None,
    also: AlsoOption = None,
    tls_cert: CertOption = None,
    tls_key: KeyOption = None,
    home: HomeOption = None,
) -> None:
    flags = {"host": host, "port": port, "open_browser": open, "server.also": also}
    start(locate(home), flags | {"server.tls_cert": tls_cert, "server.tls_key": tls_key})


def start(home: Home, flags: dict[str, Any]) -> None:
    """Runs a studio until it is stopped, and says where it is. Ctrl-C and SIGTERM are its ordinary end."""
    before = _before()
    gc.disable()  # what is imported and built from here on stays
    try:
        from fabula.server.run import serve as run

        wants_page = settings.load(home, flags).open_browser and before is None
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it closes as with Ctrl-C
        again = None
        with contextlib.suppress(KeyboardInterrupt):
            again = run(
                home,
                flags,
                reachable=lambda address: show(address, wants_page),
                ready=lambda address: announce(address, home, flags),
                taken=lambda second: screen.note(
                    say("cli.serve.taken", name=second.name, port=f"{second.port}")
                ),
                restarts=True,
                again=before,
            )
    finally:
        gc.enable()
    if again:
        screen.note(say("cli.serve.restarting"))
        _begin_again(again.port)
    screen.note(say("cli.serve.ended"))


def _before() -> Again | None:
    """What the studio before this one said, when a person restarted it; told only once."""
    port = os.environ.pop(AGAIN, "")
    if not port.isdecimal():
        return None
    from fabula.server.run import Again

    return Again(int(port))


def _begin_again(port: int) -> None:
    """The same command anew, as a new program: an update holds then, too. On Windows, where a process cannot
    become another one, it is a child of this one."""
    command = [sys.executable, *sys.orig_argv[1:]]
    told = os.environ | {AGAIN: str(port)}
    if os.name == "posix":
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(command[0], command, told)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the child; this one ends with it
    raise SystemExit(subprocess.call(command, env=told))


def announce(address: str, home: Home, flags: dict[str, Any]) -> None:
    from fabula.server.addresses import for_others, is_private

    screen.line(say("cli.serve.ready", address=address))
    chosen = settings.load(home, flags)
    info = announced(home)
    for name, other in (info.also if info else {}).items():
        screen.line(say("cli.serve.ready_too", name=name, address=other))
    if not is_private(chosen.host) and (others := for_others(chosen, urlsplit(address).port or 0)):
        key = "cli.serve.others_encrypted" if chosen.server_tls_cert else "cli.serve.others"
        screen.line(say(key, addresses=", ".join(others)))
    screen.note(say("cli.serve.leave"))
    gc.freeze()  # it never becomes garbage: collections need not walk through it
    gc.enable()


def already(address: str, home: Home) -> None:
    """A studio runs on this home: say where, and show it."""
    screen.line(say("cli.serve.already", address=address))
    show(address, settings.load(home).open_browser)


def show(address: str, wants_page: bool) -> None:
    if wants_page and browser.has_screen():
        browser.open_page(address)
