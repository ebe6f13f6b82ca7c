"""`fabula job …`. Knows how jobs are listed and steered, not what they do."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fabula.cli import screen, verbs
from fabula.cli.client import error_of
from fabula.cli.jobs import ENDED, follow
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.starting import kinds, log, start
from fabula.cli.studio import connect, locate
from fabula.cli.words import language, say

IdArgument = Annotated[str, typer.Argument(metavar="ID", help=say("cli.job.id"), show_default=False)]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help=say("cli.job.follow"))]


def group() -> Any:
    steered = (("list", list_), ("show", show), ("log", log), ("resume", resume), ("cancel", cancel))
    functions = (*steered, ("kinds", kinds), ("start", start), ("exec", exec_))
    return verbs.group("job", functions, hidden=("exec",))


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        jobs = studio.get("/jobs")["jobs"]
    if json:
        screen.json_lines(jobs)
    elif jobs:
        titles = [(say(f"cli.columns.{title}"), "left") for title in ("id", "title", "state", "progress")]
        screen.table(titles, [row(job) for job in jobs])  # type: ignore[arg-type]
    else:
        screen.note(say("cli.job.none"))


def show(
    id: IdArgument, watch: FollowOption = False, home: HomeOption = None, json: JsonOption = False
) -> None:
    with connect(home) as studio:
        job = studio.get(f"/jobs/{id}")
        if watch and job["state"] not in ENDED:
            job = follow(studio, job, json=json)
    if json:
        screen.json_lines([job])
    else:
        screen.pairs(about(job))


def resume(id: IdArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        job = follow(studio, studio.post(f"/jobs/{id}/resume"), json=json)
    if not json:
        screen.pairs(about(job))


def cancel(id: IdArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        job = studio.post(f"/jobs/{id}/cancel")
    if json:
        screen.json_lines([job])
    else:
        screen.pairs(about(job))


def exec_(id: IdArgument, home: HomeOption = None) -> None:
    """The work of one job, in this process. The studio calls this; people have no need to."""
    from fabula.app.kinds import job_entries
    from fabula.store.database import Database
    from fabula.store.job_child import execute

    place = locate(home)
    database = Database(place.database, place.backups)
    try:
        job = execute(database, id, job_entries(place))
    finally:
        database.close()
    if job.state == "failed":
        raise typer.Exit(1)


def row(job: dict[str, Any]) -> tuple[str, ...]:
    return (job["id"], job["title"], say(f"cli.job.states.{job['state']}"), progress(job))


def progress(job: dict[str, Any]) -> str:
    now = job["progress"]
    done, total = now.get("done") or 0, now.get("total") or 0
    if job["state"] == "done" or not done:
        return ""
    pace = now if job["state"] == "running" else {}
    rate, left = pace.get("rate") or 0, pace.get("seconds_left")
    return screen.figures(now.get("unit") or "bytes", done, total, rate, left)


def about(job: dict[str, Any]) -> list[tuple[str, str]]:
    rows = {
        "id": job["id"],
        "title": job["title"],
        "state": say(f"cli.job.states.{job['state']}"),
        "progress": progress(job),
        "problem": error_of(job["error"]).sentence(language()) if job["error"] else "",
        "name": str(job["result"].get("name", "")),
    }
    return [(say(f"cli.columns.{name}"), value) for name, value in rows.items() if value]
