"""`fabula serve`: a studio until Ctrl-C. Knows the flags, not what a studio does."""

from __future__ import annotations

import contextlib
import gc
import signal
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from fabula.cli import browser, screen
from fabula.cli.options import HomeOption
from fabula.cli.studio import locate
from fabula.cli.words import say
from fabula.store import settings
from fabula.store.home import Home
from fabula.store.studio import announced

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
    gc.disable()  # what is imported and built from here on stays; the studio turns it on when it answers
    try:
        from fabula.server.run import serve as run

        wants_page = settings.load(home, flags).open_browser
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it closes as with Ctrl-C
        with contextlib.suppress(KeyboardInterrupt):
            run(
                home,
                flags,
                reachable=lambda address: show(address, wants_page),
                ready=lambda address: announce(address, home, flags),
                taken=lambda second: screen.note(
                    say("cli.serve.taken", name=second.name, port=f"{second.port}")
                ),
            )
    finally:
        gc.enable()
    screen.note(say("cli.serve.ended"))


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


def already(address: str, home: Home) -> None:
    """A studio runs on this home: say where, and show it."""
    screen.line(say("cli.serve.already", address=address))
    show(address, settings.load(home).open_browser)


def show(address: str, wants_page: bool) -> None:
    if wants_page and browser.has_screen():
        browser.open_page(address)
