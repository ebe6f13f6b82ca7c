"""`fabula pull SOURCE`. Knows how a download is chosen and watched, not how it is made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.client import Client
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say

SourceArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", help=say("cli.pull.source"), show_default=False)
]
FirstOption = Annotated[bool, typer.Option("--first", help=say("cli.pull.first"))]
RateOption = Annotated[str, typer.Option("--limit", metavar="RATE", help=say("cli.pull.limit"))]
BehindOption = Annotated[bool, typer.Option("--no-wait", help=say("cli.pull.no_wait"))]

WHOLE_REPOSITORY = re.compile(r"^(hf|hub|ms):[^:@]+(@[^:]+)?$")


def pull(
    source: SourceArgument,
    first: FirstOption = False,
    limit: RateOption = "",
    no_wait: BehindOption = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    from fabula.cli.downloads import rate_of, watch

    rate = rate_of(limit) if limit else 0
    with connect(home) as studio:
        wanted = recommended(studio, source, json=json)
        # A studio that lives for this command alone is here for this download, not for older ones.
        body = {"source": wanted, "first": first or not studio.stays, "limit": rate}
        job = studio.post("/models/pull", body)
        if no_wait and studio.stays:
            return queued(job, json=json)
        job = watch(studio, job, json=json)
    if not json:
        ended(job, source)
    return None


def recommended(studio: Client, source: str, *, json: bool) -> str:
    """Of a whole repository, what suits this machine; else the source itself."""
    if not WHOLE_REPOSITORY.match(source):
        return absolute(source)
    with screen.spinner(say("cli.search.reading", source=source)):
        told = studio.get("/search/offers", of=source)
    if not told["recommended"] or len(told["offers"]) == 1:
        return source
    if not json:
        from fabula.cli.offers import best_of, label

        best = best_of(told)
        screen.note(say("cli.offers.best", name=label(best) if best else "", why=told["why"]))
        screen.note(say("cli.pull.size", size=told["needed"], free=told["free"]))
    return str(told["recommended"])


def queued(job: dict[str, Any], *, json: bool) -> None:
    if json:
        return screen.json_lines([job])
    return screen.note(say("cli.pull.queued", source=job["title"]))


def ended(job: dict[str, Any], source: str) -> None:
    if job["state"] == "done":
        screen.note(say("cli.pull.done", name=job["result"].get("name", source)))
    else:
        screen.note(say("cli.downloads.paused", source=job["title"]))


def absolute(source: str) -> str:
    """A file of this folder with its whole path: the studio may run in another one."""
    file = Path(source).expanduser()
    return str(file.absolute()) if file.is_file() else source
