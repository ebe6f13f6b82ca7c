"""`fabula vector` at a real studio."""

from __future__ import annotations

from pathlib import Path

from talking import Client
from test_cli_verbs import Fabula, fabula

from fabula.engine.vectors import Vectors

__all__ = ["fabula"]


def test_a_file_is_taken_in_listed_and_removed(client: Client, fabula: Fabula, tmp_path: Path) -> None:
    made = Vectors(tmp_path / "made").make("calm", {1: [0.5, 1.0], 2: [0.5, 1.0], 4: [1.0, 1.0]})
    added = fabula("vector", "add", "glad", str(made.path))
    assert "glad is here, for the layers 1–2, 4" in added.err
    assert "1–2, 4" in fabula("vector", "list").out
    assert [row["name"] for row in client.get("/vectors")["vectors"]] == ["glad"]
    assert fabula("vector", "add", "glad", str(made.path)).status == 1
    assert fabula("vector", "rm", "glad").status == 0
    assert fabula("vector", "rm", "glad").status == 1
    assert "fabula vector add" in fabula("vector", "list").err
