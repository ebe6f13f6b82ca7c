"""Tuning over the API and on the command line: what is asked, what is shown."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fabula.app import Studio
from fabula.cli import tune
from fabula.core.load import LoadOptions

CELL = {
    "read": 200.0,
    "written": 40.0,
    "turn": 8.7,
    "spread": 0.01,
    "load": 0.02,
    "rounds": 3,
    "repeating": 0.0,
    "same_text": True,
    "noisy": False,
}
SETUP = {"threads": 2, "batch": 512, "flash_attention": "auto", "kv_type": "f16", "speculation": "ngram"}


def cell(axis: str, ratio: float = 1.0, **changes: Any) -> dict[str, Any]:
    return {**CELL, "axis": axis, "ratio": ratio, "setup": SETUP, **changes}


REPORT: dict[str, Any] = {
    "model": "tiny",
    "processor": "A processor",
    "cores": 4,
    "gpu": "",
    "start": cell("confirm"),
    "cells": [
        cell("threads", 0.8),
        cell("threads", 1.5, noisy=True),
        cell("confirm", 0.8),
        cell("speculation", 1.0, repeating=0.4),
        cell("speculation", 1.0, repeating=0.4, same_text=False),
    ],
    "options": {"threads": 2},
    "ratio": 0.8,
    "offers": [{"name": "threads", "value": 4, "ratio": 0.7, "why": "every_core"}],
    "busy": False,
    "skipped": [],
    "budget": 60.0,
}


async def test_what_was_measured_is_told_and_can_be_forgotten(api: httpx.AsyncClient, studio: Studio) -> None:
    assert (await api.get("/models/tiny/tune")).json() == {"tuning": None}
    model = studio.find_model("tiny")
    studio.tunings.save(studio.planning.tuning_key(model), LoadOptions(threads=1), REPORT)
    told = (await api.get("/models/tiny/tune")).json()["tuning"]
    assert (told["options"], told["report"]) == ({"threads": 1}, REPORT)
    plan = (await api.get("/models/tiny")).json()["plan"]
    assert plan["threads"] == 1
    assert plan["reasons"][-1] == "As measured on this machine: threads = 1."
    assert (await api.delete("/models/tiny/tune")).status_code == 204
    assert (await api.get("/models/tiny/tune")).json() == {"tuning": None}


@pytest.mark.parametrize("budget", [1, 10_000, "long"])
async def test_an_impossible_budget_is_refused(api: httpx.AsyncClient, budget: object) -> None:
    assert (await api.post("/models/tiny/tune", json={"budget": budget})).status_code == 400


async def test_a_model_that_is_not_here_cannot_be_tuned(api: httpx.AsyncClient) -> None:
    assert (await api.post("/models/nobody/tune")).status_code == 404


def test_the_table_fits_into_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    tune.show(REPORT)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tiny · A processor · 4 cores"
    table = lines[2:9]
    assert max(len(line) for line in table) <= 80
    assert table[1].split()[-1] == "%"
    assert "−20 %" in table[2]
    assert table[3].endswith("too busy")
    assert table[5].endswith("lists ×2.5")
    assert table[6].endswith("other text")


def test_what_follows_is_said_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    tune.show({**REPORT, "skipped": ["batch", "speculation"]})
    told = capsys.readouterr().out
    assert "threads = 2 (time of a turn −20 %)" in told
    assert "Every core (4 threads)" in told
    assert "no time for all of it (Batch, Speculation)" in told
    assert "--budget 120" in told


def test_where_nothing_was_compared_nothing_is_said_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    tune.show({**REPORT, "cells": [], "options": {}, "offers": [], "skipped": ["threads"]})
    told = capsys.readouterr().out
    assert "Nothing is clearly faster" not in told
    assert "no time for all of it (Threads)" in told


def test_a_busy_machine_is_told_and_how_to_store_it_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    tune.show({**REPORT, "busy": True})
    told = capsys.readouterr().out
    assert "not stored" in told
    assert "fabula engine tune tiny --anyway" in told
