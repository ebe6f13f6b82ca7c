"""`fabula restart`. Knows that every studio has a key of its own."""

from __future__ import annotations

import time

from fabula.cli import screen
from fabula.cli.options import HomeOption
from fabula.cli.studio import connect_running, locate
from fabula.cli.words import say
from fabula.core.errors import StudioGone
from fabula.store.studio import running

PATIENCE_S = 60.0  # replies end, engines are let go, a database is opened
LOOK_S = 0.2


def restart(home: HomeOption = None) -> None:
    """Blocks until the next studio answers. Raises what the running one refuses, and StudioGone."""
    place = locate(home)
    with connect_running(place.path) as studio:
        if studio is None:
            screen.note(say("cli.ps.no_studio"))
            return
        before = running(place)
        address = str(studio.post("/restart")["address"])
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        info = running(place)
        if info and before and info.key != before.key:  # each studio has its own
            screen.line(say("cli.serve.ready", address=info.address))
            return
        time.sleep(LOOK_S)
    raise StudioGone(address)
