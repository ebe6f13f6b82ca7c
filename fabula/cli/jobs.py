"""Watch a job until it ends. Knows the events of jobs, not what any kind of job does."""

from __future__ import annotations

from typing import Any

from fabula.cli import screen
from fabula.cli.client import Client, error_of
from fabula.cli.words import say

ENDED = ("done", "failed", "cancelled", "interrupted")


def follow(studio: Client, job: dict[str, Any], *, json: bool) -> dict[str, Any]:
    """The job as it ended. Raises its error; Ctrl-C cancels it, and what was done so far is kept."""
    try:
        job = _watch_lines(studio, job) if json else _watch_bar(studio, job)
    except KeyboardInterrupt:
        studio.post(f"/jobs/{job['id']}/cancel")
        screen.note(say("cli.job.stopped", id=job["id"]))
        raise
    if job["error"]:
        raise error_of(job["error"])
    return job


def _watch_lines(studio: Client, job: dict[str, Any]) -> dict[str, Any]:
    for event in studio.stream("GET", f"/jobs/{job['id']}/events"):
        job = event.data
        screen.json_lines([job])
        if event.kind == "end":
            break
    return job


def _watch_bar(studio: Client, job: dict[str, Any]) -> dict[str, Any]:
    screen.note(job["title"])
    with screen.bar(job["progress"].get("unit") or "bytes") as advance:
        for event in studio.stream("GET", f"/jobs/{job['id']}/events"):
            job = event.data
            now = job["progress"]
            advance(now.get("done") or 0, now.get("total") or 0, now.get("note") or "", now.get("unit") or "")
            if event.kind == "end":
                break
    return job
