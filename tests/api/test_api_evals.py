"""Evaluations over HTTP and on the command line."""

from __future__ import annotations

from typing import Any

import pytest
from talking import Client
from test_api_quantize import MADE, MEASURED

from fabula.cli import probes as tables
from fabula.cli import quantize
from fabula.core.errors import NoDiskSpace
from fabula.evals.probes import bank, result
from fabula.evals.probes.asking import Outcome


def outcomes(*wrong: str) -> dict[str, Outcome]:
    """Of the English probes: right but for the groups that are named."""
    found = {}
    for probe in bank.chosen("en"):
        right = {group: group not in wrong for group in probe.groups}
        why = {group: "moves: so on" for group in probe.groups if group in wrong}
        found[probe.id] = Outcome(probe=probe.id, right=right, reply=f"Said to {probe.id}.", why=why)
    return found


def compared(*wrong: str) -> dict[str, Any]:
    return result.compared(outcomes(), outcomes(*wrong), bank.chosen("en"))


def test_every_probe_can_be_read(client: Client) -> None:
    told = client.get("/evals/probes")
    assert told["bank"] == bank.digest()
    assert len(told["probes"]) == len(bank.probes())
    france = next(row for row in told["probes"] if row["probe"] == "en/facts/france")
    assert (france["ask"], france["endings"][0]) == ("The capital of France is", "Paris")


def test_asking_them_is_a_job_of_its_own(client: Client) -> None:
    job = client.post("/evals/probes", {"model": "tiny", "against": "tiny", "language": "en"}, 202)
    assert (job["kind"], job["title"]) == ("probes", "tiny → tiny")
    *_, end = client.hear(f"/jobs/{job['id']}/events")
    assert end.data["error"]["code"] == "model_load_failed"  # it has a header and no layers


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"model": "nobody"}, 404, "model_not_found"),
        ({"model": "tiny", "against": "nobody"}, 404, "model_not_found"),
        ({"model": "tiny", "language": "de"}, 400, "bad_parameter"),
        ({"model": "tiny", "unknown": 1}, 400, "bad_parameter"),
        ({}, 400, "bad_parameter"),
    ],
)
def test_what_cannot_be_asked_is_told_at_once(
    client: Client, asked: dict[str, Any], status: int, code: str
) -> None:
    assert client.post("/evals/probes", asked, status)["error"]["code"] == code
    assert client.get("/jobs")["jobs"] == []


# ── on the command line ─────────────────────────────────────────────────────────────────────────────


def test_scores_are_a_table_with_intervals_and_every_reply_on_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = result.scores(outcomes("loops"), bank.chosen("en"))
    tables.show_scores(found, bank.listed(), replies=False)
    told = capsys.readouterr().out
    assert "Facts" in told
    assert "25%" in told  # by guessing
    assert "Said to" not in told
    tables.show_scores(found, bank.listed(), replies=True)
    told = capsys.readouterr().out
    assert "Tell me about a walk" in told
    assert "wrong · Repeats itself: so on" in told


def test_what_changed_is_shown_with_both_replies(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_compared(compared("loops"), bank.listed())
    told = capsys.readouterr().out
    assert "Of 63 probes 5 turned wrong and 0 turned right. Chance alone often does as much." in told
    assert told.count("right before, wrong after") == 5
    assert "Said to en/open/walk." in told


@pytest.mark.parametrize(
    ("wrong", "words"),
    [((), "None of 63 probes changed."), (("facts",), "worse than chance explains")],
)
def test_the_verdict_is_said_in_words(wrong: tuple[str, ...], words: str) -> None:
    assert words in tables.verdict(compared(*wrong))


def test_a_quantization_tells_its_probes(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    class Studio:
        get = staticmethod(client.get)

    measured = MEASURED | {"probes": compared("facts")}
    quantize.show(MADE | {"measured": measured})
    tables.show_probes(Studio(), measured)  # type: ignore[arg-type]
    assert "Turned wrong" in capsys.readouterr().out
    error = {"error": NoDiskSpace(2 << 30, 1 << 30, "/home").kept()}
    tables.show_probes(Studio(), measured | {"probes": error})  # type: ignore[arg-type]
    assert "The probes were not asked" in capsys.readouterr().err
