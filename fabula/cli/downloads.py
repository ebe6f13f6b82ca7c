"""`fabula downloads …`: the queue. Knows how it is shown and steered, not how a download is made."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fabula.cli import screen, verbs
from fabula.cli.client import Client, error_of
from fabula.cli.mistakes import WrongUsage
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import language, say
from fabula.core.texts import as_bytes

Which = Annotated[
    str, typer.Argument(metavar="NUMBER|SOURCE", help=say("cli.downloads.which"), show_default=False)
]
Position = Annotated[int, typer.Argument(metavar="POSITION", help=say("cli.downloads.position"), min=1)]
RateArgument = Annotated[
    str, typer.Argument(metavar="RATE", help=say("cli.downloads.rate"), show_default=False)
]
ALL = "all"


def group() -> Any:
    functions = (
        ("list", list_),
        ("pause", pause),
        ("resume", resume),
        ("cancel", cancel),
        ("move", move),
        ("limit", limit),
    )
    return verbs.group("downloads", functions)


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        told = studio.get("/downloads")
    show(told, json=json)


def pause(which: Which, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        for row in chosen(studio, which):
            studio.post(f"/downloads/{row['id']}/pause")
        told = studio.get("/downloads")
    show(told, json=json)


def resume(which: Which, home: HomeOption = None, json: JsonOption = False) -> None:
    """One that goes on in a studio that stays is left to it; else it is watched to its end."""
    with connect(home) as studio:
        rows = chosen(studio, which)
        jobs = [studio.post(f"/downloads/{row['id']}/resume") for row in rows]
        for job in jobs if not studio.stays else ():
            watch(studio, job, json=json)
        told = studio.get("/downloads")
    show(told, json=json)


def cancel(which: Which, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        for row in chosen(studio, which):
            studio.delete(f"/downloads/{row['id']}")
        told = studio.get("/downloads")
    show(told, json=json)


def move(which: Which, position: Position = 1, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        (row, *more) = chosen(studio, which)
        if more:
            raise WrongUsage(say("cli.downloads.one"))
        told = studio.post(f"/downloads/{row['id']}/move", {"position": position})
    show(told, json=json)


def limit(rate: RateArgument, home: HomeOption = None) -> None:
    wanted = rate_of(rate)
    with connect(home) as studio:
        studio.patch("/settings", {"download.limit": wanted})
    limited = say("cli.downloads.limited", rate=wanted)
    screen.note(limited if wanted else say("cli.downloads.unlimited"))


# ── shared with pull and run ────────────────────────────────────────────────────────────────────────


def rate_of(text: str) -> int:
    """Bytes per second: 2MiB, 500k, 0. Raises BadParameter."""
    from fabula.models.fit.asking import bytes_of

    return bytes_of("limit", text.strip().removesuffix("/s"))


def watch(studio: Client, job: dict[str, Any], *, json: bool = False) -> dict[str, Any]:
    """To its end, or to a pause. Raises its error; Ctrl-C pauses it, and what is here stays."""
    try:
        job = lines(studio, job) if json else bar(studio, job)
    except KeyboardInterrupt:
        studio.post(f"/downloads/{job['id']}/pause")
        screen.note(say("cli.downloads.paused", source=job["title"]))
        raise
    if job["error"]:
        raise error_of(job["error"])
    return job


def lines(studio: Client, job: dict[str, Any]) -> dict[str, Any]:
    for event in studio.stream("GET", f"/jobs/{job['id']}/events"):
        job = event.data
        screen.json_lines([job])
        if event.kind == "end":
            break
    return job


def bar(studio: Client, job: dict[str, Any]) -> dict[str, Any]:
    screen.note(job["title"])
    with screen.bar() as advance:
        for event in studio.stream("GET", f"/jobs/{job['id']}/events"):
            job = event.data
            now = job["progress"]
            advance(now.get("done") or 0, now.get("total") or 0, stage(job))
            if event.kind == "end":
                break
    return job


def stage(job: dict[str, Any]) -> str:
    """The text key of what is being done."""
    if job["state"] == "queued":
        return "cli.downloads.states.waiting"
    return str(job["progress"].get("note") or "cli.downloads.states.starting")


def chosen(studio: Client, which: str) -> list[dict[str, Any]]:
    """Those that a number of the list, a part of a source, an id or `all` means. Raises WrongUsage."""
    rows: list[dict[str, Any]] = studio.get("/downloads")["downloads"]
    if which == ALL:
        return rows
    exact = [row for row in rows if which in (str(row["position"]), row["id"], row["source"])]
    found = exact or [row for row in rows if which.lower() in row["source"].lower()]
    if len(found) != 1:
        known = ", ".join(f"{row['position']} {row['source']}" for row in rows) or "–"
        raise WrongUsage(say("cli.downloads.unknown", which=which, known=known))
    return found


def show(told: dict[str, Any], *, json: bool) -> None:
    rows = told["downloads"]
    if json:
        return screen.json_lines(rows)
    if rows:
        titles = [("position", "right"), ("source", "left"), ("state", "left"), ("progress", "left")]
        screen.table(
            [(say(f"cli.columns.{title}"), side) for title, side in titles],  # type: ignore[misc]
            [row(each) for each in rows],
        )
        for each in rows:
            if each["error"]:
                screen.note(f"{each['source']}: {error_of(each['error']).sentence(language())}")
    else:
        screen.note(say("cli.downloads.none"))
    limited = say("cli.downloads.limited", rate=told["limit"]) if told["limit"] else ""
    free = say("cli.downloads.free", free=told["free"], folder=told["folder"])
    return screen.note(" ".join(part for part in (free, limited) if part))


def row(each: dict[str, Any]) -> tuple[str, ...]:
    state = say(f"cli.downloads.states.{each['state']}")
    return (str(each["position"]), each["source"], state, progress(each))


def progress(each: dict[str, Any]) -> str:
    now = each["progress"]
    done, total = now.get("done") or 0, now.get("total") or 0
    if not done:
        return ""
    running = each["state"] == "running"
    rate, left = (now.get("rate") or 0, now.get("seconds_left")) if running else (0, None)
    return screen.figures("bytes", done, total, rate, left) if total else as_bytes(done)
