"""Watch a job until it ends. Knows the events of jobs, not what any kind of job does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fabula.cli import screen
from fabula.cli.client import Client, error_of
from fabula.cli.words import say

KEEPING = ("pull", "adapter", "quantize", "imatrix", "direction_search", "direction_write")
"""Kinds of jobs that go on from where they were stopped. Any other begins anew."""

ENDED = ("done", "failed", "cancelled", "interrupted")


def follow(studio: Client, job: dict[str, Any], *, json: bool) -> dict[str, Any]:
    """The job as it ended. Raises its error; Ctrl-C cancels it, and says what becomes of what was done."""
    try:
        job = _watch_lines(studio, job) if json else _watch_bar(studio, job)
    except KeyboardInterrupt:
        studio.post(f"/jobs/{job['id']}/cancel")
        how = "stopped" if job["kind"] in KEEPING else "stopped_anew"
        screen.note(say(f"cli.job.{how}", id=job["id"]))
        raise
    if job["error"]:
        raise error_of(job["error"])
    return job


def _watch_lines(studio: Client, job: dict[str, Any]) -> dict[str, Any]:
    now = job
    for now in _events(studio, job):
        screen.json_lines([now])
    return now


def _watch_bar(studio: Client, job: dict[str, Any]) -> dict[str, Any]:
    screen.note(job["title"])
    with screen.bar(job["progress"].get("unit") or "bytes") as advance:
        now = job
        for now in _events(studio, job):
            far = now["progress"]
            advance(far.get("done") or 0, far.get("total") or 0, far.get("note") or "", far.get("unit") or "")
    return now


def _events(studio: Client, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The job as it becomes. What was before is not told again: one that was resumed has ended already."""
    for event in studio.stream("GET", f"/jobs/{job['id']}/events"):
        if event.data["updated_at"] < job["updated_at"]:
            continue
        yield event.data
        if event.kind == "end":
            return
