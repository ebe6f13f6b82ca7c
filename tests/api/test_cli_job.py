"""`fabula job kinds`, `start` and `log` at a real studio."""

from __future__ import annotations

import json
from pathlib import Path

import tiny_model
from talking import Client
from test_cli_verbs import Fabula, fabula

from fabula.store.home import Home

__all__ = ["fabula"]


def test_the_kinds_and_what_each_asks_are_told(client: Client, fabula: Fabula) -> None:
    assert "Quantize a model" in fabula("job", "kinds").out
    asked = fabula("job", "kinds", "quantize")
    assert "importance_from" in asked.out
    assert "Makes a smaller model of one" in asked.err
    (told,) = [json.loads(line) for line in fabula("job", "kinds", "tune", "--json").out.splitlines()]
    assert told["schema"]["properties"]["budget_s"]["minimum"] == 1
    assert fabula("job", "kinds", "nothing").status == 1


def test_a_job_of_any_kind_is_begun_by_its_fields(
    client: Client, fabula: Fabula, home: Home, tmp_path: Path
) -> None:
    source = tiny_model.write(tmp_path / "fourth.gguf")
    begun = fabula("job", "start", "pull", f"source={source}")
    assert begun.status == 0
    assert (home.models / "fourth.gguf").exists()
    job = client.get(f"/jobs/{begun.out.strip()}")
    assert job["state"] == "done"
    assert fabula("job", "log", job["id"]).status == 0


def test_a_field_without_a_value_is_refused(client: Client, fabula: Fabula) -> None:
    assert "FIELD=VALUE" in fabula("job", "start", "pull", "source").err
    assert fabula("job", "start", "verify", "model=nobody").status == 1
