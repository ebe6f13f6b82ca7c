"""Whether a model's files are still what they were, and what else would miss them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from models_stand_ins import sha256, tiny_gguf

from fabula.core.model import LocalModel
from fabula.models.formats.identify import identify
from fabula.models.uses import uses
from fabula.models.verifying import note_hash, verify


@pytest.fixture
def model(tmp_path: Path) -> LocalModel:
    file = tmp_path / "Tiny.gguf"
    file.write_bytes(tiny_gguf())
    return identify(file)


def states(model: LocalModel, folder: Path, **expected: str) -> list[str]:
    return [
        row.state for row in verify(model, folder, {f"{name}.gguf": hash for name, hash in expected.items()})
    ]


def test_a_file_is_recorded_and_then_the_same(model: LocalModel, tmp_path: Path) -> None:
    read: list[int] = []
    [row] = verify(model, tmp_path, tell=read.append)
    assert (row.state, row.sha256, sum(read)) == ("recorded", sha256(tiny_gguf()), model.size)
    assert states(model, tmp_path) == ["same"]


def test_bytes_that_changed_though_nobody_wrote_are_damage(model: LocalModel, tmp_path: Path) -> None:
    verify(model, tmp_path)
    before = model.path.stat()
    data = bytearray(model.path.read_bytes())
    data[-1] ^= 1
    model.path.write_bytes(data)
    os.utime(model.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert states(model, tmp_path) == ["damaged"]


def test_a_file_that_was_written_is_recorded_anew(model: LocalModel, tmp_path: Path) -> None:
    verify(model, tmp_path)
    model.path.write_bytes(tiny_gguf(general__name="Other"))
    assert states(model, tmp_path) == ["changed"]
    assert states(model, tmp_path) == ["same"]


def test_a_hash_that_is_known_from_elsewhere_counts(model: LocalModel, tmp_path: Path) -> None:
    assert states(model, tmp_path, Tiny="0" * 64) == ["damaged"]
    assert states(model, tmp_path, Tiny=sha256(tiny_gguf())) == ["same"]
    assert states(model, tmp_path) == ["same"]


def test_what_was_fetched_has_to_stay_what_its_source_told(model: LocalModel, tmp_path: Path) -> None:
    note_hash(model.path, tmp_path, sha256(tiny_gguf()))
    assert states(model, tmp_path) == ["same"]
    model.path.write_bytes(tiny_gguf()[:-1] + b"x")
    assert states(model, tmp_path) == ["damaged"]
    assert states(model, tmp_path) == ["damaged"]
    model.path.write_bytes(tiny_gguf())
    assert states(model, tmp_path) == ["same"]


def test_missing_parts_and_unusable_files_are_told(model: LocalModel, tmp_path: Path) -> None:
    broken = replace(model, problem="models.problem.truncated")
    assert states(broken, tmp_path) == ["unusable"]
    model.path.unlink()
    assert states(model, tmp_path) == ["missing"]


def test_what_would_miss_a_file_is_told_before_it_goes(model: LocalModel, tmp_path: Path) -> None:
    assert uses(model, [model]) == []
    os.link(model.path, tmp_path / "other-program.bin")
    seeing = replace(model, name="Seeing", projector=str(model.path))
    keys = [use.key for use in uses(model, [model, seeing], default=model.name)]
    assert keys == ["models.uses.default", "models.uses.projector", "models.uses.names"]
