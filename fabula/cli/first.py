"""`fabula` without a verb: from nothing to a studio in the browser. Knows no screen and no server."""

from __future__ import annotations

from fabula.cli import screen
from fabula.cli.serve import already, start
from fabula.cli.studio import locate
from fabula.cli.words import say
from fabula.store.home import Home
from fabula.store.studio import running


def first() -> None:
    """The second time there is a model, and the network is not touched."""
    home = locate(None)
    if info := running(home):
        already(info.address, home)
        return
    home.create()
    if not has_model(home):
        fetch_starter(home)
    start(home, {})


def has_model(home: Home) -> bool:
    return any(not path.name.startswith(".") for path in home.models.rglob("*.gguf"))


def fetch_starter(home: Home) -> None:
    """Ctrl-C ends it; the next run starts it again or goes on with it."""
    from fabula.models import starter
    from fabula.models.sources import Progress

    screen.note(say("cli.first.fetching", name=starter.STARTER.name, size=starter.STARTER.size))
    try:
        with screen.bar() as advance:

            def tell(progress: Progress) -> None:
                advance(progress.done, progress.total, progress.note)

            starter.ensure(home.models, tell)
    except KeyboardInterrupt:
        screen.note(say("cli.first.stopped"))
        raise
    screen.note(say("cli.first.fetched"))
