"""How the command line watches a job, from what the studio tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fabula.app.kinds import KINDS
from fabula.cli.jobs import KEEPING, follow
from fabula.core.seams import Event

JOB = {"id": "j7", "title": "A search", "progress": {}, "result": {}, "error": None, "updated_at": 20.0}
DIED = {"code": "unexpected", "message": "it died", "fields": {"reason": "killed"}}


class Studio:
    """Tells of a job that died once, was resumed and is done."""

    def stream(self, method: str, path: str) -> Iterator[Event]:
        assert (method, path) == ("GET", "/jobs/j7/events")
        yield Event(1, "end", JOB | {"updated_at": 10.0, "error": DIED})
        yield Event(2, "progress", JOB)
        yield Event(3, "end", JOB | {"updated_at": 30.0, "result": {"name": "found"}})
        raise AssertionError("nobody listens any more")


@pytest.mark.parametrize("json", [True, False])
def test_a_resumed_job_is_watched_to_its_new_end(json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    studio: Any = Studio()
    assert follow(studio, JOB, json=json)["result"] == {"name": "found"}
    assert "it died" not in "".join(capsys.readouterr())


class Interrupted:
    """Somebody types Ctrl-C while the job is watched."""

    def __init__(self) -> None:
        self.posted: list[str] = []

    def stream(self, method: str, path: str) -> Iterator[Event]:
        yield Event(1, "progress", JOB)
        raise KeyboardInterrupt

    def post(self, path: str) -> None:
        self.posted.append(path)


@pytest.mark.parametrize("kind", [*KINDS])
def test_ctrl_c_says_what_becomes_of_what_was_done(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    studio: Any = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        follow(studio, JOB | {"kind": kind}, json=False)
    told = " ".join("".join(capsys.readouterr()).split())
    assert studio.posted == ["/jobs/j7/cancel"]
    assert ("what was done is kept" in told, "nothing of it is kept" in told) == (
        kind in KEEPING,
        kind not in KEEPING,
    )
    assert "fabula job resume j7" in told


def test_a_measurement_that_was_stopped_has_kept_nothing() -> None:
    assert "tune" not in KEEPING
    assert {*KINDS} > {*KEEPING}
